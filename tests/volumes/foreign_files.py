"""Images as other programs write them: every format of the contract, made without our own writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt
import tifffile
import zarr

Array = npt.NDArray[Any]
VOXEL_UM = (5.0, 2.0, 1.5)
"""z, y, x of every file that can say it."""


def write_hdf5_with_axistags(folder: Path, image: Array) -> Path:
    axes = ",".join(
        f'{{"key": "{a}", "typeFlags": 2, "resolution": {s}, "description": ""}}'
        for a, s in zip("zyx", VOXEL_UM, strict=True)
    )
    with h5py.File(folder / "brain.h5", "w") as file:
        dataset = file.create_dataset("volume/data", data=image, chunks=True, compression="gzip")
        dataset.attrs["axistags"] = f'{{"axes": [{axes}]}}'
        file.create_dataset("a_table", data=np.zeros((3, 3)))
    return folder / "brain.h5"


def write_hdf5_of_fiji(folder: Path, image: Array) -> Path:
    with h5py.File(folder / "brain.hdf5", "w") as file:
        dataset = file.create_dataset("data", data=image.astype(image.dtype.newbyteorder(">")))
        dataset.attrs["element_size_um"] = VOXEL_UM
    return folder / "brain.hdf5"


def write_imagej_tiff(folder: Path, image: Array) -> Path:
    # ImageJ knows these three types; others are saved by tifffile with the same metadata as OME.
    if image.dtype.name not in ("uint8", "uint16", "float32"):
        return write_ome_tiff(folder, image)
    z, y, x = VOXEL_UM
    tifffile.imwrite(
        folder / "brain.tif",
        image,
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "spacing": z, "unit": "micron"},
    )
    return folder / "brain.tif"


def _ome_metadata() -> dict[str, Any]:
    z, y, x = VOXEL_UM
    return {
        "axes": "ZYX",
        "PhysicalSizeZ": z / 1000,
        "PhysicalSizeZUnit": "mm",
        "PhysicalSizeY": y,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeX": x * 1000,
        "PhysicalSizeXUnit": "nm",
    }


def write_ome_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(folder / "brain.ome.tif", image, metadata=_ome_metadata())
    return folder / "brain.ome.tif"


def write_tiled_compressed_big_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(
        folder / "brain.tiff",
        image,
        bigtiff=True,
        ome=True,
        tile=(16, 16),
        compression="zlib",
        predictor=True,
        metadata=_ome_metadata(),
    )
    return folder / "brain.tiff"


def write_big_endian_striped_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(
        folder / "brain.tif",
        image,
        byteorder=">",
        ome=True,
        rowsperstrip=7,
        compression="zlib",
        metadata=_ome_metadata(),
    )
    return folder / "brain.tif"


def _write_planes(folder: Path, image: Array, **options: Any) -> Path:
    stack = folder / "brain"
    stack.mkdir()
    z, y, x = VOXEL_UM
    for number, plane in enumerate(image):
        tifffile.imwrite(
            # 8, 9, 10: natural order is not alphabetical order.
            stack / f"my brain_UltraII[00 x 00]_C00_Z{number + 8}.ome.tif",
            plane,
            metadata={"axes": "YX", "PhysicalSizeZ": z, "PhysicalSizeY": y, "PhysicalSizeX": x},
            **options,
        )
    (stack / "Thumbs.db").write_bytes(b"junk")
    (stack / ".hidden_Z8.tif").write_bytes(b"junk")
    (stack / "settings.txt").write_text("exposure 20 ms")
    return stack


def write_plain_planes(folder: Path, image: Array) -> Path:
    return _write_planes(folder, image)


def write_compressed_planes(folder: Path, image: Array) -> Path:
    return _write_planes(folder, image, compression="lzw", rowsperstrip=9)


def _nifti(image: Array) -> nib.Nifti1Image:
    z, y, x = VOXEL_UM
    nifti = nib.Nifti1Image(image.transpose(), np.diag([x / 1000, y / 1000, z / 1000, 1.0]))
    nifti.header.set_xyzt_units("mm")
    return nifti


def write_nifti(folder: Path, image: Array) -> Path:
    nib.save(_nifti(image), folder / "brain.nii")
    return folder / "brain.nii"


def write_nifti_gz(folder: Path, image: Array) -> Path:
    nib.save(_nifti(image), folder / "brain.nii.gz")
    return folder / "brain.nii.gz"


def _write_ome_zarr(path: Path, image: Array, *, zarr_format: int) -> Path:
    z, y, x = VOXEL_UM
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    coarse = image[::2, ::2, ::2]
    encoding = {"name": "v2" if zarr_format == 2 else "default", "separator": "/"}
    for name, level in (("0", image), ("1", coarse)):
        array = group.create_array(
            name, shape=(1, *level.shape), dtype=level.dtype, chunks=(1, 16, 16, 16), chunk_key_encoding=encoding
        )
        array[0] = level
    multiscales = [
        {
            "axes": [
                {"name": "c", "type": "channel"},
                {"name": "z", "type": "space", "unit": "micrometer"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space", "unit": "nanometer"},
            ],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1, z * 2**level, y * 2**level, 1000 * x * 2**level]}
                    ],
                }
                for level in (0, 1)
            ],
        }
    ]
    if zarr_format == 2:
        multiscales[0]["version"] = "0.4"
        group.attrs["multiscales"] = multiscales
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    return path


def write_ome_zarr_04(folder: Path, image: Array) -> Path:
    return _write_ome_zarr(folder / "brain.ome.zarr", image, zarr_format=2)


def write_ome_zarr_05(folder: Path, image: Array) -> Path:
    return _write_ome_zarr(folder / "brain.zarr", image, zarr_format=3)


FOREIGN_WRITERS: tuple[Callable[[Path, Array], Path], ...] = (
    write_hdf5_with_axistags,
    write_hdf5_of_fiji,
    write_imagej_tiff,
    write_ome_tiff,
    write_tiled_compressed_big_tiff,
    write_big_endian_striped_tiff,
    write_plain_planes,
    write_compressed_planes,
    write_nifti,
    write_nifti_gz,
    write_ome_zarr_04,
    write_ome_zarr_05,
)


def noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """An image in which no two places are likely to be confused, with the extreme values of its type."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(0, 1e3, shape).astype(dtype)
    limits = np.iinfo(dtype)
    image = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    image.flat[0], image.flat[-1] = limits.min, limits.max
    return image
