"""Basins: every foreground voxel climbs its steepest way, and what ends on the same summit belongs together.

Only local rules, so that a block knows all there is to know about its own voxels from a fixed surrounding:

* a voxel's next one is the foreground neighbour (of 26) with the highest response, if that is higher than its own;
  of equals, the one with the smaller raster index;
* a summit joins a stronger one within reach when the response on the straight way there, which must not leave the
  foreground, stays above a share of its own; of several, the one with the highest pass.

A way that leaves the block is handed over as a link to the voxel beyond (`ecc_px.cells.seams` follows it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.numbering import voxel_key
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import VoxelUm


@dataclass(frozen=True)
class Basins:
    """Where the foreground voxels of a block end up, numbered in raster order.

    Parameters
    ----------
    root : (n,) int64
        Number of the last voxel on each voxel's way that lies in the block.
    onward : (n,) int64
        Key (`voxel_key`) of the voxel outside of the block that follows a root; −1 where the way has ended.
    summits : (m,) int64
        Numbers of the voxels that have no higher neighbour.
    """

    root: npt.NDArray[np.int64]
    onward: npt.NDArray[np.int64]
    summits: npt.NDArray[np.int64]


@dataclass(frozen=True)
class JoiningRule:
    """When a summit is a part of a stronger one.

    Parameters
    ----------
    reach_um : float
        Distance between the two, at most.
    share : float
        Of the weaker summit's response that must be kept on the way; −inf: always.
    """

    reach_um: float
    share: float


def basins_of(
    response: npt.NDArray[np.float32],
    foreground: npt.NDArray[np.bool_],
    core: Region,
    corner: tuple[int, int, int],
    shape: Shape,
    voxel_um: VoxelUm,
    rule: JoiningRule,
) -> Basins:
    """Basins of the voxels `core` of a field.

    Parameters
    ----------
    response : (z, y, x) float32
        Of the field: the core, and all within the rule's reach and one voxel more, as far as the volume goes.
    foreground : (z, y, x) bool
    core : Region
        In the field.
    corner : (z, y, x)
        The field's place in the volume of `shape`.
    """
    flat = np.flatnonzero(foreground)
    up = _climb(np.where(foreground, response, np.float32(-np.inf)), flat)
    is_summit = up == flat
    in_core = _is_inside(flat, foreground.shape, *((side.start, side.stop) for side in core))
    _join(response, foreground, flat, is_summit, in_core, _rows_within(rule.reach_um, voxel_um), rule.share, up)

    # Filled in for foreground only, which is all that is looked up.
    number = np.empty(foreground.size, np.int32)
    number[flat] = np.where(in_core, np.cumsum(in_core) - 1, -1)
    goal = up[in_core]
    next_ = number[goal].astype(np.int64)
    leaves = next_ < 0
    onward = np.full(len(next_), -1, np.int64)
    z, y, x = np.unravel_index(goal[leaves], foreground.shape)
    onward[leaves] = voxel_key(z + corner[0], y + corner[1], x + corner[2], shape)
    next_[leaves] = np.flatnonzero(leaves)
    _follow(next_)
    return Basins(next_, onward, number[flat[is_summit & in_core]].astype(np.int64))


def _rows_within(reach_um: float, voxel_um: VoxelUm) -> npt.NDArray[np.int64]:
    """(n, 3) of each row of voxels that comes near enough: steps to it along z and y, and how far it goes."""
    steps = [np.arange(-int(reach_um / size) - 1, int(reach_um / size) + 2) * size for size in voxel_um]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    near = np.count_nonzero(z**2 + y**2 + x**2 <= reach_um**2, axis=2)
    rows = np.argwhere(near)
    return np.column_stack([rows - np.array(near.shape) // 2, near[near > 0] // 2])


@kernel()
def _is_inside(flat: Any, shape: Any, along_z: Any, along_y: Any, along_x: Any) -> Any:
    """Whether the voxels with these raster indices lie in a box."""
    inside = np.empty(len(flat), np.bool_)
    for n in range(len(flat)):
        row, x = flat[n] // shape[2], flat[n] % shape[2]
        z, y = row // shape[1], row % shape[1]
        inside[n] = along_z[0] <= z < along_z[1] and along_y[0] <= y < along_y[1] and along_x[0] <= x < along_x[1]
    return inside


@kernel()
def _climb(response: Any, flat: Any) -> Any:
    """Raster index of every foreground voxel's next one; its own on a summit. The background's response is −inf."""
    depth, height, width = response.shape
    up = np.empty(len(flat), np.int64)
    for n in range(len(flat)):
        row, x = flat[n] // width, flat[n] % width
        z, y = row // height, row % height
        best, highest = flat[n], np.float32(-np.inf)
        # In raster order, so that the first of equals is the one with the smallest index.
        for c in range(max(z - 1, 0), min(z + 2, depth)):
            for b in range(max(y - 1, 0), min(y + 2, height)):
                for a in range(max(x - 1, 0), min(x + 2, width)):
                    value = response[c, b, a]
                    if value > highest:
                        best, highest = (c * height + b) * width + a, value
        up[n] = best
    return up


@kernel()
def _join(
    response: Any, foreground: Any, flat: Any, is_summit: Any, in_core: Any, rows: Any, share: float, up: Any
) -> None:
    """Let the core's summits go on to the stronger ones that they join."""
    depth, height, width = response.shape
    summits = np.zeros(response.shape, np.bool_)
    marks = summits.ravel()
    for n in range(len(flat)):
        marks[flat[n]] = is_summit[n]
    for n in range(len(flat)):
        if not (is_summit[n] and in_core[n]):
            continue
        row, x = flat[n] // width, flat[n] % width
        z, y = row // height, row % height
        own = response[z, y, x]
        highest_pass = np.float32(-np.inf)
        for k in range(len(rows)):
            c, b = z + rows[k, 0], y + rows[k, 1]
            if not (0 <= c < depth and 0 <= b < height):
                continue
            for a in range(max(x - rows[k, 2], 0), min(x + rows[k, 2] + 1, width)):
                if not summits[c, b, a]:
                    continue
                there = (c * height + b) * width + a
                other = response[c, b, a]
                if other < own or (other == own and there >= flat[n]):
                    continue
                lowest = _lowest_on_the_way(response, foreground, (z, y, x), (c, b, a))
                if lowest == -np.inf or lowest < own - (1 - share) * abs(own):
                    continue
                # In raster order: of equal passes, the summit with the smallest index stays.
                if lowest > highest_pass:
                    highest_pass, up[n] = lowest, there


@kernel()
def _lowest_on_the_way(response: Any, foreground: Any, start: Any, end: Any) -> Any:
    """Smallest response on the straight line of voxels between two; −inf if it leaves the foreground."""
    steps = 1
    for axis in range(3):
        steps = max(steps, abs(end[axis] - start[axis]))
    lowest = response[start[0], start[1], start[2]]
    for t in range(1, steps + 1):
        # Rounded in integers: rounding a float half to even would depend on where the block begins.
        z = start[0] + (2 * t * (end[0] - start[0]) + steps) // (2 * steps)
        y = start[1] + (2 * t * (end[1] - start[1]) + steps) // (2 * steps)
        x = start[2] + (2 * t * (end[2] - start[2]) + steps) // (2 * steps)
        if not foreground[z, y, x]:
            return np.float32(-np.inf)
        lowest = min(lowest, response[z, y, x])
    return lowest


@kernel()
def _follow(next_: Any) -> None:
    """Replace every voxel's next one by the last one on its way."""
    for n in range(len(next_)):
        last = n
        while next_[last] != last:
            last = next_[last]
        k = n
        while next_[k] != last:
            next_[k], k = last, next_[k]
