"""ilastik projects: the only room that knows how an .ilp looks inside."""

from ecc_px.ilastik.creation import create_project
from ecc_px.ilastik.labels import read_labels
from ecc_px.ilastik.lanes import Lane
from ecc_px.ilastik.project import ExportSettings, FeatureSelection, Project, read_project
from ecc_px.ilastik.selection import feature_set_of, selection_of
from ecc_px.ilastik.training import Training, TrainingState, read_training, store_forest, training_state

__all__ = [
    "ExportSettings",
    "FeatureSelection",
    "Lane",
    "Project",
    "Training",
    "TrainingState",
    "create_project",
    "feature_set_of",
    "read_labels",
    "read_project",
    "read_training",
    "selection_of",
    "store_forest",
    "training_state",
]
