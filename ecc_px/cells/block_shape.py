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

NO_CHUNK: Shape = (1, 1, 1)

LARGEST_SPLIT_BLOCK = 1 << 23
"""Where objects are split, a block has a halo, and several images of the block are at work."""


def block_shape_for(volumes: Iterable[Volume], jobs: int, largest: int = LARGEST_BLOCK) -> Shape:
    """Blocks that cut as few stored chunks as possible, as large as memory for `jobs` of them allows.

    The first volume's chunks, those of the probabilities, are the last to be cut. An image that is not chunked can be
    read by rows at any place: it asks for nothing but long rows.
    """
    limit = min(largest, max(SMALLEST_BLOCK, VOXELS_AT_WORK // jobs))
    volumes = list(volumes)
    shape = volumes[0].shape
    chunks = [_chunk_of(v) for v in volumes]
    chunk = [max(sides) for sides in zip(*chunks, strict=True)]
    block = _cut(chunk, chunks[0], limit)
    if any(v.layout.chunks is None for v in volumes):
        for axis in (2, 1, 0):
            fitting = limit // (math.prod(block) // block[axis]) // chunk[axis] * chunk[axis]
            block[axis] = min(max(block[axis], fitting), shape[axis])
    while growable := [a for a in range(3) if block[a] < shape[a]]:
        axis = min(growable, key=lambda a: block[a])
        grown = [*block]
        grown[axis] = min(block[axis] + chunk[axis], shape[axis])
        if math.prod(grown) > limit:
            break
        block = grown
    return block[0], block[1], block[2]


def _cut(block: list[int], own: Shape, limit: int) -> list[int]:
    """A block cut to `limit` voxels: to whole `own` chunks along y, x and z, and through them if they are too large."""
    block = [*block]
    for step in (own, NO_CHUNK):
        for axis in (1, 2, 0):
            others = math.prod(block) // block[axis]
            if others * block[axis] > limit:
                block[axis] = max(1, limit // others // step[axis]) * step[axis]
    return block


def _chunk_of(volume: Volume) -> Shape:
    layout = volume.layout
    if layout.chunks is None:
        return NO_CHUNK
    stored = dict(zip(layout.axes, layout.chunks, strict=True))
    z, y, x = (min(stored.get(axis, 1), n) for axis, n in zip("zyx", volume.shape, strict=True))
    return z, y, x
