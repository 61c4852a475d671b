"""The objects of one block: which are complete, and which may go on in the next block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import Objects, in_units
from ecc_px.cells.runs import LabelledRuns, label_runs
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Region, Shape


@dataclass(frozen=True)
class Rim:
    """Foreground voxels of a block on its seams with other blocks.

    Parameters
    ----------
    key : (n,) int64
        Voxel numbers in a volume one voxel taller and wider, see `voxel_key`.
    fragment : (n,) int32
        Which of the block's open objects each belongs to.
    """

    key: npt.NDArray[np.int64]
    fragment: npt.NDArray[np.int64]


@dataclass(frozen=True)
class BlockObjects:
    """Objects that end inside a block (`closed`) and those that touch a seam (`fragments`).

    `near` holds the seams towards earlier blocks (lower z, y, x), `far` those towards later ones.
    """

    closed: Objects
    fragments: Objects
    near: Rim
    far: Rim


def voxel_key(z: Any, y: Any, x: Any, shape: Shape) -> Any:
    """Number of a voxel such that a neighbour's number differs by a constant, and none is met across a border.

    The row and the column added to the volume are never foreground, so a step over the border finds nothing.
    """
    return (z * (shape[1] + 1) + y) * (shape[2] + 1) + x


def objects_of_block(
    foreground: npt.NDArray[np.bool_],
    raw: npt.NDArray[Any] | None,
    core: Region,
    shape: Shape,
    connectivity: int,
) -> BlockObjects:
    """Connected components of one block with their sums.

    Parameters
    ----------
    foreground : (z, y, x) bool
        The block's voxels above the threshold.
    raw : (z, y, x) or None
        The block's intensities; None leaves their sums at 0.
    core : Region
        The block's place in the volume.
    shape : (z, y, x)
        The volume's.
    connectivity : 6, 18 or 26
    """
    runs = label_runs(foreground, connectivity)
    corner = np.array([side.start for side in core], np.int64)
    intensities = in_units(raw[foreground]) if raw is not None else np.zeros(0, np.int64)
    first, voxels, index_sum, raw_sum = _sums(
        runs.row, runs.start, runs.stop, runs.component, runs.count, runs.shape[1], corner, shape, intensities
    )
    objects = Objects(first, voxels, index_sum, raw_sum)

    near = _seam_voxels(runs, corner, shape, [side.start > 0 for side in core], np.array([0, 0, 0]))
    far = _seam_voxels(
        runs,
        corner,
        shape,
        [side.stop < n for side, n in zip(core, shape, strict=True)],
        np.array(runs.shape) - 1,
    )
    is_open = np.zeros(runs.count, bool)
    for _, component in (near, far):
        is_open[component] = True
    fragment = np.cumsum(is_open) - 1
    return BlockObjects(
        closed=objects.take(~is_open),
        fragments=objects.take(is_open),
        near=Rim(near[0], fragment[near[1]]),
        far=Rim(far[0], fragment[far[1]]),
    )


@kernel()
def _sums(
    row: Any,
    start: Any,
    stop: Any,
    component: Any,
    count: int,
    height: int,
    corner: Any,
    shape: Shape,
    intensities: Any,
) -> Any:
    """Sums over each component; `intensities` are those of the runs' voxels one after the other, or none."""
    first = np.full(count, -1, np.int64)
    voxels = np.zeros(count, np.int64)
    index_sum = np.zeros((count, 3), np.int64)
    raw_sum = np.zeros(count, np.int64)
    seen = 0
    for i in range(len(row)):
        c, length = component[i], int(stop[i] - start[i])
        z, y = corner[0] + row[i] // height, corner[1] + row[i] % height
        x, x_last = corner[2] + start[i], corner[2] + stop[i] - 1
        if first[c] < 0:
            first[c] = (z * shape[1] + y) * shape[2] + x
        voxels[c] += length
        index_sum[c, 0] += z * length
        index_sum[c, 1] += y * length
        index_sum[c, 2] += (x + x_last) * length // 2
        if len(intensities):
            for k in range(seen, seen + length):
                raw_sum[c] += intensities[k]
            seen += length
    return first, voxels, index_sum, raw_sum


def _seam_voxels(
    runs: LabelledRuns,
    corner: npt.NDArray[np.int64],
    shape: Shape,
    is_seam: list[bool],
    side: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Keys and components of the foreground voxels whose z, y or x in the block is that of a seam."""
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
    return key, runs.component[run]
