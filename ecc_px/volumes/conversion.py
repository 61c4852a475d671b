"""From any format to any other: value for value, a piece at a time, with the voxel size and what the numbers mean."""

from __future__ import annotations

from math import prod
from pathlib import Path

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.blocks import Region, Shape, blocks_of, shape_of
from ecc_px.volumes.formats import create_volume, open_volume
from ecc_px.volumes.streaming import Progress, in_order, usable_processors
from ecc_px.volumes.volume import Layout, Volume, VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size
from ecc_px.volumes.writer import VolumeWriter

PIECE_BYTES = 64 * 2**20
LARGEST_PIECE_BYTES = 512 * 2**20

CARRIED = (
    "classifier",
    "classifier_sha256",
    "rounding",
    "drange",
    "class_labels",
    "class_names",
    "class_roles",
    "class_colours",
)
"""Attributes that say what an image's numbers mean; any others belong to the source's format or program."""


def convert(
    source: str | Path,
    target: str | Path,
    *,
    axes: str | None = None,
    inner_path: str | None = None,
    level: int = 0,
    channel: int | str | None = None,
    voxel_um: VoxelUm | None = None,
    chunks: Shape | None = None,
    compression: str | None = None,
    ngff_version: str = "0.4",
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
    axes, inner_path, level, channel
        How to read the source, as for `open_volume`.
    voxel_um : (z, y, x) µm, optional
        Written to the target; without it, what the source says.
    chunks : (z, y, x), optional
        Chunks of the target, where its format has them.
    compression : str, optional
        One of the target's, as for `create_volume`.
    ngff_version : {"0.4", "0.5"}
        Of an OME-Zarr target.
    overwrite : bool
    workers : int, optional
        Threads at most; as many as there are usable processors, up to 4, where not given.
    piece_bytes : int
        About what a thread holds at a time, unless a single chunk is larger. All threads together hold at most
        512 MB, or one chunk of the target.
    progress : callable, optional

    Returns
    -------
    str or None
        A warning where the voxel size given is not the source's.
    """
    target = Path(target)
    with open_volume(source, axes=axes, inner_path=inner_path, level=level, channel=channel) as volume:
        if target.resolve() in (volume.path.resolve(), *volume.path.resolve().parents):
            raise InvalidSetting(
                f"{target}: the target is the source, or a folder that holds it. Give it another name."
            )
        used_um, warning = resolve_voxel_size(volume, voxel_um)
        layout = target_layout(volume.layout, used_um, chunks)
        attributes = {key: volume.attributes[key] for key in CARRIED if key in volume.attributes}
        with create_volume(
            target,
            layout,
            compression=compression,
            attributes=attributes,
            overwrite=overwrite,
            ngff_version=ngff_version,
            jobs=workers,
        ) as writer:
            piece = piece_shape(volume.layout, writer.layout, piece_bytes)
            held = prod(piece) * volume.dtype.itemsize * volume.channels
            workers = min(workers or min(4, usable_processors()), max(1, LARGEST_PIECE_BYTES // held))
            _copy(volume, writer, piece, workers, progress)
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


def _copy(volume: Volume, writer: VolumeWriter, piece: Shape, workers: int, progress: Progress | None) -> None:
    def copy(frame_and_region: tuple[int, Region]) -> None:
        frame, region = frame_and_region
        writer.write(region, volume.read(region, frame=frame), frame=frame)

    regions = [(frame, block.core) for block in blocks_of(volume.shape, piece) for frame in range(volume.frames)]
    total = sum(prod(shape_of(region)) for _, region in regions)
    done = 0
    for (_, region), _ in in_order(copy, regions, workers):
        done += prod(shape_of(region))
        if progress is not None:
            progress(done, total)


def piece_shape(source: Layout, target: Layout, piece_bytes: int) -> Shape:
    """How much to copy at a time: whole chunks of the target, about `piece_bytes`.

    A source's chunk is decoded whole however little of it is read. A piece is therefore at least as large as one,
    up to `LARGEST_PIECE_BYTES`; beyond that it is as large as that, and some chunks are decoded more than once.
    """
    voxel_bytes = source.dtype.itemsize * source.channels
    chunk, decoded = _spatial_chunk(target), _spatial_chunk(source)
    unit = [-(-max(c, d) // c) * c for c, d in zip(chunk, decoded, strict=True)]
    if voxel_bytes * prod(unit) > LARGEST_PIECE_BYTES:
        unit, piece_bytes = list(chunk), LARGEST_PIECE_BYTES
    # Along x first, then y: files are stored so.
    for axis in (2, 1, 0):
        fitting = max(1, piece_bytes // (voxel_bytes * prod(unit)))
        unit[axis] = min(unit[axis] * fitting, source.shape[axis])
    return unit[0], unit[1], unit[2]


def _spatial_chunk(layout: Layout) -> Shape:
    """Chunk along (z, y, x), a single voxel where there are none."""
    along = dict(zip(layout.axes, layout.chunks or (), strict=False))
    return along.get("z", 1), along.get("y", 1), along.get("x", 1)
