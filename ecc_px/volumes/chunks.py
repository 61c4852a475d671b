"""Chunks of a stored array: which a region covers, how large they are by default."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.volume import Layout

Index = tuple[slice, ...]
"""A piece of a stored array: one slice with explicit start and stop for each dimension."""


def chunk_shape(layout: Layout, edge: int) -> tuple[int, ...]:
    """The layout's own chunks, else `edge`³ voxels of one channel and one frame; clipped to the image."""
    wanted = layout.chunks or tuple(1 if axis in "tc" else edge for axis in layout.axes)
    if min(wanted) < 1:
        raise InvalidSetting(f"chunks {wanted}: each must be 1 voxel or more.")
    return tuple(min(chunk, extent) for chunk, extent in zip(wanted, layout.stored_shape, strict=True))


def covers_whole_chunks(index: Index, chunks: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether every chunk that a piece touches lies in it whole, so that no other piece touches it."""
    return all(
        part.start % chunk == 0 and (part.stop % chunk == 0 or part.stop == extent)
        for part, chunk, extent in zip(index, chunks, shape, strict=True)
    )


def chunks_in(index: Index, chunks: tuple[int, ...]) -> Iterator[Index]:
    """Cut a piece that begins at the corner of a chunk into its chunks."""
    for corner in product(*(range(part.start, part.stop, chunk) for part, chunk in zip(index, chunks, strict=True))):
        yield tuple(
            slice(at, min(at + chunk, part.stop)) for at, chunk, part in zip(corner, chunks, index, strict=True)
        )


def overlaps(index: Index, chunks: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Index, Index]]:
    """The chunks that a piece touches: the place of each in the grid of chunks, and what they share: where it is in
    the piece, and where in the chunk."""
    if any(part.start >= part.stop for part in index):
        return
    touched = (range(part.start // chunk, -(-part.stop // chunk)) for part, chunk in zip(index, chunks, strict=True))
    for place in product(*touched):
        corner = [at * chunk for at, chunk in zip(place, chunks, strict=True)]
        begin = [max(part.start, at) for part, at in zip(index, corner, strict=True)]
        end = [min(part.stop, at + n) for part, at, n in zip(index, corner, chunks, strict=True)]
        yield (
            place,
            tuple(slice(b - part.start, e - part.start) for b, e, part in zip(begin, end, index, strict=True)),
            tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, corner, strict=True)),
        )
