"""Images and label files as other programs write them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ecc_px.volumes import Layout, VoxelUm, create_volume
from ecc_px.volumes.blocks import whole

SHAPE = (20, 90, 75)
VOXEL_UM = (7.0, 6.45, 6.45)


def drawn(shape: tuple[int, ...] = SHAPE, seed: int = 0, labels: int = 3, share: float = 0.02) -> npt.NDArray[np.uint8]:
    """A few labelled voxels anywhere, the corners among them."""
    rng = np.random.default_rng(seed)
    array = np.where(rng.random(shape) < share, rng.integers(1, labels + 1, shape), 0).astype(np.uint8)
    array[(0,) * len(shape)], array[(-1,) * len(shape)] = 1, labels
    return array


def save_image(path: Path, shape: tuple[int, int, int] = SHAPE, voxel_um: VoxelUm | None = VOXEL_UM) -> Path:
    """An image whose voxels are their own running number, as any format that we write."""
    image = np.arange(np.prod(shape), dtype=np.uint32).reshape(1, *shape).astype(np.uint16)
    with create_volume(path, Layout("zyx", shape, image.dtype, voxel_um)) as writer:
        writer.write(whole(shape), image)
    return path


def save_nifti(
    path: Path, zyx: npt.NDArray[np.generic], affine: npt.NDArray[np.float64], unit: str = "mm", code: int = 1
) -> Path:
    """A NIfTI of a (z, y, x) array; `code` 0 leaves the header without any orientation."""
    image = nib.Nifti1Image(zyx.T, affine, dtype=zyx.dtype)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, path)
    return path


def paint_as_itk_snap(path: Path, zyx: npt.NDArray[np.uint8]) -> Path:
    """Paint the labels of a template and save them with a new header, as ITK does: uint16, mm, nothing else kept."""
    affine = nib.load(path).affine
    assert nib.load(path).shape[::-1] == zyx.shape
    path.unlink()
    return save_nifti(path, zyx.astype(np.uint16), affine)


def affine_mm(voxel_um: VoxelUm = VOXEL_UM) -> npt.NDArray[np.float64]:
    """Where our convention puts a whole image, in mm."""
    z, y, x = voxel_um
    return np.diag([x / 1000, -y / 1000, -z / 1000, 1.0])
