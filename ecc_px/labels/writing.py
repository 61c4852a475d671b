"""Labels into an image file: what ilastik's label import, ITK-SNAP and napari read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecc_px.errors import InvalidSetting
from ecc_px.labels.annotation import Annotation
from ecc_px.labels.classes import class_attributes
from ecc_px.labels.grids import image_affine_um
from ecc_px.labels.template import UNKNOWN_VOXEL_UM
from ecc_px.volumes import Layout, Volume, VolumeWriter, create_volume
from ecc_px.volumes.naming import HDF5_SUFFIXES, NIFTI_SUFFIXES, suffix_of
from ecc_px.volumes.nifti_writer import NiftiGzWriter, NiftiWriter
from ecc_px.volumes.orientation import affine_um_of

DATASET = "labels"
"""Where the labels lie in an HDF5 file."""


def write_annotation(
    path: str | Path, annotation: Annotation, image: Volume | None = None, *, overwrite: bool = False
) -> Path:
    """Write labels as a uint8 image of the size of the whole image, 0 where nobody said anything.

    Parameters
    ----------
    path : path
        The extension decides. .h5: gzipped chunks with axistags and the names of the classes, for ilastik's label
        import. .nii, .nii.gz: on the image's grid. .tif, .ome.tif, .ome.zarr; none for a folder of planes.
    annotation : Annotation
    image : Volume, optional
        What the labels were drawn on: says the axes, the voxel size and the grid.
    overwrite : bool

    Raises
    ------
    GridMismatch
        Labels lie outside of the image.
    InvalidSetting
        Nothing says how large the image is.
    OutputExists, OutputFailed
    """
    path = Path(path)
    layout = _layout(annotation, image)
    annotation.check_within((layout.frames, *layout.shape))
    with _writer(path, annotation, layout, image, overwrite) as writer:
        for block in annotation.blocks:
            (_, z, y, x), stop = block.start, block.stop
            region = (slice(z, stop[1]), slice(y, stop[2]), slice(x, stop[3]))
            for frame, labels in enumerate(block.labels, start=block.start[0]):
                writer.write(region, labels[np.newaxis], frame=frame)
    return path


def import_warning(annotation: Annotation) -> str | None:
    """What ilastik's label import would do wrong by default: it proposes label numbers by rank.

    A number that is not drawn in the file makes it take each one above for the one below.
    """
    drawn = sorted(annotation.counts())
    skipped = [str(label) for label in range(1, drawn[-1] + 1) if label not in drawn]
    if not skipped:
        return None
    return (
        f"Label {', '.join(skipped)} is not drawn: ilastik's Labels > Import will propose to renumber those above it. "
        "Set each label to its own number there."
    )


def _layout(annotation: Annotation, image: Volume | None) -> Layout:
    if image is not None:
        shape, axes, voxel_um = (image.frames, *image.shape), image.axes, image.voxel_um
    elif annotation.shape is not None:
        shape, axes, voxel_um = annotation.shape, "", None
    else:
        raise InvalidSetting("Nothing says how large the labelled image is: pass it by --image.")
    extents = dict(zip("tzyx", shape, strict=True))
    kept = "".join(a for a in "tzyx" if a in "yx" or extents[a] > 1 or (a == "z" and a in axes))
    return Layout(kept, tuple(extents[a] for a in kept), np.dtype(np.uint8), voxel_um)


def _writer(path: Path, annotation: Annotation, layout: Layout, image: Volume | None, overwrite: bool) -> VolumeWriter:
    suffix = suffix_of(path)
    if suffix in NIFTI_SUFFIXES:
        writer_of = NiftiGzWriter if suffix == ".nii.gz" else NiftiWriter
        affine_um = affine_um_of(UNKNOWN_VOXEL_UM) if image is None else image_affine_um(image, UNKNOWN_VOXEL_UM)
        return writer_of(path, layout, overwrite=overwrite, affine_um=affine_um)
    if suffix in HDF5_SUFFIXES:
        attributes = class_attributes(annotation.classes)
        return create_volume(path, layout, attributes=attributes, dataset=DATASET, overwrite=overwrite)
    return create_volume(path, layout, overwrite=overwrite, downsampling="nearest")
