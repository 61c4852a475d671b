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
from ecc_px.filters.scratch import scratch
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import VoxelUm

_voxel_key = kernel()(voxel_key)


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
        Of the field: the core, and all within the rule's reach and one voxel more, as far as the volume goes; −inf in
        the background.
    foreground : (z, y, x) bool
    core : Region
        In the field.
    corner : (z, y, x)
        The field's place in the volume of `shape`.
    """
    flat = np.flatnonzero(foreground)
    # Of a voxel of the core, how many of these come before it; of others of the foreground −1. The rest is unknown.
    number = scratch("voxels of the core", foreground.size).view(np.int32)
    bounds = np.array([(side.start, side.stop) for side in core])
    up, count = _climb(response.ravel(), response.shape, flat, bounds, number)
    is_summit = up == flat
    _join(response, foreground, flat, is_summit, number, _rows_within(rule.reach_um, voxel_um), rule.share, up)
    root, onward = np.empty(count, np.int64), np.full(count, -1, np.int64)
    _lead(flat, up, number, response.shape, corner, shape, root, onward)
    _follow(root)
    summits = number[flat[is_summit]].astype(np.int64)
    return Basins(root, onward, summits[summits >= 0])


def _rows_within(reach_um: float, voxel_um: VoxelUm) -> npt.NDArray[np.int64]:
    """(n, 3) of each row of voxels that comes near enough: steps to it along z and y, and how far it goes."""
    steps = [np.arange(-int(reach_um / size) - 1, int(reach_um / size) + 2) * size for size in voxel_um]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    near = np.count_nonzero(z**2 + y**2 + x**2 <= reach_um**2, axis=2)
    rows = np.argwhere(near)
    return np.column_stack([rows - np.array(near.shape) // 2, near[near > 0] // 2])


@kernel()
def _climb(response: Any, shape: Any, flat: Any, core: Any, number: Any) -> Any:
    """Raster index of every foreground voxel's next one, its own on a summit, and how many voxels the core has.

    The background's response is −inf. Fills in the core's voxels' numbers.
    """
    depth, height, width = shape
    up = np.empty(len(flat), np.int64)
    count = row_begin = row_end = z = y = 0
    is_row_inside = is_row_in_core = False
    for n in range(len(flat)):
        here = flat[n]
        if here >= row_end:
            row = here // width
            row_begin, row_end = row * width, (row + 1) * width
            z, y = row // height, row % height
            is_row_inside = 0 < z < depth - 1 and 0 < y < height - 1
            is_row_in_core = core[0, 0] <= z < core[0, 1] and core[1, 0] <= y < core[1, 1]
        x = here - row_begin
        if is_row_in_core and core[2, 0] <= x < core[2, 1]:
            number[here] = count
            count += 1
        else:
            number[here] = -1
        # In raster order, so that the first of equals is the one with the smallest index.
        best, highest = here, np.float32(-np.inf)
        if is_row_inside and 0 < x < width - 1:
            for plane in range(-1, 2):
                for line in range(-1, 2):
                    middle = here + (plane * height + line) * width
                    for there in range(middle - 1, middle + 2):
                        if response[there] > highest:
                            best, highest = there, response[there]
        else:
            for c in range(max(z - 1, 0), min(z + 2, depth)):
                for b in range(max(y - 1, 0), min(y + 2, height)):
                    for a in range(max(x - 1, 0), min(x + 2, width)):
                        there = (c * height + b) * width + a
                        if response[there] > highest:
                            best, highest = there, response[there]
        up[n] = best
    return up, count


@kernel()
def _join(
    response: Any, foreground: Any, flat: Any, is_summit: Any, number: Any, rows: Any, share: float, up: Any
) -> None:
    """Let the core's summits go on to the stronger ones that they join."""
    depth, height, width = response.shape
    summits = np.zeros(response.shape, np.bool_)
    marks = summits.ravel()
    for n in range(len(flat)):
        marks[flat[n]] = is_summit[n]
    for n in range(len(flat)):
        if not is_summit[n] or number[flat[n]] < 0:
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
def _lead(flat: Any, up: Any, number: Any, field: Any, corner: Any, shape: Any, next_: Any, onward: Any) -> None:
    """Of each voxel of the core the number of the next one; where its way leaves the core, its own and a key."""
    for n in range(len(flat)):
        own = number[flat[n]]
        if own < 0:
            continue
        next_[own] = number[up[n]]
        if next_[own] < 0:
            row, x = up[n] // field[2], up[n] % field[2]
            z, y = row // field[1], row % field[1]
            next_[own] = own
            onward[own] = _voxel_key(z + corner[0], y + corner[1], x + corner[2], shape)


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
