"""What is kept of an image while it is read once: a few numbers for each plane, band of rows and chunk.

Pure: arrays in, arrays out. For 3,000 planes of 2,048 rows it is 15 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.volumes.blocks import Region, Shape

MOST_BANDS = 1024
"""Bands into which the rows of a plane are divided at most; with 2,048 rows a band has two."""

SAMPLED_COLUMNS = 256
"""About so many voxels of each row count for how dense a band is."""


@dataclass(frozen=True)
class BlockTally:
    """What one block says of the planes that it touches.

    Parameters
    ----------
    region : Region
    low, high : (channels, planes) float64
        Smallest and largest voxel.
    touched : (channels, planes, rows) bool
        Whether any voxel of a row is not 0.
    sampled : (channels, planes, rows) uint32
        How many of the sampled voxels of a row are not 0.
    columns : int
        Voxels sampled in each row.
    prints : (channels, planes) uint64
        Equal where what was looked at is equal.
    chunks : tuple of ChunkTally
        Of each chunk in the block, where chunks are told apart.
    """

    region: Region
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    touched: npt.NDArray[np.bool_]
    sampled: npt.NDArray[np.uint32]
    columns: int
    prints: npt.NDArray[np.uint64]
    chunks: tuple[ChunkTally, ...] = ()


@dataclass(frozen=True)
class ChunkTally:
    """What one chunk says, for each channel: its extremes, and the share of the voxels of its six faces that are not 0.

    Faces are (first, last) along z, then y, then x.
    """

    at: tuple[int, int, int]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    faces: npt.NDArray[np.float32]


def tally_of(array: npt.NDArray[Any], region: Region, width: int, chunk: Shape | None = None) -> BlockTally:
    """The tally of a block.

    Parameters
    ----------
    array : (c, z, y, x)
    region : Region
        Where it lies.
    width : int
        Voxels along x of the whole volume.
    chunk : (z, y, x), optional
        How the file is cut: the block holds whole chunks, and each is counted by itself, too.
    """
    row_low, row_high = array.min(axis=3), array.max(axis=3)
    step = max(1, width // SAMPLED_COLUMNS)
    some = np.ascontiguousarray(array[..., -region[2].start % step :: step])
    # Whether planes are the same is asked of a part, and settled by reading both again where it is.
    place = repr((region[1].start, region[2].start)).encode()
    prints = np.empty(array.shape[:2], np.uint64)
    for channel, plane in np.ndindex(*array.shape[:2]):
        digest = hashlib.blake2b(place, digest_size=8)
        for part in (row_low, row_high, some):
            digest.update(np.ascontiguousarray(part[channel, plane]).data)
        prints[channel, plane] = int.from_bytes(digest.digest(), "little")
    return BlockTally(
        region=region,
        low=row_low.min(axis=2).astype(np.float64),
        high=row_high.max(axis=2).astype(np.float64),
        touched=(row_low != 0) | (row_high != 0),
        sampled=np.count_nonzero(some, axis=3).astype(np.uint32),
        columns=some.shape[3],
        prints=prints,
        chunks=() if chunk is None else tuple(_chunk_tallies(array, region, chunk)),
    )


def _chunk_tallies(array: npt.NDArray[Any], region: Region, chunk: Shape) -> Iterator[ChunkTally]:
    corner = tuple(part.start // size for part, size in zip(region, chunk, strict=True))
    grid = (range(0, n, size) for n, size in zip(array.shape[1:], chunk, strict=True))
    for z, y, x in product(*grid):
        piece = array[:, z : z + chunk[0], y : y + chunk[1], x : x + chunk[2]]
        yield ChunkTally(
            at=(corner[0] + z // chunk[0], corner[1] + y // chunk[1], corner[2] + x // chunk[2]),
            low=piece.min(axis=(1, 2, 3)),
            high=piece.max(axis=(1, 2, 3)),
            faces=np.stack([_share_not_0(piece.take(at, axis)) for axis in (1, 2, 3) for at in (0, -1)], axis=1),
        )


def _share_not_0(face: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(c, …) → (c,)"""
    share: npt.NDArray[np.float32] = (np.count_nonzero(face, axis=(1, 2)) / face[0].size).astype(np.float32)
    return share


class Tally:
    """The tallies of all blocks of one frame, put together.

    Parameters
    ----------
    channels : int
    shape : (z, y, x)
    chunk : (z, y, x) or None
        How the file is cut; None where chunks are not told apart.

    Attributes
    ----------
    low, high : (channels, z) float64
    touched : (channels, z, bands) bool
    sampled, looked_at : (channels, z, bands) uint32, (z, bands) uint32
        Sampled voxels that are not 0, and all that were sampled.
    prints : (channels, z) uint64
    lost : (z,) bool
        Planes of which a part could not be read.
    chunk_low, chunk_high : (channels, chunks z, y, x) float64
    chunk_faces : (channels, chunks z, y, x, 6) float32
        See `ChunkTally`.
    """

    def __init__(self, channels: int, shape: Shape, chunk: Shape | None) -> None:
        planes, rows, _ = self.shape = shape
        self.rows_of_band = -(-rows // MOST_BANDS)
        bands = -(-rows // self.rows_of_band)
        self.chunk = chunk
        self.low = np.full((channels, planes), np.inf)
        self.high = np.full((channels, planes), -np.inf)
        self.touched = np.zeros((channels, planes, bands), np.bool_)
        self.sampled = np.zeros((channels, planes, bands), np.uint32)
        self.looked_at = np.zeros((planes, bands), np.uint32)
        self.prints = np.zeros((channels, planes), np.uint64)
        self.lost = np.zeros(planes, np.bool_)
        grid = tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True)) if chunk else (0, 0, 0)
        self.chunk_low = np.full((channels, *grid), np.inf)
        self.chunk_high = np.full((channels, *grid), -np.inf)
        self.chunk_faces = np.zeros((channels, *grid, 6), np.float32)

    @property
    def density(self) -> npt.NDArray[np.float64]:
        """(channels, z, bands): share of voxels that are not 0."""
        share: npt.NDArray[np.float64] = self.sampled / np.maximum(self.looked_at, 1)
        return share

    def add(self, block: BlockTally) -> None:
        """Put in what a block says. Blocks hold whole chunks, and every voxel is in one block."""
        z, y, _ = block.region
        np.minimum(self.low[:, z], block.low, out=self.low[:, z])
        np.maximum(self.high[:, z], block.high, out=self.high[:, z])
        bands = np.arange(y.start, y.stop) // self.rows_of_band
        first = int(bands[0])
        starts = np.flatnonzero(np.diff(bands, prepend=first - 1))
        here = slice(first, int(bands[-1]) + 1)
        self.touched[:, z, here] |= np.logical_or.reduceat(block.touched, starts, axis=2)
        self.sampled[:, z, here] += np.add.reduceat(block.sampled, starts, axis=2)
        self.looked_at[z, here] += np.bincount(bands - first).astype(np.uint32) * np.uint32(block.columns)
        self.prints[:, z] += block.prints
        for chunk in block.chunks:
            at = (slice(None), *chunk.at)
            self.chunk_low[at], self.chunk_high[at], self.chunk_faces[at] = chunk.low, chunk.high, chunk.faces
