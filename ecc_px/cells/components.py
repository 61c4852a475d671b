"""The objects of one block: which are complete, and which may go on in the next block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecc_px.cells.climbing import Basins
from ecc_px.cells.numbering import voxel_key
from ecc_px.cells.objects import PLACE, Integers, Objects, intensity_units, weight_units
from ecc_px.cells.runs import LabelledRuns, label_runs
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Region, Shape

FIRST, COMPONENT, LOWER, UPPER = (PLACE[name] for name in ("first", "component", "lower", "upper"))
VOXELS, INDEX_SUM, SQUARE_SUM = (PLACE[name] for name in ("voxels", "index_sum", "square_sum"))
RAW_SUM, RAW_MIN, RAW_MAX = (PLACE[name] for name in ("raw_sum", "raw_min", "raw_max"))
WEIGHT_SUM, WEIGHT_INDEX_SUM = PLACE["weight_sum"], PLACE["weight_index_sum"]
PROBABILITY_SUM, BESIDE_EXCLUDED = PLACE["probability_sum"], PLACE["beside_excluded"]
LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Voxels:
    """The voxels of a block, (z, y, x) each.

    Parameters
    ----------
    foreground : bool
    raw : or None
        Intensities; None leaves their sums at 0.
    probability : or None
        As the image has them that they come from; None: 1 each.
    beside_excluded : bool, or None
        Voxels with a face on the excluded region.
    """

    foreground: npt.NDArray[np.bool_]
    raw: npt.NDArray[Any] | None = None
    probability: npt.NDArray[Any] | None = None
    beside_excluded: npt.NDArray[np.bool_] | None = None

    def with_raw(self, raw: npt.NDArray[Any]) -> Voxels:
        return replace(self, raw=raw)


@dataclass(frozen=True)
class Rim:
    """Voxels of a block that other blocks may have to do with.

    Parameters
    ----------
    key : (n,) int64
        Voxel numbers in a volume one voxel taller and wider, see `voxel_key`.
    fragment : (n,) int
        Which of the block's open fragments each belongs to, or wants to belong to.
    """

    key: npt.NDArray[np.int64]
    fragment: npt.NDArray[Any]

    @classmethod
    def empty(cls) -> Rim:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def together(cls, rims: Sequence[Rim]) -> Rim:
        """The voxels of all, one rim after the other."""
        every = [cls.empty(), *rims]
        return cls(np.concatenate([rim.key for rim in every]), np.concatenate([rim.fragment for rim in every]))

    def in_order(self) -> Rim:
        """The same in the order of the keys."""
        order = np.argsort(self.key, kind="stable")
        return Rim(self.key[order], self.fragment[order])

    def shifted(self, offset: int) -> Rim:
        """The same for fragments that are numbered from `offset`."""
        return Rim(self.key, self.fragment + offset)

    def open_only(self, number: npt.NDArray[np.int64]) -> Rim:
        """The same with the fragments' new numbers, without those that have none (−1)."""
        fragment = number[self.fragment]
        kept = fragment >= 0
        return Rim(self.key[kept], fragment[kept])


@dataclass(frozen=True)
class BlockObjects:
    """Objects that end inside a block (`closed`) and fragments of components that touch a seam.

    Parameters
    ----------
    closed, fragments : Objects
    component : (n,) int
        Numbers that are equal for fragments that the block knows to be one component.
    near, far : Rim
        Foreground on the seams towards earlier blocks (lower z, y, x), and towards later ones.
    summits : Rim
        Where fragments of other blocks may lead to, apart from the seams.
    links : Rim
        Voxels of other blocks that a fragment is one object with.
    """

    closed: Objects
    fragments: Objects
    component: npt.NDArray[Any]
    near: Rim
    far: Rim
    summits: Rim
    links: Rim


def objects_of_block(
    voxels: Voxels, core: Region, shape: Shape, connectivity: int, basins: Basins | None = None
) -> BlockObjects:
    """Connected components of one block, or the basins that they are split into, with their sums.

    Parameters
    ----------
    voxels : Voxels
        Of the block.
    core : Region
        The block's place in the volume.
    shape : (z, y, x)
        The volume's.
    connectivity : 6, 18 or 26
    basins : Basins, optional
        Default: components stay whole.
    """
    runs = label_runs(voxels.foreground, connectivity)
    corner = np.array([side.start for side in core], np.int64)
    component_of_voxel = np.repeat(runs.component, runs.stop - runs.start)
    if basins is None:
        parts = _Parts(component_of_voxel, np.arange(runs.count), np.full(runs.count, -1, np.int64))
    else:
        parts = _parts(component_of_voxel, basins)
    fragment_of_voxel, component, onward = parts
    objects = sums_of(runs, fragment_of_voxel, len(component), voxels, corner, shape)

    is_near = [side.start > 0 for side in core]
    is_far = [side.stop < n for side, n in zip(core, shape, strict=True)]
    near = _seam_voxels(runs, fragment_of_voxel, corner, shape, is_near, np.array([0, 0, 0]))
    far = _seam_voxels(runs, fragment_of_voxel, corner, shape, is_far, np.array(runs.shape) - 1)
    is_open = np.zeros(runs.count, bool)
    for rim in (near, far):
        is_open[component[rim.fragment]] = True
    is_fragment = is_open[component]
    number = np.where(is_fragment, np.cumsum(is_fragment) - 1, -1)
    linked = np.flatnonzero(onward >= 0)
    summits = Rim.empty() if basins is None else _summits(runs, fragment_of_voxel, basins, corner, shape)
    return BlockObjects(
        closed=objects.take(~is_fragment).completed(component[~is_fragment]),
        fragments=objects.take(is_fragment),
        component=component[is_fragment],
        near=near.open_only(number),
        far=far.open_only(number),
        summits=summits.open_only(number),
        links=Rim(onward[linked], linked).open_only(number),
    )


def objects_of_labels(voxels: Voxels, labels: npt.NDArray[Any], core: Region, shape: Shape) -> Objects:
    """The parts of labelled objects that lie in a block: one for each label, which is its `component`.

    Parameters
    ----------
    voxels : Voxels
        Of the block.
    labels : (z, y, x) int
    """
    runs = label_runs(voxels.foreground, 26)
    corner = np.array([side.start for side in core], np.int64)
    label, fragment = np.unique(labels[voxels.foreground], return_inverse=True)
    objects = sums_of(runs, fragment.ravel(), len(label), voxels, corner, shape)
    return objects.having(component=label)


class _Parts(NamedTuple):
    """Fragment of each voxel; of each fragment its component, and the key of where it goes on (−1: nowhere)."""

    fragment_of_voxel: npt.NDArray[Any]
    component: npt.NDArray[Any]
    onward: npt.NDArray[np.int64]


def _parts(component_of_voxel: npt.NDArray[np.int32], basins: Basins) -> _Parts:
    """Voxels whose ways leave the block at the same voxel are one fragment if the block sees them connected."""
    # Roots are numbers of voxels: marking them tells them apart without sorting all voxels.
    is_root = np.zeros(len(basins.root), bool)
    is_root[basins.root] = True
    roots, place = np.flatnonzero(is_root), (np.cumsum(is_root) - 1)[basins.root]
    component, onward = component_of_voxel[roots].astype(np.int64), basins.onward[roots]
    leaving = np.flatnonzero(onward >= 0)
    order = leaving[np.lexsort((onward[leaving], component[leaving]))]
    is_next = np.ones(len(order), bool)
    is_next[1:] = (np.diff(component[order]) != 0) | (np.diff(onward[order]) != 0)
    same_as = np.arange(len(roots))
    same_as[order] = order[is_next][np.cumsum(is_next) - 1]
    kept = same_as == np.arange(len(roots))
    fragment = (np.cumsum(kept) - 1)[same_as]
    return _Parts(fragment[place], component[kept], onward[kept])


def sums_of(
    runs: LabelledRuns,
    fragment_of_voxel: npt.NDArray[Any],
    count: int,
    voxels: Voxels,
    corner: npt.NDArray[np.int64],
    shape: Shape,
) -> Objects:
    """Sums over each fragment; `fragment_of_voxel` numbers the foreground voxels in raster order."""
    nothing = np.zeros(0, np.int64)
    raw = nothing if voxels.raw is None else runs.values(voxels.raw, intensity_units(voxels.raw.dtype))
    coarser = 1 if voxels.raw is None else intensity_units(voxels.raw.dtype) // weight_units(voxels.raw.dtype)
    if voxels.probability is None:
        probability = nothing
    else:
        probability = runs.values(voxels.probability, intensity_units(voxels.probability.dtype))
    beside = nothing if voxels.beside_excluded is None else runs.values(voxels.beside_excluded)
    objects = Objects.neutral(count)
    _add(
        runs.row, runs.start, runs.stop, fragment_of_voxel, runs.shape[1], corner, shape,
        raw, coarser, probability, beside, objects.numbers,
    )  # fmt: skip
    return objects


@kernel()
def _add(
    row: Any, start: Any, stop: Any, fragment: Any, height: int, corner: Any, shape: Shape,
    raw: Any, coarser: int, probability: Any, beside: Any, sums: Any,
) -> None:  # fmt: skip
    """Add the runs' voxels to their fragments, those side by side at once.

    Without intensities, their range is from −1 to 0, which is not taken for that of a flat object; without
    probabilities, each is 1.
    """
    k = 0
    for i in range(len(row)):
        z, y = corner[0] + row[i] // height, corner[1] + row[i] % height
        begin, end = corner[2] + start[i], corner[2] + stop[i]
        while begin < end:
            f = fragment[k]
            n = x_sum = x_square = raw_sum = weight_sum = weight_x = 0
            raw_min, raw_max = (LARGEST, -LARGEST) if len(raw) else (-1, 0)
            probability_sum = beside_sum = 0
            x = begin
            while x < end and fragment[k] == f:
                n += 1
                x_sum += x
                x_square += x * x
                if len(raw):
                    value = raw[k]
                    raw_sum += value
                    raw_min, raw_max = min(raw_min, value), max(raw_max, value)
                    weight = value // coarser
                    weight_sum += weight
                    weight_x += weight * x
                if len(probability):
                    probability_sum += probability[k]
                if len(beside):
                    beside_sum += beside[k]
                x += 1
                k += 1
            of = sums[f]
            of[FIRST] = min(of[FIRST], (z * shape[1] + y) * shape[2] + begin)
            of[COMPONENT] = of[FIRST]
            of[LOWER], of[UPPER] = min(of[LOWER], z), max(of[UPPER], z)
            of[LOWER + 1], of[UPPER + 1] = min(of[LOWER + 1], y), max(of[UPPER + 1], y)
            of[LOWER + 2], of[UPPER + 2] = min(of[LOWER + 2], begin), max(of[UPPER + 2], x - 1)
            of[RAW_MIN], of[RAW_MAX] = min(of[RAW_MIN], raw_min), max(of[RAW_MAX], raw_max)
            of[BESIDE_EXCLUDED] += beside_sum
            of[PROBABILITY_SUM] += probability_sum if len(probability) else n
            of[RAW_SUM] += raw_sum
            of[VOXELS] += n
            of[INDEX_SUM] += n * z
            of[INDEX_SUM + 1] += n * y
            of[INDEX_SUM + 2] += x_sum
            of[SQUARE_SUM] += n * z * z
            of[SQUARE_SUM + 1] += n * y * y
            of[SQUARE_SUM + 2] += x_square
            of[SQUARE_SUM + 3] += n * z * y
            of[SQUARE_SUM + 4] += z * x_sum
            of[SQUARE_SUM + 5] += y * x_sum
            of[WEIGHT_SUM] += weight_sum
            of[WEIGHT_INDEX_SUM] += z * weight_sum
            of[WEIGHT_INDEX_SUM + 1] += y * weight_sum
            of[WEIGHT_INDEX_SUM + 2] += weight_x
            begin = x


def _seam_voxels(
    runs: LabelledRuns,
    fragment_of_voxel: npt.NDArray[Any],
    corner: npt.NDArray[np.int64],
    shape: Shape,
    is_seam: list[bool],
    side: npt.NDArray[np.int64],
) -> Rim:
    """Keys and fragments of the foreground voxels whose z, y or x in the block is that of a seam."""
    height = runs.shape[1]
    z, y = np.divmod(runs.row, height)
    along = (is_seam[0] & (z == side[0])) | (is_seam[1] & (y == side[1]))
    across = is_seam[2] & (runs.start <= side[2]) & (runs.stop > side[2]) & ~along

    # A run that lies in a seam gives all of its voxels, one that meets a seam at its end gives that voxel.
    length = np.where(along, runs.stop - runs.start, across.astype(np.int32))
    run = np.repeat(np.arange(len(length)), length)
    place_in_run = np.arange(len(run)) - np.repeat(np.cumsum(length) - length, length)
    x = np.where(across[run], side[2], runs.start[run] + place_in_run)
    key = voxel_key(corner[0] + z[run], corner[1] + y[run], corner[2] + x, shape)
    number = _number_of_run_start(runs)[run] + x - runs.start[run]
    return Rim(key, fragment_of_voxel[number])


def _summits(
    runs: LabelledRuns,
    fragment_of_voxel: npt.NDArray[Any],
    basins: Basins,
    corner: npt.NDArray[np.int64],
    shape: Shape,
) -> Rim:
    starts = _number_of_run_start(runs)
    run = np.searchsorted(starts, basins.summits, side="right") - 1
    z, y = np.divmod(runs.row[run], runs.shape[1])
    x = runs.start[run] + basins.summits - starts[run]
    return Rim(voxel_key(corner[0] + z, corner[1] + y, corner[2] + x, shape), fragment_of_voxel[basins.summits])


def _number_of_run_start(runs: LabelledRuns) -> Integers:
    """How many foreground voxels come before each run."""
    length = (runs.stop - runs.start).astype(np.int64)
    return np.cumsum(length) - length
