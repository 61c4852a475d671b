"""From any format to any other: value for value, a piece at a time, the voxel size carried."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.blocks import Region, Shape, blocks_of, shape_of
from ecc_px.volumes.formats import create_volume, open_volume
from ecc_px.volumes.volume import Layout, Volume, VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size
from ecc_px.volumes.writer import VolumeWriter

PIECE_BYTES = 64 * 2**20

Progress = Callable[[int, int], None]
"""Called with the voxels done and all voxels."""


def convert(
    source: str | Path,
    target: str | Path,
    *,
    axes: str | None = None,
    inner_path: str | None = None,
    level: int = 0,
    voxel_um: VoxelUm | None = None,
    chunks: Shape | None = None,
    compression: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    piece_bytes: int = PIECE_BYTES,
    progress: Progress | None = None,
) -> str | None:
    """Copy an image into another format; the extension of `target` decides which.

    Axes t and c of extent 1 are left out of the target.

    Parameters
    ----------
    source, target : path
    axes, inner_path, level
        How to read the source, as for `open_volume`.
    voxel_um : (z, y, x) µm, optional
        Written to the target; without it, what the source says.
    chunks : (z, y, x), optional
        Chunks of the target, where its format has them.
    compression : str, optional
        One of the target's, as for `create_volume`.
    overwrite : bool
    workers : int, optional
        Threads; as many as there are cores, at most 4, where not given.
    piece_bytes : int
        About what a thread holds at a time, unless a single chunk of the target is larger.
    progress : callable, optional

    Returns
    -------
    str or None
        A warning where the voxel size given is not the source's.
    """
    target = Path(target)
    with open_volume(source, axes=axes, inner_path=inner_path, level=level) as volume:
        if target.exists() and target.samefile(volume.path):
            raise InvalidSetting(f"{target}: the target is the source. Give it another name.")
        used_um, warning = resolve_voxel_size(volume, voxel_um)
        layout = target_layout(volume.layout, used_um, chunks)
        with create_volume(target, layout, compression=compression, overwrite=overwrite) as writer:
            pieces = _pieces(volume, writer, piece_bytes)
            _copy(volume, writer, pieces, workers or min(4, os.cpu_count() or 1), progress)
    return warning


def target_layout(source: Layout, voxel_um: VoxelUm | None, chunks: Shape | None) -> Layout:
    """The image in the order t, z, y, x, c, without t and c of extent 1."""
    axes = "".join(a for a in "tzyxc" if a in source.axes and (a in "zyx" or source.extent(a) > 1))
    along = dict(zip("zyx", chunks or (), strict=False))
    return Layout(
        axes=axes,
        stored_shape=tuple(source.extent(axis) for axis in axes),
        dtype=source.dtype,
        voxel_um=voxel_um,
        chunks=tuple(along.get(axis, 1) for axis in axes) if chunks else None,
        channel_names=source.channel_names,
    )


def _copy(
    volume: Volume,
    writer: VolumeWriter,
    pieces: list[tuple[int, Region]],
    workers: int,
    progress: Progress | None,
) -> None:
    total = sum(_voxels(region) for _, region in pieces)
    done = 0

    def copy_piece(frame: int, region: Region) -> int:
        writer.write(region, volume.read(region, frame=frame), frame=frame)
        return _voxels(region)

    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(copy_piece, frame, region) for frame, region in pieces}
        try:
            while running:
                finished, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
                done += sum(future.result() for future in finished)
                if progress is not None:
                    progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _pieces(volume: Volume, writer: VolumeWriter, piece_bytes: int) -> list[tuple[int, Region]]:
    """Frames and regions: whole chunks of the target, as many as fit, along x first, as files are stored."""
    along = dict(zip(writer.layout.axes, writer.layout.chunks or (), strict=False))
    shape = volume.shape
    piece = [along.get(axis, 1) for axis in "zyx"]
    voxel_bytes = volume.dtype.itemsize * volume.channels
    for axis in (2, 1, 0):
        others = voxel_bytes * piece[0] * piece[1] * piece[2]
        fitting = max(1, piece_bytes // others)
        piece[axis] = min(piece[axis] * fitting, shape[axis])
    blocks = blocks_of(shape, (piece[0], piece[1], piece[2]))
    return [(frame, block.core) for block in blocks for frame in range(volume.frames)]


def _voxels(region: Region) -> int:
    z, y, x = shape_of(region)
    return z * y * x
