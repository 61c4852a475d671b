"""A new ilastik project: features and classes, no image yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import h5py

from ecc_px.errors import InvalidSetting
from ecc_px.features import FeatureSet
from ecc_px.ilastik.editing import new_ilp
from ecc_px.ilastik.forest_layout import store_factory
from ecc_px.ilastik.labels import ERASER
from ecc_px.ilastik.project import PIXEL_CLASSIFICATION, FeatureSelection
from ecc_px.ilastik.selection import selection_of
from ecc_px.ilastik.storing import store_classes, store_selection, store_text, store_texts
from ecc_px.labels import LabelClass
from ecc_px.labels.classes import name_key

ILASTIK_VERSION = "1.4.2"
"""Whose layout we write."""

MOST_CLASSES = ERASER - 1
"""A label is a uint8, and ilastik's eraser draws 100."""

DEFAULT_TREES, DEFAULT_PARTS = 100, 8
"""With which ilastik would train, until somebody does it here."""


def create_project(
    path: str | Path, *, features: FeatureSet | FeatureSelection, classes: Sequence[LabelClass], overwrite: bool = False
) -> None:
    """Write a pixel classification project that ilastik 1.4 opens; `add_lane` gives it images.

    Parameters
    ----------
    path : path
        With the extension .ilp.
    features : FeatureSet or FeatureSelection
    classes : sequence of LabelClass
        Labels 1, 2, … in order, each with a name of its own. Their roles are kept where ilastik doesn't look.
    overwrite : bool
        Replace what is at `path`.

    Raises
    ------
    InvalidSetting
        Classes or features that no project can have, or another extension.
    OutputExists
    OutputFailed
    """
    selection = features if isinstance(features, FeatureSelection) else selection_of(features)
    check_classes(classes)
    with new_ilp(Path(path), overwrite=overwrite) as file:
        store_text(file, "ilastikVersion", ILASTIK_VERSION)
        store_text(file, "workflowName", PIXEL_CLASSIFICATION)
        store_text(file, "time", time.ctime())
        inputs = _applet(file, "Input Data", "0.2")
        store_texts(inputs, "Role Names", ["Raw Data", "Prediction Mask"])
        inputs.create_group("infos")
        inputs.create_group("local_data")
        store_selection(_applet(file, "FeatureSelections", "0.1"), selection)
        training = _applet(file, "PixelClassification", "0.1")
        training.create_group("LabelSets")
        training.create_group("Bookmarks")
        store_factory(training, trees=DEFAULT_TREES, parts=DEFAULT_PARTS)
        store_classes(file, classes)
        export = _applet(file, "Prediction Export", "0.1")
        store_text(export, "OutputFilenameFormat", "{dataset_dir}/{nickname}_{result_type}")
        store_text(export, "OutputFormat", "compressed hdf5")
        store_text(export, "OutputInternalPath", "exported_data")


def _applet(file: h5py.File, name: str, version: str) -> h5py.Group:
    # ilastik ignores a group without StorageVersion.
    group = file.create_group(name)
    group["StorageVersion"] = version
    return group


def check_classes(classes: Sequence[LabelClass]) -> None:
    """Refuse classes that no project can have.

    Raises
    ------
    InvalidSetting
        None at all, too many, labels that are not 1, 2, …, a name that is missing or there twice.
    """
    if not classes:
        raise InvalidSetting("A project needs at least one class: name what is to be told apart.")
    if len(classes) > MOST_CLASSES:
        raise InvalidSetting(f"{len(classes)} classes are too many: ilastik can have {MOST_CLASSES}.")
    labels = [c.label for c in classes]
    if labels != list(range(1, len(classes) + 1)):
        raise InvalidSetting(f"The classes have the labels {labels}; a project needs 1, 2, 3, … in order.")
    keys = [name_key(c.name) for c in classes]
    for key, c in zip(keys, classes, strict=True):
        if not key or "\0" in key:
            raise InvalidSetting(f"{c.name!r} is no name for a class: use letters that a person can read.")
        if keys.count(key) > 1:
            raise InvalidSetting(f"There are two classes named {c.name!r}: give each a name of its own.")
