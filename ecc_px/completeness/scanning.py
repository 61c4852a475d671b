"""Reading an image once, on all cores and in bounded memory: what each block says, and what can't be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from ecc_px.completeness.tally import BlockTally, Tally, tally_of
from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.blocks import Region, Shape, blocks_of
from ecc_px.volumes.nifti import NiftiVolume
from ecc_px.volumes.streaming import Progress, in_order
from ecc_px.volumes.volume import Volume

BLOCK_BYTES = 32 * 2**20
"""Of one read; each thread has two on the way."""

MOST_FAILURES = 1000
"""After so many pieces that can't be read, blocks are no more searched for the piece that is damaged."""


@dataclass(frozen=True)
class Failure:
    """A piece that can't be read, and the reader's sentence about it."""

    frame: int
    region: Region
    sentence: str


@dataclass(frozen=True)
class Scan:
    """What was seen of each frame, and what could not be read."""

    frames: tuple[Tally, ...]
    failures: tuple[Failure, ...]


def scan(
    volume: Volume,
    *,
    jobs: int,
    progress: Progress | None = None,
    told: frozenset[tuple[int, ...]] = frozenset(),
) -> Scan:
    """Read every voxel of a volume once.

    Parameters
    ----------
    volume : Volume
    jobs : int
        Threads.
    progress : function of (voxels done, voxels in all), optional
    told : set of (z, y, x)
        Places of chunks of which it is known that they are damaged: no failure is kept for these.
    """
    piece = _piece_of(volume)
    block = _block_of(volume, piece)
    chunk = piece if _are_chunks_told_apart(volume, piece) else None
    frames = tuple(Tally(volume.channels, volume.shape, chunk) for _ in range(volume.frames))
    failures: list[Failure] = []
    places = ((frame, b.core) for frame in range(volume.frames) for b in blocks_of(volume.shape, block))
    total, done = volume.frames * _voxels(volume.shape), 0

    def look(place: tuple[int, Region]) -> BlockTally | list[Failure]:
        frame, region = place
        try:
            array = volume.read(region, frame=frame)
        except UnreadableVolume as error:
            if len(failures) > MOST_FAILURES:
                return [Failure(frame, region, str(error))]
            return list(_damaged_pieces(volume, frame, region, piece)) or [Failure(frame, region, str(error))]
        return tally_of(array, region, volume.shape[2], chunk)

    for (frame, region), seen in in_order(look, places, jobs):
        if isinstance(seen, BlockTally):
            frames[frame].add(seen)
        else:
            failures += [failure for failure in seen if not _touches(failure.region, piece, told)]
            frames[frame].lost[region[0]] = True
        done += _voxels(tuple(part.stop - part.start for part in region))
        if progress is not None:
            progress(done, total)
    return Scan(frames, tuple(failures))


def _piece_of(volume: Volume) -> Shape:
    """The smallest piece worth reading: a chunk, or a plane where the file has none."""
    planes, rows, columns = volume.shape
    if volume.layout.chunks is None:
        return 1, rows, columns
    size = dict(zip(volume.layout.axes, volume.layout.chunks, strict=True))
    return min(size.get("z", 1), planes), min(size["y"], rows), min(size["x"], columns)


def _block_of(volume: Volume, piece: Shape) -> Shape:
    """As much as a read may hold: along the axis that is stored fastest first, so that a disk reads on and on."""
    most = BLOCK_BYTES // (volume.channels * volume.dtype.itemsize)
    axes = [axis for axis in volume.layout.axes if axis in "zyx"]
    # NIfTI lists its axes with the fastest first.
    fastest_first = axes if isinstance(volume, NiftiVolume) else axes[::-1]
    if volume.layout.chunks is not None:
        fastest_first = ["x", "y", "z"]
    extent = dict(zip("zyx", volume.shape, strict=True))
    block = dict(zip("zyx", piece if volume.layout.chunks is not None else (1, 1, 1), strict=True))
    for axis in fastest_first:
        block[axis] = min(extent[axis], block[axis] * max(1, most // _voxels(tuple(block.values()))))
    return block["z"], block["y"], block["x"]


def _are_chunks_told_apart(volume: Volume, piece: Shape) -> bool:
    """Where chunks are as wide as the image, its rows tell as much."""
    return piece[2] < volume.shape[2] and sum(p < n for p, n in zip(piece, volume.shape, strict=True)) >= 2


def _damaged_pieces(volume: Volume, frame: int, region: Region, piece: Shape) -> Iterator[Failure]:
    steps = (range(part.start, part.stop, size) for part, size in zip(region, piece, strict=True))
    for corner in product(*steps):
        inner = tuple(
            slice(at, min(at + size, part.stop)) for at, size, part in zip(corner, piece, region, strict=True)
        )
        at = (inner[0], inner[1], inner[2])
        try:
            volume.read(at, frame=frame)
        except UnreadableVolume as error:
            yield Failure(frame, at, str(error))


def _touches(region: Region, piece: Shape, places: frozenset[tuple[int, ...]]) -> bool:
    return any(
        all(part.start <= at * size < part.stop for at, size, part in zip(place, piece, region, strict=True))
        for place in places
    )


def _voxels(shape: tuple[int, ...]) -> int:
    z, y, x = shape
    return z * y * x
