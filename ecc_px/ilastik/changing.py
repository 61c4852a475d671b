"""What a project tells apart, and by which features: changed in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecc_px.errors import InvalidSetting
from ecc_px.features import FeatureSet
from ecc_px.ilastik.creation import check_classes
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.ilastik.forest_layout import drop_forests
from ecc_px.ilastik.project import FeatureSelection, Project, read_project
from ecc_px.ilastik.selection import feature_set_of, selection_of
from ecc_px.ilastik.storing import store_classes, store_selection
from ecc_px.labels import Colour, LabelClass, Role


def set_features(path: str | Path, features: FeatureSet | FeatureSelection) -> bool:
    """Select other features; the forest goes, since its columns are the old ones.

    Returns
    -------
    bool
        Whether anything changed: where the same features are selected already, the project is not touched.

    Raises
    ------
    InvalidSetting
        An .ilp can't express these features.
    UnreadableProject, OutputFailed
    """
    selection = features if isinstance(features, FeatureSelection) else selection_of(features)
    project = read_project(path)
    flat = project.is_flat
    if feature_set_of(selection).names(flat=flat) == feature_set_of(project.features).names(flat=flat):
        return False
    with edited_ilp(project.path) as file:
        store_selection(file["FeatureSelections"], selection)
        drop_forests(file["PixelClassification"])
    return True


def rename_class(path: str | Path, old: str | int, new: str, *, role: Role | None = None) -> None:
    """Give a class, by name or label, another name; and a role, if one is given. The forest stays.

    Raises
    ------
    InvalidSetting
        There is no such class, or the new name is another's.
    UnreadableProject, OutputFailed
    """
    project = read_project(path)
    changed = _class_of(project, old)
    renamed = replace(changed, name=new, role=role or changed.role)
    classes = [renamed if c is changed else c for c in project.classes]
    check_classes(classes)
    with edited_ilp(project.path) as file:
        store_classes(file, classes)


def add_class(path: str | Path, name: str, *, colour: Colour, role: Role | None = None) -> LabelClass:
    """Add a class after the others; the forest goes, since it does not know this one.

    Raises
    ------
    InvalidSetting
        The name is another class's, or there are too many classes.
    UnreadableProject, OutputFailed
    """
    project = read_project(path)
    added = LabelClass(len(project.classes) + 1, name, colour, role)
    classes = [*project.classes, added]
    check_classes(classes)
    with edited_ilp(project.path) as file:
        store_classes(file, classes)
        drop_forests(file["PixelClassification"])
    return added


def _class_of(project: Project, which: str | int) -> LabelClass:
    for c in project.classes:
        if which in (c.name, c.label, str(c.label)):
            return c
    known = ", ".join(f"{c.label} {c.name}" for c in project.classes)
    raise InvalidSetting(f"{project.path}: there is no class {which!r}, only {known}.")
