"""The passes over the volumes: each works block by block on threads, and gives what no cut of the volume changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.cells.components import BlockObjects, Voxels, objects_of_block, objects_of_labels
from ecc_px.cells.inputs import Inputs, Sample
from ecc_px.cells.measuring import Intensities, Measuring, measure, measured_voxels
from ecc_px.cells.numbering import place_in
from ecc_px.cells.objects import Objects
from ecc_px.cells.seams import Seams
from ecc_px.cells.selection import Sorting
from ecc_px.cells.splitting import Splitter
from ecc_px.volumes.blocks import Block, Region, Shape, blocks_of, shape_of
from ecc_px.volumes.streaming import Progress, in_order
from ecc_px.volumes.volume import VoxelUm


@dataclass(frozen=True)
class Passes:
    """What all passes share.

    Parameters
    ----------
    inputs : Inputs
    voxel_um : (z, y, x) µm
    core : (z, y, x)
        Voxels of a block.
    jobs : int
        Threads.
    count : int
        How many passes there are: each is the same share of a voxel's work.
    report : function of (voxels done, voxels in all)
    """

    inputs: Inputs
    voxel_um: VoxelUm
    core: Shape
    jobs: int
    count: int
    report: Progress

    def shapes(self, number: int, connectivity: int) -> Objects:
        """All connected components, without their intensities."""
        found = Sorting()
        seams = Seams(self.inputs.shape, self.core, connectivity)

        def work(block: Block) -> BlockObjects:
            voxels = Voxels(self.inputs.sample(block.core).foreground)
            return objects_of_block(voxels, block.core, self.inputs.shape, connectivity)

        for block, objects in in_order(work, self._blocks(), self.jobs):
            found.add(objects.closed)
            found.add(seams.add(self._place(block), objects))
            self._report(number, block)
        found.add(seams.finish())
        return found.cells()

    def components(self, number: int, connectivity: int, splitter: Splitter | None, found: Sorting) -> int:
        """Hand all connected components, or what they are split into, to `found`; returns the voxels left out."""
        inputs = self.inputs
        halo = (0, 0, 0) if splitter is None else splitter.halo

        def work(block: Block) -> tuple[BlockObjects, int]:
            outer = inputs.with_margin(block.core, halo)
            sample = inputs.sample(outer)
            inner = place_in(block.core, outer)
            foreground = sample.foreground
            voxels, excluded = self._voxels(sample, inner)
            basins = None
            if foreground[inner].any():
                raw = inputs.intensities(outer if splitter is not None else block.core)
                measured = raw if splitter is None else raw[inner]
                inputs.refuse_unmeasurable(measured, block.core, [foreground[inner]])
                voxels = voxels.with_raw(measured)
                if splitter is not None:
                    probability = inputs.probability(sample)
                    basins = splitter.basins(foreground, probability, inputs.lit(raw), outer, block.core)
            return objects_of_block(voxels, block.core, inputs.shape, connectivity, basins), excluded

        seams = Seams(inputs.shape, self.core, connectivity, reach=None if splitter is None else splitter.reach)
        excluded_voxels = 0
        for block, (objects, excluded) in in_order(work, self._blocks(), self.jobs):
            found.add(objects.closed)
            found.add(seams.add(self._place(block), objects))
            excluded_voxels += excluded
            self._report(number, block)
        found.add(seams.finish())
        return excluded_voxels

    def labelled(self, number: int, found: Sorting) -> int:
        """Hand all objects of a label image to `found`; returns the voxels left out."""
        inputs = self.inputs

        def work(block: Block) -> tuple[Objects, int]:
            outer = inputs.with_margin(block.core, (0, 0, 0))
            sample = inputs.sample(outer)
            inner = place_in(block.core, outer)
            voxels, excluded = self._voxels(sample, inner)
            if voxels.foreground.any():
                raw = inputs.intensities(block.core)
                inputs.refuse_unmeasurable(raw, block.core, [voxels.foreground])
                voxels = voxels.with_raw(raw)
            return objects_of_labels(voxels, sample.stored[inner], block.core, inputs.shape), excluded

        parts = Objects.empty()
        excluded_voxels = 0
        for block, (objects, excluded) in in_order(work, self._blocks(), self.jobs):
            parts = Objects.concatenated([parts, objects])
            label, group = np.unique(parts.component, return_inverse=True)
            parts = parts.grouped(group, len(label))
            excluded_voxels += excluded
            self._report(number, block)
        found.add(parts)
        return excluded_voxels

    def intensities(self, number: int, objects: Objects, how: Measuring) -> Intensities:
        """Signal and background of every object, each measured in the block that holds its centre."""
        inputs, centres = self.inputs, objects.centre
        reach = how.reach(self.voxel_um)
        out = Intensities(np.zeros(len(objects)), np.zeros(len(objects)))

        def work(group: npt.NDArray[np.int64]) -> Intensities:
            region = _surroundings(centres[group], reach, inputs.shape)
            corner = np.array([side.start for side in region], np.int64)
            raw = inputs.intensities(region)
            free = inputs.free(region) if how.background == "shell" else None
            shape = shape_of(region)
            inputs.refuse_unmeasurable(
                raw, region, measured_voxels(free, centres[group] - corner, shape, how, self.voxel_um)
            )
            return measure(raw, free, objects.take(group), corner, how, self.voxel_um)

        voxels, done = int(np.prod(inputs.shape)), 0
        for group, measured in in_order(work, _by_block(centres, self.core), self.jobs):
            out.signal[group] = measured.signal
            out.background[group] = measured.background
            done += len(group)
            self.report((number * voxels + voxels * done // len(objects)) // self.count, voxels)
        self.report(voxels, voxels)
        return out

    def _voxels(self, sample: Sample, inner: Region) -> tuple[Voxels, int]:
        """The block's own voxels without their intensities, and how many of those above the threshold are left out."""
        block = sample.cropped(inner)
        probability = self.inputs.probability_in_units(block)
        if sample.excluded is None or block.excluded is None:
            return Voxels(block.foreground, None, probability), 0
        beside = _beside(sample.excluded)[inner]
        return Voxels(block.foreground, None, probability, beside), int(np.count_nonzero(block.above & block.excluded))

    def _blocks(self) -> Iterator[Block]:
        return blocks_of(self.inputs.shape, self.core)

    def _place(self, block: Block) -> tuple[int, int, int]:
        z, y, x = (side.start // n for side, n in zip(block.core, self.core, strict=True))
        return z, y, x

    def _report(self, number: int, block: Block) -> None:
        """A block of pass `number` (from 0) is done."""
        done = self._voxels_before(block) + int(np.prod(shape_of(block.core)))
        voxels = int(np.prod(self.inputs.shape))
        self.report((number * voxels + done) // self.count, voxels)

    def _voxels_before(self, block: Block) -> int:
        """Voxels of all blocks that come before one in raster order."""
        (z, y, x), (depth, height, _) = block.core, shape_of(block.core)
        _, rows, columns = self.inputs.shape
        return z.start * rows * columns + depth * y.start * columns + depth * height * x.start


def _beside(excluded: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Voxels with a face on the excluded region."""
    beside = np.zeros_like(excluded)
    for axis in range(3):
        for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            at = [slice(None)] * 3
            to = [slice(None)] * 3
            at[axis], to[axis] = here, there
            beside[tuple(to)] |= excluded[tuple(at)]
    return beside


def _by_block(centres: npt.NDArray[np.int64], core: Shape) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the centres in each block that has any, block after block."""
    places = centres // np.array(core)
    order = np.lexsort(places.T[::-1])
    is_next = np.any(np.diff(places[order], axis=0) != 0, axis=1)
    yield from (group for group in np.split(order, np.flatnonzero(is_next) + 1) if len(group))


def _surroundings(centres: npt.NDArray[np.int64], reach: Shape, shape: Shape) -> Region:
    """The smallest box that holds all voxels within reach of the centres."""
    low = np.maximum(centres.min(axis=0) - reach, 0)
    high = np.minimum(centres.max(axis=0) + np.array(reach) + 1, shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
