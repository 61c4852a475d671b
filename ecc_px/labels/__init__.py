"""Annotations: what a person said about voxels, and what the numbers mean."""

from ecc_px.labels.annotation import Annotation, LabelBlock
from ecc_px.labels.classes import Colour, LabelClass, Role, new_classes
from ecc_px.labels.reading import Interpretation, read_annotation
from ecc_px.labels.values import parse_mapping

__all__ = [
    "Annotation",
    "Colour",
    "Interpretation",
    "LabelBlock",
    "LabelClass",
    "Role",
    "new_classes",
    "parse_mapping",
    "read_annotation",
]
