"""Which format a path is: the two doors through which every image comes in and goes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from ecc_px.errors import EccPxError, InvalidSetting, UnreadableVolume
from ecc_px.volumes import naming
from ecc_px.volumes.bigdataviewer import BigDataViewerVolume, is_bigdataviewer
from ecc_px.volumes.channel_view import ChannelView
from ecc_px.volumes.czi import CziVolume
from ecc_px.volumes.hdf5 import EXPORTED_DATA, Hdf5Volume
from ecc_px.volumes.hdf5_file import Hdf5File
from ecc_px.volumes.hdf5_writer import Hdf5Writer
from ecc_px.volumes.imaris import ImarisVolume, is_imaris
from ecc_px.volumes.lif import LifVolume
from ecc_px.volumes.n5 import N5Volume, is_n5
from ecc_px.volumes.nifti import NiftiVolume
from ecc_px.volumes.nifti_writer import NiftiGzWriter, NiftiWriter
from ecc_px.volumes.ome_zarr import OmeZarrVolume
from ecc_px.volumes.ome_zarr_writer import Downsampling, OmeZarrWriter
from ecc_px.volumes.tiff import TiffVolume
from ecc_px.volumes.tiff_planes import TiffPlanesVolume
from ecc_px.volumes.tiff_writer import TiffPlanesWriter, TiffVolumeWriter
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.writer import VolumeWriter

Format = Literal["hdf5", "imaris", "bigdataviewer", "tiff", "planes", "nifti", "zarr", "n5", "czi", "lif"]

_WITH_IMAGES_INSIDE = ("hdf5", "zarr", "n5", "czi", "lif")
_WITH_LEVELS = ("imaris", "bigdataviewer", "tiff", "zarr", "n5")

_SIGNATURE_BYTES = 8
"""Of a file's start, enough to tell the formats."""


def open_volume(
    path: str | Path,
    *,
    axes: str | None = None,
    inner_path: str | None = None,
    level: int = 0,
    channel: int | str | None = None,
    dtypes: Collection[str] = SUPPORTED_DTYPES,
    allow_missing: bool = False,
) -> Volume:
    """Open an image for reading by region.

    Parameters
    ----------
    path : path
        HDF5 (a dataset's path may follow: ``brain.h5/volume/data``), TIFF, a folder of TIFF planes, NIfTI,
        OME-Zarr, N5, Imaris, BigDataViewer's XML or its HDF5 or N5, CZI, LIF.
    axes : str, optional
        One letter of t, z, y, x, c for each dimension on disk; overrides what the file says.
    inner_path : str, optional
        The dataset inside an HDF5 file, the image inside a Zarr or N5 folder or a LIF file, the scene of a CZI file.
    level : int
        Resolution level of a pyramid; 0 is the finest.
    channel : int or str, optional
        The volume then has this channel only, given by its number from 0 or its name.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    allow_missing : bool
        A plane that is missing in a folder of planes is 0 everywhere instead of an error;
        ``layout.origins["missing planes"]`` says which.

    Raises
    ------
    UnreadableVolume
        The path does not exist, is empty, is no image, or is damaged.
    """
    volume = _open_whole(Path(path), axes, inner_path, level, dtypes, allow_missing)
    if channel is None:
        return volume
    try:
        return ChannelView(volume, channel)
    except BaseException:
        volume.close()
        raise


def _open_whole(
    path: Path,
    axes: str | None,
    inner_path: str | None,
    level: int,
    dtypes: Collection[str],
    allow_missing: bool,
) -> Volume:
    """The volume with all its channels."""
    file, following = naming.split_inner_path(path)
    if not file.exists():
        raise UnreadableVolume(f"{path}: there is no such file or folder.")
    inner_path = inner_path or following
    if file.suffix.lower() == ".ilp" and inner_path is None:
        raise UnreadableVolume(f"{file}: an ilastik project is no image; give the image that it is to be applied to.")
    try:
        volume_format = _folder_format(file) if file.is_dir() else _file_format(file)
        if volume_format == "hdf5" and inner_path is None:
            volume_format = _hdf5_layout(file)
        elif volume_format == "n5" and inner_path is None and any(file.glob("setup*/timepoint*")):
            volume_format = "bigdataviewer"
        if inner_path and volume_format not in _WITH_IMAGES_INSIDE:
            raise InvalidSetting(f"only HDF5, Zarr, N5, CZI and LIF have images inside, such as {inner_path!r}.")
        if level and volume_format not in _WITH_LEVELS:
            raise InvalidSetting(f"there is no level {level}: it is no pyramid, as OME-Zarr or Imaris is.")
        common: dict[str, Any] = {"axes": axes, "dtypes": dtypes}
        match volume_format:
            case "hdf5":
                return Hdf5Volume(file, inner_path=inner_path, **common)
            case "imaris":
                return ImarisVolume(file, level=level, **common)
            case "bigdataviewer":
                return BigDataViewerVolume(file, level=level, **common)
            case "tiff":
                return TiffVolume(file, level=level, **common)
            case "planes":
                return TiffPlanesVolume(file, allow_missing=allow_missing, **common)
            case "nifti":
                return NiftiVolume(file, **common)
            case "zarr":
                return OmeZarrVolume(file, inner_path=inner_path, level=level, **common)
            case "n5":
                return N5Volume(file, inner_path=inner_path, level=level, **common)
            case "czi":
                return CziVolume(file, inner_path=inner_path, **common)
            case "lif":
                return LifVolume(file, inner_path=inner_path, **common)
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
    if is_zarr:
        return "zarr"
    return "n5" if naming.suffix_of(folder) in naming.N5_SUFFIXES or is_n5(folder) else "planes"


def _hdf5_layout(file: Path) -> Format:
    """Whose layout the HDF5 file has: a program's that keeps channels and levels apart, or a plain dataset's."""
    with closing(Hdf5File(file)) as opened:
        if is_imaris(opened.root):
            return "imaris"
        return "bigdataviewer" if is_bigdataviewer(opened.root) else "hdf5"


def _file_format(file: Path) -> Format:
    """By its extension, else by its first bytes."""
    with file.open("rb") as stream:
        start = stream.read(_SIGNATURE_BYTES)
    if not start:
        raise UnreadableVolume(f"{file}: the file is empty. Copy it again.")
    suffix = naming.suffix_of(file)
    if suffix in naming.IMARIS_SUFFIXES:
        return "imaris"
    if suffix in naming.BIGDATAVIEWER_SUFFIXES:
        return "bigdataviewer"
    if suffix in naming.CZI_SUFFIXES or start.startswith(b"ZISRAWFI"):
        return "czi"
    if suffix in naming.LIF_SUFFIXES:
        return "lif"
    if suffix in naming.HDF5_SUFFIXES or start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if suffix in naming.TIFF_SUFFIXES or start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if suffix in naming.NIFTI_SUFFIXES:
        return "nifti"
    raise UnreadableVolume(
        f"{file}: it is no image that we read: HDF5, TIFF, NIfTI, OME-Zarr, N5, Imaris, BigDataViewer, CZI, LIF."
    )


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
    jobs: int | None = None,
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
    jobs : int, optional
        OME-Zarr: threads that make the coarser levels; one for each usable processor where not given.

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
            zarr_only: dict[str, Any] = {"ngff_version": ngff_version, "downsampling": downsampling, "jobs": jobs}
            return OmeZarrWriter(path, layout, **zarr_only, **common)
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
