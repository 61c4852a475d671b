"""A folder to annotate in ITK-SNAP: the image or a crop of it, an empty label image, names, a workspace.

Whatever ITK-SNAP makes of the headers, the labels find their place in the whole image again: the crop's header says
where it lies in micrometres, and the folder's record which image it was cut from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ecc_px.errors import InvalidSetting, OutputExists
from ecc_px.labels.classes import LabelClass
from ecc_px.labels.descriptions import descriptions_text
from ecc_px.labels.grids import image_affine_um
from ecc_px.labels.record import RECORD, Record, record_text
from ecc_px.labels.workspace import workspace_text
from ecc_px.volumes import Layout, Volume, VoxelUm, resolve_voxel_size
from ecc_px.volumes.blocks import Region, Shape, blocks_of, shape_of, whole
from ecc_px.volumes.conversion import PIECE_BYTES, piece_shape
from ecc_px.volumes.nifti_writer import NiftiGzWriter, NiftiWriter
from ecc_px.volumes.partial import write_errors_named, written_whole
from ecc_px.volumes.streaming import Progress

MAX_GB = 2.0
"""Above this, ITK-SNAP is no pleasure, unless the machine is large."""

UNKNOWN_VOXEL_UM: VoxelUm = (1.0, 1.0, 1.0)
"""What stands in a header where nobody knows the voxel size; reading the labels again does not rely on it."""


@dataclass(frozen=True)
class Template:
    """What was written.

    Parameters
    ----------
    folder, image, labels, descriptions, workspace : Path
    region : (z, y, x) slices
        Of the whole image.
    notes : tuple of str
    """

    folder: Path
    image: Path
    labels: Path
    descriptions: Path
    workspace: Path
    region: Region
    notes: tuple[str, ...] = ()


def write_template(
    image: Volume,
    folder: str | Path,
    classes: Sequence[LabelClass],
    *,
    region: Region | None = None,
    channel: int | None = None,
    voxel_um: VoxelUm | None = None,
    max_gb: float = MAX_GB,
    compress: bool = True,
    progress: Progress | None = None,
) -> Template:
    """Write a folder to annotate `image`, or a crop of it, in ITK-SNAP.

    Parameters
    ----------
    image : Volume
    folder : path
        Made; if it is there already, it must be empty: it could hold somebody's labels.
    classes : sequence of LabelClass
    region : (z, y, x) slices, optional
        The crop, see `parse_crop`. Default: the whole image.
    channel : int, optional
        Of an image with several.
    voxel_um : (z, y, x) µm, optional
        Where the image does not say. It must not contradict the image: reading the labels goes by what the image says.
    max_gb : float
        Largest image to write, in GB (10⁹ bytes of voxels).
    compress : bool
        .nii.gz instead of .nii.

    Raises
    ------
    InvalidSetting
        Too large, a crop that is not in the image, a channel that is not there.
    OutputExists
        There is something in `folder`.
    """
    folder = Path(folder)
    region = whole(image.shape) if region is None else region
    channel = _channel_of(image, channel)
    size_um, notes = _voxel_um_of(image, voxel_um)
    _refuse_large(image, region, max_gb)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExists(f"{folder}: it is there already and may hold labels. Choose a new folder.")
    suffix = ".nii.gz" if compress else ".nii"
    template = Template(
        folder=folder,
        image=folder / f"image{suffix}",
        labels=folder / f"labels{suffix}",
        descriptions=folder / "classes.label",
        workspace=folder / "annotate.itksnap",
        region=region,
        notes=notes,
    )
    with write_errors_named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(folder, overwrite=folder.exists()) as temporary:
        temporary.mkdir()
        _write_images(image, template, temporary, channel, size_um, progress)
        _write_texts(image, template, temporary, classes, size_um)
    return template


def parse_crop(text: str, shape: Shape) -> Region:
    """``"1000:1200,800:1400,:"`` → slices along (z, y, x) of an image of `shape`; an open end is the image's.

    Raises
    ------
    InvalidSetting
        No such crop, or not in the image.
    """
    parts = text.split(",")
    if len(parts) != 3 or any(part.count(":") != 1 for part in parts):
        raise InvalidSetting(f"--crop {text!r}: write z0:z1,y0:y1,x0:x1 in voxels, such as 0:200,800:1400,800:1400.")
    slices = []
    for axis, part, extent in zip("zyx", parts, shape, strict=True):
        begin, end = (piece.strip() for piece in part.split(":"))
        if not all(piece.isdecimal() or not piece for piece in (begin, end)):
            raise InvalidSetting(f"--crop {text!r}: {part.strip()!r} along {axis} is no BEGIN:END in voxels.")
        along = slice(int(begin or 0), int(end or extent))
        if not along.start < along.stop <= extent:
            raise InvalidSetting(f"--crop {text!r}: {part.strip()!r} does not lie in the image's {axis} 0:{extent}.")
        slices.append(along)
    return slices[0], slices[1], slices[2]


def crop_text(region: Region) -> str:
    """A region as `parse_crop` reads it."""
    return ",".join(f"{along.start}:{along.stop}" for along in region)


def _channel_of(image: Volume, channel: int | None) -> int:
    if image.frames > 1:
        raise InvalidSetting(
            f"{image.path}: it has {image.frames} time points, ITK-SNAP's labels are for one. Convert one first."
        )
    if channel is None and image.channels > 1:
        raise InvalidSetting(f"{image.path}: it has {image.channels} channels: say which to show by --channel, from 0.")
    if channel is not None and not 0 <= channel < image.channels:
        raise InvalidSetting(f"{image.path}: there is no channel {channel}, only 0 to {image.channels - 1}.")
    return channel or 0


def _voxel_um_of(image: Volume, given: VoxelUm | None) -> tuple[VoxelUm, tuple[str, ...]]:
    resolved, contradiction = resolve_voxel_size(image, given)
    if contradiction is not None:
        raise InvalidSetting(
            f"{image.path}: it says that its voxels are {image.voxel_um} µm (z y x), not {given}. "
            "Leave --voxel-um out here: labels find their place by what the image says. Or convert the image with it."
        )
    if resolved is None:
        return UNKNOWN_VOXEL_UM, (f"{image.path}: nobody says how large its voxels are; ITK-SNAP will show 1 µm.",)
    return image.voxel_um or resolved, ()


def _refuse_large(image: Volume, region: Region, max_gb: float) -> None:
    shape = shape_of(region)
    size = prod(shape) * image.dtype.itemsize / 1e9
    if size <= max_gb:
        return
    shrink = (max_gb / size) ** (1 / 3)
    middle = []
    for along, extent in zip(region, shape, strict=True):
        kept = max(1, int(extent * shrink))
        begin = along.start + (extent - kept) // 2
        middle.append(slice(begin, begin + kept))
    raise InvalidSetting(
        f"{image.path}: {crop_text(region)} is {size:.1f} GB, more than the {max_gb:g} GB that --max-gb allows. "
        f"Crop it, e.g. --crop {crop_text((middle[0], middle[1], middle[2]))}."
    )


def _write_images(
    image: Volume, template: Template, folder: Path, channel: int, voxel_um: VoxelUm, progress: Progress | None
) -> None:
    region, shape = template.region, shape_of(template.region)
    affine_um = image_affine_um(image, voxel_um).copy()
    affine_um[:3, 3] += affine_um[:3, :3] @ [along.start for along in reversed(region)]
    writer_of = NiftiGzWriter if template.image.suffix == ".gz" else NiftiWriter
    layout = Layout("zyx", shape, image.dtype, voxel_um)
    description = f"ecc-px: {crop_text(region)} of {','.join(map(str, image.shape))} (z,y,x)"
    with writer_of(folder / template.image.name, layout, affine_um=affine_um, description=description) as writer:
        done = 0
        for block in blocks_of(shape, piece_shape(image.layout, writer.layout, PIECE_BYTES)):
            z, y, x = (
                slice(crop.start + part.start, crop.start + part.stop)
                for crop, part in zip(region, block.core, strict=True)
            )
            writer.write(block.core, image.read((z, y, x), channel=channel))
            done += prod(shape_of(block.core))
            if progress is not None:
                progress(done, prod(shape))
    empty = Layout("zyx", shape, np.dtype(np.uint8), voxel_um)
    with writer_of(folder / template.labels.name, empty, affine_um=affine_um, description=description):
        pass  # what is never written is 0: nobody said anything


def _write_texts(
    image: Volume, template: Template, folder: Path, classes: Sequence[LabelClass], voxel_um: VoxelUm
) -> None:
    record = Record(str(image.path.resolve()), image.shape, voxel_um, crop_text(template.region), tuple(classes))
    texts = {
        template.descriptions.name: descriptions_text(classes),
        template.workspace.name: workspace_text(template.folder, template.image.name, template.labels.name, classes),
        RECORD: record_text(record),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
