"""How large the blocks are that cells are looked for in."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import Volume

VOXELS_AT_WORK = 1 << 26
"""Voxels of all threads' blocks together, at most: about half a gigabyte."""

LARGEST_BLOCK, SMALLEST_BLOCK = 1 << 25, 1 << 21
"""Voxels of one block: large beside an object, small beside memory."""

LARGEST_SPLIT_BLOCK = 1 << 23
"""Where objects are split, a block has a halo, and several images of the block are at work."""


def block_shape_for(volumes: Iterable[Volume], jobs: int, largest: int = LARGEST_BLOCK) -> Shape:
    """Blocks that cut as few stored chunks as possible, as large as memory for `jobs` of them allows.

    An image that is not chunked is stored plane after plane, and gets slabs of whole planes, one plane at least.
    """
    limit = min(largest, max(SMALLEST_BLOCK, VOXELS_AT_WORK // jobs))
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
