"""A block cut into bricks of 256 voxels, so that each feature of a brick is one row of memory.

A brick is (4, 8, 8) voxels, or (1, 16, 16) of a flat image; a box is a group of 16 bricks. Where the block ends
inside a brick, the brick repeats the block's last voxels, which changes no minimum and no maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.models.lanes import RUN, WORD, WORDS, copy_run, prefetch

Array = npt.NDArray[Any]
Triple = tuple[int, int, int]

VOXELS = WORDS * WORD
"""Voxels in a brick; it is a multiple of `RUN` wide."""

BRICKS = 16
"""Bricks in a box."""

LINE = 16
"""Values that a processor fetches together."""

SOLID: tuple[Triple, Triple] = ((4, 8, 8), (4, 2, 2))
FLAT: tuple[Triple, Triple] = ((1, 16, 16), (1, 4, 4))
"""Voxels in a brick and bricks in a box, along z, y, x."""


@kernel()
def rows_for(n_features: int) -> Array:
    """Room for the rows of a box, (bricks, features, voxels); none of their vectors lies across two lines of memory."""
    size = BRICKS * n_features * VOXELS
    room = np.empty(size + LINE, np.float32)
    bytes_beyond = room.ctypes.data % (4 * LINE)
    first = (LINE - bytes_beyond // 4) % LINE
    return room[first : first + size].reshape((BRICKS, n_features, VOXELS))


@kernel()
def brick_corners(box: Triple, brick: Triple, bricks: Triple, shape: Triple, corners: Array) -> int:
    """Write the corners of a box's bricks that lie in the block; return their number."""
    n = 0
    for i in range(bricks[0]):
        for j in range(bricks[1]):
            for k in range(bricks[2]):
                z, y, x = box[0] + i * brick[0], box[1] + j * brick[1], box[2] + k * brick[2]
                if z < shape[0] and y < shape[1] and x < shape[2]:
                    corners[n, 0], corners[n, 1], corners[n, 2] = z, y, x
                    n += 1
    return n


@kernel()
def gather_brick(
    plane: Array, strides: tuple[int, int], shape: Triple, corner: Array, brick: Triple, row: Array
) -> None:
    """Copy one feature of a brick into a row of 256 values, x fastest.

    Parameters
    ----------
    plane : 1-D float32
        The feature's memory.
    strides : (int, int)
        Values between neighbours along z and y; along x it is 1.
    """
    to = np.uintp(0)
    for i in range(brick[0]):
        z = min(corner[0] + i, shape[0] - 1)
        for j in range(brick[1]):
            y = min(corner[1] + j, shape[1] - 1)
            line = z * strides[0] + y * strides[1]
            for x in range(corner[2], corner[2] + brick[2], RUN):
                if x + RUN <= shape[2]:
                    copy_run(row, to, plane, np.uintp(line + x))
                else:
                    for k in range(RUN):
                        row[to + np.uintp(k)] = plane[np.uintp(line + min(x + k, shape[2] - 1))]
                to += np.uintp(RUN)


@kernel()
def fetch_box(
    memory: Array, strides: Triple, shape: Triple, corner: Triple, side: Triple, features: tuple[int, int]
) -> None:
    """Have the memory of some features of a box fetched while something else is computed.

    A box is a few values of very many rows, which no processor guesses by itself.
    """
    for f in range(features[0], features[1]):
        for z in range(corner[0], min(corner[0] + side[0], shape[0])):
            for y in range(corner[1], min(corner[1] + side[1], shape[1])):
                for x in range(corner[2], min(corner[2] + side[2], shape[2]), LINE):
                    prefetch(memory, np.uintp(f * strides[0] + z * strides[1] + y * strides[2] + x))


@kernel()
def next_corner(corner: Triple, side: Triple, shape: Triple) -> Triple:
    """Where the box after the one at `corner` begins: along x first, then y, then z."""
    z, y, x = corner[0], corner[1], corner[2] + side[2]
    if x >= shape[2]:
        y, x = y + side[1], 0
    if y >= shape[1]:
        z, y = z + side[0], 0
    return z, y, x


@kernel()
def widen_bounds(row: Array, lows: Array, highs: Array) -> bool:
    """Let running minima and maxima take in a row; tell whether it holds a NaN, which they pass over.

    There is one minimum and one maximum for each voxel of a brick: a single one would be a chain of comparisons
    that each wait for the last.
    """
    found_nan = False
    for i in range(VOXELS):
        value = row[i]
        lows[i] = value if value < lows[i] else lows[i]
        highs[i] = value if value > highs[i] else highs[i]
        found_nan |= value != value
    return found_nan


@kernel(fastmath={"nnan", "nsz"})
def bounds(lows: Array, highs: Array) -> tuple[float, float]:
    """Least and greatest of the running minima and maxima, which hold no NaN: so they may be taken in any order."""
    low, high = lows[0], highs[0]
    for i in range(1, VOXELS):
        low = min(low, lows[i])
        high = max(high, highs[i])
    return low, high


@kernel()
def clear_nan_voxels(rows: Array, counts: Array) -> None:
    """Take the votes from every voxel of a brick that has a NaN among its features.

    Parameters
    ----------
    rows : (F, 256) float32
    counts : (C, 256) unsigned
    """
    for voxel in range(VOXELS):
        if np.isnan(rows[:, voxel]).any():
            counts[:, voxel] = 0


@kernel()
def scatter_brick(counts: Array, corner: Array, brick: Triple, shape: Triple, out: Array) -> None:
    """Write a brick's (C, 256) counts to their voxels of (C, z, y, x), given as memory."""
    width = min(brick[2], shape[2] - corner[2])
    for c in range(len(counts)):
        of_class = counts[c]
        for i in range(min(brick[0], shape[0] - corner[0])):
            for j in range(min(brick[1], shape[1] - corner[1])):
                first = np.uintp((i * brick[1] + j) * brick[2])
                to = np.uintp(((c * shape[0] + corner[0] + i) * shape[1] + corner[1] + j) * shape[2] + corner[2])
                for k in range(0, width, RUN):
                    if k + RUN <= width:
                        copy_run(out, to + np.uintp(k), of_class, first + np.uintp(k))
                    else:
                        for rest in range(k, width):
                            out[to + np.uintp(rest)] = of_class[first + np.uintp(rest)]
