"""The passes over the volumes: each works block by block, and gives what no cut of the volume changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ecc_px.cells.components import BlockObjects, Voxels, objects_of_block, objects_of_labels
from ecc_px.cells.diameter import Shapes
from ecc_px.cells.inputs import Inputs, Sample
from ecc_px.cells.measuring import Intensities, Measuring, measure, measured_voxels
from ecc_px.cells.numbering import place_in
from ecc_px.cells.objects import Objects
from ecc_px.cells.packing import AT_ONCE, PackedObjects
from ecc_px.cells.seams import Seams
from ecc_px.cells.selection import Sorting
from ecc_px.cells.splitting import Splitter
from ecc_px.volumes.blocks import Block, Region, Shape, blocks_of, shape_of
from ecc_px.volumes.streaming import Item, Progress, Result, in_order
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
        Half of how many blocks are under way.
    executor : Executor or None
        None: threads of our own, `jobs` of them.
    count : int
        How many passes there are: each is the same share of a voxel's work.
    report : function of (voxels done, voxels in all)
    """

    inputs: Inputs
    voxel_um: VoxelUm
    core: Shape
    jobs: int
    executor: Executor | None
    count: int
    report: Progress

    def shapes(self, number: int, connectivity: int) -> Shapes:
        """Those of all connected components."""
        found = Shapes(self.voxel_um, flat=self.inputs.shape[0] == 1)
        seams = Seams(self.inputs.shape, self.core, connectivity)
        work = partial(_shapes_of_block, self.inputs, connectivity)
        for block, objects in self._worked_out(work, self._blocks()):
            found.add(objects.closed)
            found.add(seams.add(self._place(block), objects))
            self._report(number, block)
        found.add(seams.finish())
        return found

    def components(self, number: int, connectivity: int, splitter: Splitter | None, found: Sorting) -> int:
        """Hand all connected components, or what they are split into, to `found`; returns the voxels left out."""
        reach = None if splitter is None else splitter.reach
        seams = Seams(self.inputs.shape, self.core, connectivity, reach=reach)
        excluded_voxels = 0
        work = partial(_components_of_block, self.inputs, connectivity, splitter)
        for block, (objects, excluded) in self._worked_out(work, self._blocks()):
            found.add(objects.closed)
            found.add(seams.add(self._place(block), objects))
            excluded_voxels += excluded
            self._report(number, block)
        found.add(seams.finish())
        return excluded_voxels

    def labelled(self, number: int, found: Sorting) -> int:
        """Hand all objects of a label image to `found`; returns the voxels left out."""
        parts = PackedObjects()
        excluded_voxels = 0
        for block, (objects, excluded) in self._worked_out(partial(_labelled_of_block, self.inputs), self._blocks()):
            parts.add(objects)
            excluded_voxels += excluded
            self._report(number, block)
        # A label may come again in the very last block: only now its parts are put together, some labels at a time.
        label = parts.column("component")
        order = np.argsort(label, kind="stable")
        begins = np.flatnonzero(np.diff(label[order], prepend=-1))
        del label
        for some in np.split(order, begins[AT_ONCE::AT_ONCE]):
            pieces = parts.take(some)
            labels, group = np.unique(pieces.component, return_inverse=True)
            found.add(pieces.grouped(group, len(labels)))
        return excluded_voxels

    def intensities(self, number: int, objects: PackedObjects, how: Measuring) -> Intensities:
        """Signal and background of every object, each measured in the block that holds its centre."""
        out = Intensities.zeros(len(objects))
        groups = ((group, objects.take(group)) for group in _by_block(objects, self.core, self.inputs.shape))
        work = partial(_intensities_of_group, self.inputs, how, self.voxel_um)
        voxels, done = int(np.prod(self.inputs.shape)), 0
        for (group, _), measured in self._worked_out(work, groups):
            out.put(group, measured)
            done += len(group)
            self.report((number * voxels + voxels * done // len(objects)) // self.count, voxels)
        self.report(voxels, voxels)
        return out

    def _worked_out(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        return in_order(work, items, self.jobs, self.executor)

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


# What a worker does, perhaps in another process: functions of a module, of what can be pickled.


def _shapes_of_block(inputs: Inputs, connectivity: int, block: Block) -> BlockObjects:
    """A block's components without their intensities."""
    voxels = Voxels(inputs.sample(block.core).foreground)
    return objects_of_block(voxels, block.core, inputs.shape, connectivity)


def _components_of_block(
    inputs: Inputs, connectivity: int, splitter: Splitter | None, block: Block
) -> tuple[BlockObjects, int]:
    """A block's components, or what they are split into, and how many voxels are left out."""
    halo = (0, 0, 0) if splitter is None else splitter.halo
    outer = inputs.with_margin(block.core, halo)
    sample = inputs.sample(outer)
    inner = place_in(block.core, outer)
    foreground = sample.foreground
    voxels, excluded = _own_voxels(inputs, sample, inner)
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


def _labelled_of_block(inputs: Inputs, block: Block) -> tuple[Objects, int]:
    """The parts of labelled objects in a block, and how many voxels are left out."""
    outer = inputs.with_margin(block.core, (0, 0, 0))
    sample = inputs.sample(outer)
    inner = place_in(block.core, outer)
    voxels, excluded = _own_voxels(inputs, sample, inner)
    if voxels.foreground.any():
        raw = inputs.intensities(block.core)
        inputs.refuse_unmeasurable(raw, block.core, [voxels.foreground])
        voxels = voxels.with_raw(raw)
    return objects_of_labels(voxels, sample.stored[inner], block.core, inputs.shape), excluded


def _intensities_of_group(
    inputs: Inputs, how: Measuring, voxel_um: VoxelUm, group: tuple[npt.NDArray[np.int64], Objects]
) -> Intensities:
    """Signal and background of the objects whose centres lie in a block."""
    _, objects = group
    centres = objects.centre
    region = _surroundings(centres, how.reach(voxel_um), inputs.shape)
    corner = np.array([side.start for side in region], np.int64)
    raw = inputs.intensities(region)
    free = inputs.free(region) if how.background == "shell" else None
    places = measured_voxels(free, centres - corner, shape_of(region), how, voxel_um)
    inputs.refuse_unmeasurable(raw, region, places)
    return measure(raw, free, objects, corner, how, voxel_um)


def _own_voxels(inputs: Inputs, sample: Sample, inner: Region) -> tuple[Voxels, int]:
    """The block's own voxels without their intensities, and how many of those above the threshold are left out."""
    block = sample.cropped(inner)
    probability = block.stored if inputs.kind == "probabilities" else None
    if sample.excluded is None or block.excluded is None:
        return Voxels(block.foreground, None, probability), 0
    beside = _beside(sample.excluded)[inner]
    return Voxels(block.foreground, None, probability, beside), int(np.count_nonzero(block.above & block.excluded))


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


def _by_block(objects: PackedObjects, core: Shape, shape: Shape) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of the objects whose centres lie in each block that has any, block after block."""
    _, rows, columns = (-(-extent // n) for extent, n in zip(shape, core, strict=True))
    parts = [np.zeros(0, np.int64)]
    for some in objects.pieces():
        z, y, x = (some.centre // np.array(core)).T
        parts.append((z * rows + y) * columns + x)
    place = np.concatenate(parts)
    del parts
    order = np.argsort(place, kind="stable")
    cuts = np.flatnonzero(np.diff(place[order])) + 1
    del place
    yield from (group for group in np.split(order, cuts) if len(group))


def _surroundings(centres: npt.NDArray[np.int64], reach: Shape, shape: Shape) -> Region:
    """The smallest box that holds all voxels within reach of the centres."""
    low = np.maximum(centres.min(axis=0) - reach, 0)
    high = np.minimum(centres.max(axis=0) + np.array(reach) + 1, shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
