"""ilastik projects: the only room that knows how an .ilp looks inside."""

from ecc_px.ilastik.labels import LabelBlock, LaneLabels, read_labels
from ecc_px.ilastik.lanes import Lane
from ecc_px.ilastik.project import ExportSettings, FeatureSelection, LabelClass, Project, read_project

__all__ = [
    "ExportSettings",
    "FeatureSelection",
    "LabelBlock",
    "LabelClass",
    "Lane",
    "LaneLabels",
    "Project",
    "read_labels",
    "read_project",
]
