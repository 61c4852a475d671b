"""ilastik projects: the only room that knows how an .ilp looks inside."""

from ecc_px.ilastik.labels import read_labels
from ecc_px.ilastik.lanes import Lane
from ecc_px.ilastik.project import ExportSettings, FeatureSelection, Project, read_project

__all__ = [
    "ExportSettings",
    "FeatureSelection",
    "Lane",
    "Project",
    "read_labels",
    "read_project",
]
