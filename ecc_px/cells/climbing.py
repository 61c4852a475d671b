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
from scipy.spatial import cKDTree

from ecc_px.cells.numbering import voxel_key
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Region, Shape


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
    voxel_um: tuple[float, float, float],
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
    up = _climb(response, foreground, flat)
    is_summit = up == flat
    places = np.stack(np.unravel_index(flat, foreground.shape), axis=1)
    low, high = (np.array([getattr(side, end) for side in core]) for end in ("start", "stop"))
    in_core = np.all((places >= low) & (places < high), axis=1)

    summits = np.flatnonzero(is_summit)
    um = np.array(voxel_um)
    # The tree is asked for a little more, and whole voxels decide: a float's rounding depends on the block's place.
    pairs = cKDTree(places[summits] * um).query_pairs(rule.reach_um * (1 + 1e-6), output_type="ndarray")
    pairs = summits[pairs]
    apart = ((places[pairs[:, 0]] - places[pairs[:, 1]]) * um) ** 2
    pairs = pairs[apart[:, 0] + apart[:, 1] + apart[:, 2] <= rule.reach_um**2]
    _join(response, foreground, flat, places, in_core, pairs, rule.share, up)

    # Filled in for foreground only, which is all that is looked up.
    number = np.empty(foreground.size, np.int64)
    number[flat] = np.where(in_core, np.cumsum(in_core) - 1, -1)
    goal = up[in_core]
    next_ = number[goal]
    leaves = next_ < 0
    onward = np.full(len(next_), -1, np.int64)
    z, y, x = np.unravel_index(goal[leaves], foreground.shape)
    onward[leaves] = voxel_key(z + corner[0], y + corner[1], x + corner[2], shape)
    next_[leaves] = np.flatnonzero(leaves)
    _follow(next_)
    return Basins(next_, onward, number[flat[is_summit & in_core]])


@kernel()
def _climb(response: Any, foreground: Any, flat: Any) -> Any:
    """Raster index of every foreground voxel's next one; its own on a summit."""
    depth, height, width = response.shape
    up = np.empty(len(flat), np.int64)
    for n in range(len(flat)):
        z, y, x = flat[n] // (height * width), flat[n] // width % height, flat[n] % width
        best, highest = flat[n], response[z, y, x]
        for c in range(max(z - 1, 0), min(z + 2, depth)):
            for b in range(max(y - 1, 0), min(y + 2, height)):
                for a in range(max(x - 1, 0), min(x + 2, width)):
                    if foreground[c, b, a]:
                        value = response[c, b, a]
                        i = (c * height + b) * width + a
                        if value > highest or (value == highest and i < best):
                            best, highest = i, value
        up[n] = best
    return up


@kernel()
def _join(
    response: Any, foreground: Any, flat: Any, places: Any, in_core: Any, pairs: Any, share: float, up: Any
) -> None:
    """Let the core's summits go on to the stronger ones that they join."""
    highest_pass = np.full(len(flat), -np.inf, np.float32)
    values = response.ravel()
    for k in range(len(pairs)):
        weak, strong = pairs[k, 0], pairs[k, 1]
        v, w = values[flat[weak]], values[flat[strong]]
        if v > w or (v == w and weak < strong):
            weak, strong = strong, weak
            v = w
        if not in_core[weak]:
            continue
        lowest = _lowest_on_the_way(response, foreground, places[weak], places[strong])
        if lowest == -np.inf or lowest < v - (1 - share) * abs(v):
            continue
        better = lowest > highest_pass[weak]
        if better or (lowest == highest_pass[weak] and flat[strong] < up[weak]):
            highest_pass[weak], up[weak] = lowest, flat[strong]


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
