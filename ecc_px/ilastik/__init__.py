"""ilastik projects: the only room that knows how an .ilp looks inside."""

from ecc_px.ilastik.changing import add_class, rename_class, set_features
from ecc_px.ilastik.creation import create_project
from ecc_px.ilastik.images import open_lane
from ecc_px.ilastik.label_writing import set_labels
from ecc_px.ilastik.labels import read_labels
from ecc_px.ilastik.lane_writing import Store, add_lane, remove_lane
from ecc_px.ilastik.lanes import Lane
from ecc_px.ilastik.project import ExportSettings, FeatureSelection, Project, read_project
from ecc_px.ilastik.relinking import Moved, Relinked, relink
from ecc_px.ilastik.selection import feature_set_of, selection_of
from ecc_px.ilastik.training import Training, TrainingState, read_training, store_forest, training_state

__all__ = [
    "ExportSettings",
    "FeatureSelection",
    "Lane",
    "Moved",
    "Project",
    "Relinked",
    "Store",
    "Training",
    "TrainingState",
    "add_class",
    "add_lane",
    "create_project",
    "feature_set_of",
    "open_lane",
    "read_labels",
    "read_project",
    "read_training",
    "relink",
    "remove_lane",
    "rename_class",
    "selection_of",
    "set_features",
    "set_labels",
    "store_forest",
    "training_state",
]
