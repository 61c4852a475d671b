"""The record in a folder that was made for annotation: from which image, and what its labels mean.

The header of a crop fits into many brains; the record knows its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ecc_px.errors import GridMismatch, InvalidLabels
from ecc_px.labels.classes import LabelClass, class_attributes, classes_in_attributes
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.blocks import Shape

RECORD = "template.json"


@dataclass(frozen=True)
class Record:
    """What a template was made from.

    Parameters
    ----------
    image : str
        Its path then.
    image_shape, voxel_um : (z, y, x)
    crop : str
        As `parse_crop` reads it.
    classes : tuple of LabelClass
    """

    image: str
    image_shape: Shape
    voxel_um: VoxelUm
    crop: str
    classes: tuple[LabelClass, ...]

    def refuse_other(self, labels: Path, image: Volume) -> None:
        """Refuse an image of another shape than the one that the folder was cut from.

        Raises
        ------
        GridMismatch
        """
        if self.image_shape != image.shape:
            raise GridMismatch(
                f"{labels}: it lies in a folder for the annotation of {self.image} with the shape (z, y, x) "
                f"{self.image_shape}; the image {image.path} has {image.shape}. Pass the image that it was cut from."
            )


def record_text(record: Record) -> str:
    """The record as JSON."""
    content = {
        "image": record.image,
        "image_shape_zyx": record.image_shape,
        "voxel_um_zyx": record.voxel_um,
        "crop_zyx": record.crop,
        **class_attributes(record.classes),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> Record | None:
    """The record of a folder, None where it has none.

    Raises
    ------
    InvalidLabels
        It is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        z, y, x = content["image_shape_zyx"]
        voxel_z, voxel_y, voxel_x = content["voxel_um_zyx"]
        classes = classes_in_attributes(content)
        return Record(content["image"], (z, y, x), (voxel_z, voxel_y, voxel_x), content["crop_zyx"], classes)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InvalidLabels(
            f"{path}: it should say which image the folder was cut from, but is damaged ({error!r}). "
            "Restore it, or delete it if you are sure of the image."
        ) from error
