"""Working through a volume block by block, on threads, in order and in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import Volume

Item = TypeVar("Item")
Result = TypeVar("Result")

VOXELS_AT_WORK = 1 << 26
"""Voxels of all threads' blocks together, at most: about half a gigabyte."""

LARGEST_BLOCK, SMALLEST_BLOCK = 1 << 25, 1 << 21
"""Voxels of one block: large beside an object, small beside memory."""


def in_order(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in the order of the items, worked out by `jobs` threads.

    At most 2 · `jobs` items are under way. The first error ends it all: what has not begun is not begun.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            if len(waiting) == 2 * jobs:
                earliest, future = waiting.popleft()
                yield earliest, future.result()
            waiting.append((item, pool.submit(work, item)))
        while waiting:
            earliest, future = waiting.popleft()
            yield earliest, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def block_shape_for(volumes: Iterable[Volume], jobs: int) -> Shape:
    """Blocks that cut as few stored chunks as possible, as large as memory for `jobs` of them allows.

    An image that is not chunked is stored plane after plane, and gets slabs of whole planes, one plane at least.
    """
    limit = min(LARGEST_BLOCK, max(SMALLEST_BLOCK, VOXELS_AT_WORK // jobs))
    volumes = list(volumes)
    shape = volumes[0].shape
    chunk = [max(sides) for sides in zip(*(_chunk_of(v) for v in volumes), strict=True)]
    block = [*chunk]
    block[0] = max(1, min(block[0], limit // (block[1] * block[2])))
    while growable := [a for a in range(3) if block[a] < shape[a]]:
        axis = min(growable, key=lambda a: block[a])
        grown = [*block]
        grown[axis] = min(block[axis] + chunk[axis], shape[axis])
        if math.prod(grown) > limit:
            break
        block = grown
    return block[0], block[1], block[2]


def _chunk_of(volume: Volume) -> Shape:
    layout = volume.layout
    if layout.chunks is None:
        return 1, volume.shape[1], volume.shape[2]
    stored = dict(zip(layout.axes, layout.chunks, strict=True))
    z, y, x = (min(stored.get(axis, 1), n) for axis, n in zip("zyx", volume.shape, strict=True))
    return z, y, x
