"""Annotations: what a person said about voxels, and what the numbers mean."""

from ecc_px.labels.annotation import Annotation, LabelBlock
from ecc_px.labels.classes import Colour, LabelClass, Role

__all__ = ["Annotation", "Colour", "LabelBlock", "LabelClass", "Role"]
