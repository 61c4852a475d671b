"""A trained forest in its project, and what it was trained on: so that training again can tell whether it is needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from ecc_px.errors import ClassifierMismatch
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.ilastik.forest_layout import store_forests, vigra_trees
from ecc_px.ilastik.hdf5 import open_ilp
from ecc_px.ilastik.labels import read_labels
from ecc_px.ilastik.lanes import Lane, split_inner_path
from ecc_px.ilastik.project import OWN_GROUP, Project, read_project
from ecc_px.ilastik.selection import feature_set_of
from ecc_px.ilastik.storing import own_group, store_text
from ecc_px.labels import Annotation
from ecc_px.models.forest import Forest

_RECORD = "Training"

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class TrainingState:
    """All of a project that a forest depends on: a hash for each part.

    Names, colours and roles of classes are no part of it, nor is the folder that an image lies in.
    """

    features: str
    classes: str
    labels: str
    images: str
    """Of the files' names, sizes and times of change, not of their voxels."""

    def differences(self, other: TrainingState) -> tuple[str, ...]:
        """Names of the parts that are not the same."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))


@dataclass(frozen=True)
class Training:
    """What the forest in a project was trained on, and how."""

    state: TrainingState
    settings: Mapping[str, Setting] = field(default_factory=dict)


def training_state(project: Project) -> TrainingState:
    """The state of a project now.

    Raises
    ------
    UnreadableProject
        Its labels are damaged.
    """
    lanes = range(len(project.lanes))
    return TrainingState(
        features=_hash(feature_set_of(project.features).names(flat=project.is_flat)),
        classes=_hash(len(project.classes)),
        labels=_hash([_labels_hash(read_labels(project, lane)) for lane in lanes]),
        images=_hash([_image_identity(project, lane) for lane in project.lanes]),
    )


def store_forest(
    path: str | Path,
    forest: Forest,
    feature_names: Sequence[str],
    *,
    settings: Mapping[str, Setting] | None = None,
) -> None:
    """Make a forest that of a project, in the layout of vigra and ilastik, and remember what it was trained on.

    Parameters
    ----------
    path : path
        The project, with the features and the labels that the forest was trained on.
    forest : Forest
        Its trees are stored in as many sub-forests as its `part_sizes` says; ilastik works on them in parallel.
    feature_names : sequence of str
        Of the forest's columns, as `FeatureSet.names` gives them.
    settings : mapping, optional
        How it was trained (trees, seed, …): comes back from `read_training`.

    Raises
    ------
    ClassifierMismatch
        The project selects other features, or has fewer classes than the forest knows.
    UnreadableProject, OutputFailed
    """
    path = Path(path)
    project = read_project(path)
    _check_fits(forest, feature_names, project)
    record = {
        "forest": _forest_hash(forest),
        "state": asdict(training_state(project)),
        "settings": dict(settings or {}),
    }
    with edited_ilp(path) as file:
        store_forests(file["PixelClassification"], forest, feature_names)
        store_text(own_group(file), _RECORD, json.dumps(record))


def read_training(project: Project) -> Training | None:
    """What the project's forest was trained on; None where nobody said, as in a forest that ilastik trained."""
    if project.forest is None:
        return None
    with open_ilp(project.path) as root:
        if OWN_GROUP not in root or _RECORD not in root.group(OWN_GROUP):
            return None
        text = root.group(OWN_GROUP).text(_RECORD)
    try:
        record = json.loads(text)
        state, settings, of_forest = TrainingState(**record["state"]), dict(record["settings"]), record["forest"]
    except (ValueError, KeyError, TypeError):
        return None
    # ilastik may have trained another one since.
    return Training(state, settings) if of_forest == _forest_hash(project.forest) else None


def _check_fits(forest: Forest, feature_names: Sequence[str], project: Project) -> None:
    if forest.labels[-1] > len(project.classes):
        raise ClassifierMismatch(
            f"{project.path}: the forest knows label {forest.labels[-1]}, but the project has "
            f"{len(project.classes)} classes; add the class first."
        )
    features = feature_set_of(project.features)
    candidates = [
        features.names(forest.n_features // count, flat=flat)
        for flat in ((project.is_flat,) if project.lanes else (False, True))
        if (count := features.count(flat=flat)) and forest.n_features % count == 0
    ]
    if not any(_comparable(names) == _comparable(feature_names) for names in candidates):
        raise ClassifierMismatch(
            f"{project.path}: the forest was trained on other features than the project selects, or in another "
            "order; set the project's features first."
        )


def _comparable(names: Sequence[str]) -> list[str]:
    # Whether 2-D images have their features "in 2D" depends on the version of ilastik.
    return [name.replace(" in 2D", "") for name in names]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _forest_hash(forest: Forest) -> str:
    digest = hashlib.sha256(repr((forest.part_sizes, forest.labels.tolist())).encode())
    for topology, parameters in vigra_trees(forest):
        digest.update(topology.tobytes() + parameters.tobytes())
    return digest.hexdigest()


def _labels_hash(annotation: Annotation) -> str:
    """Of the labelled voxels, however they are cut into blocks."""
    places, values = [np.zeros((0, 4), np.int32)], [np.zeros(0, np.uint8)]
    for block in annotation.blocks:
        labelled = np.argwhere(block.labels)
        places.append((labelled + block.start).astype(np.int32))
        values.append(block.labels[tuple(labelled.T)])
    place, value = np.concatenate(places), np.concatenate(values)
    order = np.lexsort(place.T)
    return hashlib.sha256(place[order].tobytes() + value[order].tobytes()).hexdigest()


def _image_identity(project: Project, lane: Lane) -> list[object]:
    inner_path = split_inner_path(lane.path)[1]
    named: list[object] = [lane.axes, lane.shape, lane.path if lane.path_kind == "internal" else inner_path]
    for file in lane.files(project.path):
        try:
            status = file.stat()
            named.append([file.name, status.st_size, status.st_mtime_ns])
        except OSError:
            named.append([file.name, "missing"])
    return named
