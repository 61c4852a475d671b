"""Which format a path is: the two doors through which every image comes in and goes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecc_px.errors import InvalidSetting, UnreadableVolume
from ecc_px.volumes import naming
from ecc_px.volumes.hdf5 import EXPORTED_DATA, Hdf5Volume
from ecc_px.volumes.hdf5_writer import Compression, Hdf5Writer
from ecc_px.volumes.volume import Layout, Volume
from ecc_px.volumes.writer import VolumeWriter


def open_volume(
    path: str | Path, *, axes: str | None = None, inner_path: str | None = None, level: int = 0
) -> Volume:
    """Open an image for reading by region.

    Parameters
    ----------
    path : path
        HDF5 (a dataset's path may follow: ``brain.h5/volume/data``), TIFF, a folder of TIFF planes, NIfTI,
        OME-Zarr.
    axes : str, optional
        One letter of t, z, y, x, c for each dimension on disk; overrides what the file says.
    inner_path : str, optional
        The dataset inside an HDF5 file, or the image inside a Zarr folder.
    level : int
        Resolution level of a pyramid; 0 is the finest.

    Raises
    ------
    UnreadableVolume
        The path does not exist, is empty, is no image, or is damaged.
    """
    file, following = naming.split_inner_path(Path(path))
    if not file.exists():
        raise UnreadableVolume(f"{path}: there is no such file or folder.")
    inner_path = inner_path or following
    if file.is_file() and file.stat().st_size == 0:
        raise UnreadableVolume(f"{file}: the file is empty. Copy it again.")
    suffix = naming.suffix_of(file)
    if suffix in naming.HDF5_SUFFIXES:
        return Hdf5Volume(file, inner_path=inner_path, axes=axes)
    raise UnreadableVolume(f"{file}: no format that we read has this name.")


def create_volume(
    path: str | Path,
    layout: Layout,
    *,
    compression: Compression = "gzip",
    attributes: Mapping[str, Any] | None = None,
    dataset: str = EXPORTED_DATA,
    overwrite: bool = False,
) -> VolumeWriter:
    """Begin an image that is written by region; the extension of `path` decides the format.

    Parameters
    ----------
    path : path
    layout : Layout
        Shape, dtype, voxel size; its axis order and chunks where the format can have them.
    compression : {"gzip", "lzf", "none"}
    attributes : mapping, optional
        HDF5: attributes of the dataset.
    dataset : str
        HDF5: the dataset's path.
    overwrite : bool

    Returns
    -------
    VolumeWriter
        A context manager; the output appears when it ends without an error.

    Raises
    ------
    OutputExists
        There is something at `path` already.
    """
    path = Path(path)
    suffix = naming.suffix_of(path)
    if suffix in naming.HDF5_SUFFIXES:
        return Hdf5Writer(
            path,
            layout,
            compression=compression,
            dataset=dataset,
            attributes=attributes,
            overwrite=overwrite,
        )
    raise InvalidSetting(f"{path}: no format that we write has this extension.")
