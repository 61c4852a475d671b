"""Which format a path is: the two doors through which every image comes in and goes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from ecc_px.errors import EccPxError, InvalidSetting, UnreadableVolume
from ecc_px.volumes import naming
from ecc_px.volumes.hdf5 import EXPORTED_DATA, Hdf5Volume
from ecc_px.volumes.hdf5_writer import Hdf5Writer
from ecc_px.volumes.nifti import NiftiVolume
from ecc_px.volumes.nifti_writer import NiftiGzWriter, NiftiWriter
from ecc_px.volumes.ome_zarr import OmeZarrVolume
from ecc_px.volumes.ome_zarr_writer import Downsampling, OmeZarrWriter
from ecc_px.volumes.tiff import TiffVolume
from ecc_px.volumes.tiff_planes import TiffPlanesVolume
from ecc_px.volumes.tiff_writer import TiffPlanesWriter, TiffVolumeWriter
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.writer import VolumeWriter

Format = Literal["hdf5", "tiff", "planes", "nifti", "zarr"]

_SIGNATURE_BYTES = 8
"""Of a file's start, enough to tell the formats."""


def open_volume(
    path: str | Path,
    *,
    axes: str | None = None,
    inner_path: str | None = None,
    level: int = 0,
    dtypes: Collection[str] = SUPPORTED_DTYPES,
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
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.

    Raises
    ------
    UnreadableVolume
        The path does not exist, is empty, is no image, or is damaged.
    """
    file, following = naming.split_inner_path(Path(path))
    if not file.exists():
        raise UnreadableVolume(f"{path}: there is no such file or folder.")
    inner_path = inner_path or following
    if file.suffix.lower() == ".ilp" and inner_path is None:
        raise UnreadableVolume(f"{file}: an ilastik project is no image; give the image that it is to be applied to.")
    try:
        volume_format = _folder_format(file) if file.is_dir() else _file_format(file)
        if inner_path and volume_format not in ("hdf5", "zarr"):
            raise InvalidSetting(f"only HDF5 and Zarr have images inside, such as {inner_path!r}.")
        if level and volume_format not in ("tiff", "zarr"):
            raise InvalidSetting(f"only OME-Zarr and pyramidal TIFF have a level {level}.")
        match volume_format:
            case "hdf5":
                return Hdf5Volume(file, inner_path=inner_path, axes=axes, dtypes=dtypes)
            case "tiff":
                return TiffVolume(file, axes=axes, level=level, dtypes=dtypes)
            case "planes":
                return TiffPlanesVolume(file, axes=axes, dtypes=dtypes)
            case "nifti":
                return NiftiVolume(file, axes=axes, dtypes=dtypes)
            case "zarr":
                return OmeZarrVolume(file, inner_path=inner_path, axes=axes, level=level, dtypes=dtypes)
    except PermissionError as error:
        raise UnreadableVolume(f"{file}: you may not read it. Ask its owner.") from error
    except InvalidSetting as error:
        raise InvalidSetting(error if str(file) in str(error) else f"{file}: {error}") from error
    except EccPxError:
        raise
    except Exception as error:
        # In a damaged file the libraries come across anything, and raise KeyError, RuntimeError, TypeError …
        reason = f"{type(error).__name__}: {error}"
        raise UnreadableVolume(f"{file}: it is damaged, or not what its name says ({reason}).") from error


def _folder_format(folder: Path) -> Format:
    is_zarr = naming.suffix_of(folder) in naming.ZARR_SUFFIXES or any(
        (folder / name).exists() for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs")
    )
    return "zarr" if is_zarr else "planes"


def _file_format(file: Path) -> Format:
    """By its extension, else by its first bytes."""
    with file.open("rb") as stream:
        start = stream.read(_SIGNATURE_BYTES)
    if not start:
        raise UnreadableVolume(f"{file}: the file is empty. Copy it again.")
    suffix = naming.suffix_of(file)
    if suffix in naming.HDF5_SUFFIXES or start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if suffix in naming.TIFF_SUFFIXES or start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if suffix in naming.NIFTI_SUFFIXES:
        return "nifti"
    raise UnreadableVolume(f"{file}: it is no image that we read: HDF5, TIFF, NIfTI or OME-Zarr.")


def create_volume(
    path: str | Path,
    layout: Layout,
    *,
    compression: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    dataset: str = EXPORTED_DATA,
    overwrite: bool = False,
    ngff_version: str = "0.4",
    downsampling: Downsampling = "mean",
) -> VolumeWriter:
    """Begin an image that is written by region; the extension of `path` decides the format.

    Parameters
    ----------
    path : path
        .h5, .hdf5; .tif, .tiff, .ome.tif; .nii, .nii.gz; .zarr, .ome.zarr; none for a folder of TIFF planes.
    layout : Layout
        Shape, dtype, voxel size. HDF5 keeps its axis order; the other formats have their own.
    compression : str, optional
        HDF5: gzip (default), lzf, none. OME-Zarr: zstd (default), gzip, none. Others have one each.
    attributes : mapping, optional
        What else to say of the image: text, numbers and lists of them. `Volume.attributes` gives them back.
    dataset : str
        HDF5: the dataset's path.
    overwrite : bool
        Replace what is at `path`, when the new output is complete.
    ngff_version : {"0.4", "0.5"}
        OME-Zarr: the version written.
    downsampling : {"mean", "nearest"}
        OME-Zarr: how the coarser levels are made; class numbers need "nearest".

    Returns
    -------
    VolumeWriter
        A context manager; the output appears when it ends without an error.

    Raises
    ------
    OutputExists
        There is something at `path` already.
    InvalidSetting
        No format has this extension, or the format can't do what is asked for.
    """
    path = Path(path)
    common: dict[str, Any] = {"compression": compression, "attributes": attributes, "overwrite": overwrite}
    match naming.suffix_of(path):
        case suffix if suffix in naming.HDF5_SUFFIXES:
            return Hdf5Writer(path, layout, dataset=dataset, **common)
        case suffix if suffix in naming.TIFF_SUFFIXES:
            return TiffVolumeWriter(path, layout, **common)
        case suffix if suffix in naming.ZARR_SUFFIXES:
            return OmeZarrWriter(path, layout, ngff_version=ngff_version, downsampling=downsampling, **common)
        case ".nii":
            return NiftiWriter(path, layout, **common)
        case ".nii.gz":
            return NiftiGzWriter(path, layout, **common)
        case _ if not path.suffix:
            return TiffPlanesWriter(path, layout, **common)
        case _:
            raise InvalidSetting(
                f"{path}: no format that we write has this extension: .h5, .tif, .ome.tif, .nii, .nii.gz, "
                ".ome.zarr, or none for a folder of TIFF planes."
            )
