"""Which boxes of an image to filter, when features are wanted at scattered voxels only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ecc_px.volumes.blocks import Block, Shape, block_at

OVERHEAD = 30_000
"""What beginning another box costs, in voxels to filter."""

Points = npt.NDArray[np.int64]


def boxes_around(
    points: Points, shape: Shape, halo: Shape, limit: Shape
) -> Iterator[tuple[Block, npt.NDArray[np.intp]]]:
    """Blocks that hold all points, and which points each holds.

    Near points share a block; where a gap is so wide that two blocks, each with its halo, are less to filter than
    one, the block is cut there. So sparse points cost little, and dense ones don't filter anything twice but halos.

    Parameters
    ----------
    points : (N, 3) int64
        Voxels, (z, y, x).
    shape : (z, y, x)
        Of the volume.
    halo : (z, y, x)
        What is read around a block's core.
    limit : (z, y, x)
        Largest core.

    Yields
    ------
    Block
        Its core is the bounding box of its points.
    (n,) int
        Numbers of its points, ascending; each point is in one block.
    """
    if len(points):
        yield from _boxes(points, np.arange(len(points)), shape, halo, limit)


def _boxes(
    points: Points, chosen: npt.NDArray[np.intp], shape: Shape, halo: Shape, limit: Shape
) -> Iterator[tuple[Block, npt.NDArray[np.intp]]]:
    here = points[chosen]
    low, high = here.min(axis=0), here.max(axis=0) + 1
    cut = _cut(here, low, high, halo, limit)
    if cut is None:
        z, y, x = (int(n) for n in high - low)
        yield block_at(tuple(int(n) for n in low), shape, (z, y, x), halo), chosen
        return
    axis, at = cut
    below = here[:, axis] < at
    yield from _boxes(points, chosen[below], shape, halo, limit)
    yield from _boxes(points, chosen[~below], shape, halo, limit)


def _cut(here: Points, low: Points, high: Points, halo: Shape, limit: Shape) -> tuple[int, int] | None:
    """The axis and the coordinate at which to cut, or None to keep the box in one piece."""
    extent = high - low
    too_large = extent > limit
    if too_large.any():
        axis = int(np.argmax(extent / limit))
        pieces = -(-int(extent[axis]) // limit[axis])
        return axis, int(low[axis]) + int(extent[axis]) * (pieces // 2) // pieces
    cheapest = _cost(extent, halo)
    best = None
    for axis in range(3):
        taken = np.unique(here[:, axis])
        if len(taken) == 1:
            continue
        widest = int(np.diff(taken).argmax())
        # A first look without the other axes' savings would miss points that lie in two corners.
        below = here[:, axis] <= taken[widest]
        cost = sum(_cost(np.ptp(half, axis=0) + 1, halo) for half in (here[below], here[~below]))
        if cost < cheapest:
            cheapest, best = cost, (axis, int(taken[widest]) + 1)
    return best


def _cost(extent: Points, halo: Shape) -> int:
    z, y, x = (int(n) + 2 * h for n, h in zip(extent, halo, strict=True))
    return OVERHEAD + z * y * x
