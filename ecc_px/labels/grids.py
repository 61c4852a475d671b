"""Where the voxels of a label image lie in the image that it was drawn on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ecc_px.errors import GridMismatch
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.nifti import NiftiVolume
from ecc_px.volumes.orientation import affine_um_of

_TOLERANCE_VOXELS = 1e-3
_TOLERANCE_RELATIVE = 1e-6
"""A header's float32 numbers can't say the far end of a large image more exactly."""

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """How the axes of a label volume run in the image, and where it begins there.

    Parameters
    ----------
    extent : (z, y, x)
        Of the label volume, along its own axes.
    axes : tuple of int
        For each of the image's z, y, x, the axis of the label volume that runs along it.
    backwards : tuple of bool
        For each of the image's z, y, x, whether that axis runs against it.
    start : (z, y, x)
        The image's voxel that is the label volume's first.
    notes : tuple of str
        What a person should know about it.
    """

    extent: Shape
    axes: tuple[int, int, int] = (0, 1, 2)
    backwards: tuple[bool, bool, bool] = (False, False, False)
    start: Shape = (0, 0, 0)
    notes: tuple[str, ...] = ()

    def in_image(self, region: Region, piece: npt.NDArray[np.uint16]) -> tuple[Shape, npt.NDArray[np.uint16]]:
        """A (z, y, x) piece of the label volume → where it begins in the image, and the piece as it lies there."""
        start = list(self.start)
        for axis, (source, backward) in enumerate(zip(self.axes, self.backwards, strict=True)):
            part = region[source]
            start[axis] += self.extent[source] - part.stop if backward else part.start
        turned = piece.transpose(self.axes)
        flips = tuple(slice(None, None, -1 if backward else 1) for backward in self.backwards)
        return (start[0], start[1], start[2]), turned[flips]


def place(labels: Volume, image: Volume, *, assume_same_grid: bool = False) -> Placement:
    """Where a label volume lies in its image.

    A NIfTI's header says it: the same grid, the same with axes turned round or exchanged, or a crop of it. Of other
    formats only the shape is known, which must be the image's.

    Parameters
    ----------
    labels, image : Volume
    assume_same_grid : bool
        The shape is enough, whatever a header says or does not say.

    Raises
    ------
    GridMismatch
        With both sides in its message.
    """
    if labels.channels != 1:
        raise GridMismatch(
            f"{labels.path}: it has {labels.channels} channels, a label image has one. Save the class numbers, not "
            f"their colours, or pass --axes if {labels.axes!r} is not what its dimensions are."
        )
    if labels.frames != image.frames:
        raise GridMismatch(
            f"{labels.path}: it has {labels.frames} time points, the image {image.path} has {image.frames}."
        )
    if assume_same_grid or not isinstance(labels, NiftiVolume):
        if labels.shape != image.shape:
            raise GridMismatch(
                f"{labels.path}: its shape (z, y, x) is {labels.shape}, that of the image {image.path} is "
                f"{image.shape}. Pass the image that it was drawn on, or --axes if its dimensions are others."
            )
        return Placement(labels.shape)
    if labels.affine_um is None:
        raise GridMismatch(
            f"{labels.path}: its header does not say where its voxels lie (shape (z, y, x) {labels.shape}, image "
            f"{image.path} {image.shape}). Pass --assume-same-grid if it was drawn on that image, voxel for voxel."
        )
    return _by_header(labels, labels.affine_um, image)


def image_affine_um(image: Volume, voxel_um: VoxelUm) -> Affine:
    """Where an image's voxels lie: what a NIfTI says, else our convention with a voxel size."""
    stated = image.affine_um if isinstance(image, NiftiVolume) else None
    return affine_um_of(image.voxel_um or voxel_um) if stated is None else stated


def _by_header(labels: Volume, affine_um: Affine, image: Volume) -> Placement:
    # An image without a voxel size contradicts none: what the labels say holds for both.
    x, y, z = np.abs(affine_um[:3, :3]).max(axis=1)
    image_affine = image_affine_um(image, (z, y, x))
    placement = None
    if all(np.isfinite(a).all() and np.linalg.det(a) != 0 for a in (affine_um, image_affine)):
        placement = _fitting(np.linalg.inv(image_affine) @ affine_um, labels.shape, image.shape)
    if placement is None:
        raise GridMismatch(
            f"{labels.path}: its voxels are not those of the image {image.path}, nor a part of them. "
            f"Labels: {_described(labels.shape, affine_um)}; image: {_described(image.shape, image_affine)}. "
            "Pass the image that they were drawn on, or --assume-same-grid if it is that one and a header is wrong."
        )
    return replace(placement, notes=_notes_on(placement, labels, image))


def _fitting(to_image: Affine, labels: Shape, image: Shape) -> Placement | None:
    """Where a label volume lies, None unless each of its voxels is one of the image's.

    Parameters
    ----------
    to_image : (4, 4)
        From the label volume's voxel (x, y, z) to the image's.
    labels, image : (z, y, x)
        Extents.
    """
    directions = np.rint(to_image[:3, :3]).astype(int)
    steps = np.abs(directions)
    if (steps.sum(axis=0) != 1).any() or (steps.sum(axis=1) != 1).any():
        return None
    label_extent, image_extent = np.array(labels[::-1]), np.array(image[::-1])
    # An axis that runs backwards begins where its last voxel lies.
    first = to_image[:3, 3] + np.minimum(directions, 0) @ (label_extent - 1)
    begin = np.rint(first).astype(int)
    end = begin + steps @ label_extent
    off = np.abs(first - begin) + np.abs(to_image[:3, :3] - directions) @ (label_extent - 1)
    tolerance = np.maximum(_TOLERANCE_VOXELS, _TOLERANCE_RELATIVE * image_extent)
    if (off > tolerance).any() or (begin < 0).any() or (end > image_extent).any():
        return None
    axis_x, axis_y, axis_z = (2 - int(axis) for axis in steps.argmax(axis=1))
    back_x, back_y, back_z = (bool(sign < 0) for sign in directions.sum(axis=1))
    x, y, z = (int(n) for n in begin)
    return Placement(labels, (axis_z, axis_y, axis_x), (back_z, back_y, back_x), (z, y, x))


def _notes_on(placement: Placement, labels: Volume, image: Volume) -> tuple[str, ...]:
    notes = []
    if placement.axes != (0, 1, 2) or any(placement.backwards):
        runs = ", ".join(
            f"{axis} along its {'zyx'[source]}{' backwards' * backward}"
            for axis, source, backward in zip("zyx", placement.axes, placement.backwards, strict=True)
        )
        notes.append(f"{labels.path}: turned onto the image's axes, as the headers say: {runs}.")
    covered = tuple(placement.extent[source] for source in placement.axes)
    if covered != image.shape:
        box = ", ".join(
            f"{axis} {begin}:{begin + n}" for axis, begin, n in zip("zyx", placement.start, covered, strict=True)
        )
        notes.append(f"{labels.path}: taken as the part {box} of {image.path}, as the headers say.")
    return tuple(notes)


def _described(shape: Shape, affine_um: Affine) -> str:
    z, y, x = shape
    spacing = np.linalg.norm(affine_um[:3, :3], axis=0)
    try:
        directions = "".join(code or "?" for code in nib.aff2axcodes(affine_um))
    except (ValueError, np.linalg.LinAlgError):
        directions = "damaged"
    return (
        f"{x} × {y} × {z} voxels (x y z) of {' × '.join(f'{s:g}' for s in spacing)} µm, axes towards {directions}, "
        f"first voxel at ({', '.join(f'{o:g}' for o in affine_um[:3, 3])}) µm"
    )
