"""An ilastik pixel classification project, read whole into plain values; nothing in it is ever unpickled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, UnreadableProject, UnsupportedProject, UntrainedProject
from ecc_px.ilastik.forests import read_forest
from ecc_px.ilastik.hdf5 import Group, open_ilp
from ecc_px.ilastik.lanes import Lane, read_lanes
from ecc_px.labels import LabelClass, Role
from ecc_px.models.forest import Forest

PIXEL_CLASSIFICATION = "Pixel Classification"
SUPPORTED_WORKFLOWS = (PIXEL_CLASSIFICATION, "Object Classification (from pixel classification)")

OWN_GROUP = "ecc-px"
"""What ilastik does not know; it ignores a group without StorageVersion."""

# ilastik's own first label colours, for files that store none.
DEFAULT_COLOURS = (
    (255, 225, 25),
    (0, 130, 200),
    (230, 25, 75),
    (60, 180, 75),
    (145, 30, 180),
    (70, 240, 240),
)

EIGENVALUE_FEATURES = ("StructureTensorEigenvalues", "HessianOfGaussianEigenvalues")


@dataclass(frozen=True)
class FeatureSelection:
    """Which features at which scales, as a project stores it.

    Parameters
    ----------
    feature_ids : tuple of str
        Rows of `matrix`, in the project's own order, which is the order of the forest's columns.
    scales : tuple of float
        Columns of `matrix`: sigma in voxels.
    matrix : (features, scales) bool
    compute_in_2d : tuple of bool or None
        For each scale, whether z planes are filtered by themselves. None in projects from before ilastik
        1.3.2, where 3-D images are filtered in 3-D.
    """

    feature_ids: tuple[str, ...]
    scales: tuple[float, ...]
    matrix: npt.NDArray[np.bool_]
    compute_in_2d: tuple[bool, ...] | None

    def in_2d(self, *, flat: bool) -> tuple[bool, ...]:
        """For each scale, whether it is filtered in 2-D; a `flat` image (z extent 1) always is."""
        if flat:
            return (True,) * len(self.scales)
        return self.compute_in_2d or (False,) * len(self.scales)

    def channels(self, *, flat: bool) -> int:
        """Feature channels that one image channel gives: eigenvalues count two in 2-D and three in 3-D."""
        eigenvalues = np.where(self.in_2d(flat=flat), 2, 3)
        return sum(
            int(eigenvalues[row].sum()) if name in EIGENVALUE_FEATURES else int(row.sum())
            for name, row in zip(self.feature_ids, self.matrix, strict=True)
        )


@dataclass(frozen=True)
class ExportSettings:
    """What ilastik would apply to its own exports of this project; None or empty where not saved."""

    format: str | None = None
    dtype: str | None = None
    axes: str | None = None
    input_range: tuple[float, float] | None = None
    export_range: tuple[float, float] | None = None

    @property
    def changes_probabilities(self) -> bool:
        """Whether ilastik's own export would be anything but float32 probabilities in the image's axes."""
        return self.dtype not in (None, "float32") or self.axes is not None or self.export_range is not None


@dataclass(frozen=True)
class Project:
    """A pixel classification project.

    Parameters
    ----------
    path : Path
    ilastik_version : str
        The version that saved it last; empty where the file does not say.
    workflow : str
    features : FeatureSelection
    classes : tuple of LabelClass
        Labels 1, 2, … L in order; a prediction has L channels, whether or not the forest knows all labels.
    forest : Forest or None
    untrained : str or None
        Why there is no forest to apply; None when there is one.
    feature_names : tuple of str
        Names of the forest's columns as stored; empty in the oldest projects.
    lanes : tuple of Lane
    export : ExportSettings
    """

    path: Path
    ilastik_version: str
    workflow: str
    features: FeatureSelection
    classes: tuple[LabelClass, ...]
    forest: Forest | None
    untrained: str | None
    feature_names: tuple[str, ...]
    lanes: tuple[Lane, ...]
    export: ExportSettings

    def lane(self, index: int) -> Lane:
        """One of the lanes by its index, or `InvalidSetting`."""
        if not 0 <= index < len(self.lanes):
            raise self._no_lane(str(index + 1))
        return self.lanes[index]

    def lane_index(self, wanted: str) -> int:
        """Index of the lane that a person means: by its number, from 1, its name or nickname."""
        for index, lane in enumerate(self.lanes):
            if wanted in (str(index + 1), lane.name, lane.nickname):
                return index
        raise self._no_lane(wanted)

    def _no_lane(self, wanted: str) -> InvalidSetting:
        known = ", ".join(f"{number}: {lane.nickname}" for number, lane in enumerate(self.lanes, start=1))
        return InvalidSetting(f"{self.path}: there is no lane {wanted!r}, only {known or 'none'}.")

    def require_trained(self) -> Forest:
        """The forest, or `UntrainedProject` with what to do."""
        if self.forest is None:
            raise UntrainedProject(
                f"{self.path}: {self.untrained}; run `ecc-px train {self.path}`, or open it in ilastik, press Live "
                "Update in the Training step, and save the project."
            )
        return self.forest

    @property
    def is_flat(self) -> bool:
        """Whether it was trained on images of z extent 1, where all features are 2-D."""
        return _is_flat(self.lanes, self.features, self.forest)

    @property
    def image_channels(self) -> int | None:
        """Channels that an image must have; None without a forest."""
        if self.forest is None:
            return None
        return self.forest.n_features // self.features.channels(flat=self.is_flat)


def read_project(path: str | Path) -> Project:
    """Read an .ilp of ilastik 1.0 or later.

    Raises
    ------
    UnreadableProject
        No .ilp, or a damaged one.
    UnsupportedProject
        Another workflow, external features, or a classifier other than ilastik's parallel random forest.

    Notes
    -----
    A project without a forest is read, too; `Project.require_trained` refuses it.
    """
    path = Path(path)
    with open_ilp(path) as root:
        workflow = _read_workflow(root)
        lanes = read_lanes(root)
        features = _read_features(root)
        training = root.applet("PixelClassification")
        forest, untrained = _read_classifier(training)
        names = _read_feature_names(training)
        classes = _read_classes(training, forest, _read_roles(root))
        untrained = untrained or _stale(forest, features, classes, names, lanes)
        return Project(
            path=path,
            ilastik_version=root.text_or("ilastikVersion", ""),
            workflow=workflow,
            features=features,
            classes=classes,
            forest=None if untrained else forest,
            untrained=untrained,
            feature_names=names,
            lanes=lanes,
            export=_read_export(root),
        )


def _read_workflow(root: Group) -> str:
    if "workflowName" not in root and "ilastikVersion" not in root and "PixelClassification" not in root:
        if "DataSets" in root and "Project" in root:
            raise UnsupportedProject(
                f"{root.project}: saved by ilastik 0.5; open it in ilastik 1.4, train it and save it there."
            )
        raise UnreadableProject(f"{root.project}: an HDF5 file, but no ilastik project; pass an .ilp.")
    workflow = root.text_or("workflowName", PIXEL_CLASSIFICATION)
    if workflow in SUPPORTED_WORKFLOWS:
        return workflow
    if workflow.startswith("Autocontext"):
        raise UnsupportedProject(
            f"{root.project}: two-stage autocontext ({workflow}) can't be applied for now; "
            "train a project of the workflow Pixel Classification."
        )
    raise UnsupportedProject(
        f"{root.project}: a project of the workflow {workflow!r}; only {' and '.join(SUPPORTED_WORKFLOWS)} "
        "can be applied."
    )


def _read_features(root: Group) -> FeatureSelection:
    group = root.applet("FeatureSelections")
    if group is None or "FeatureIds" not in group or "Scales" not in group:
        return FeatureSelection((), (), np.zeros((0, 0), bool), None)
    if "FeatureListFilename" in group and any(group.texts("FeatureListFilename")):
        raise UnsupportedProject(
            f"{root.project}: its features come from an external file, which ilastik itself has given up; "
            "select features in ilastik and train again."
        )
    ids = group.texts("FeatureIds")
    scales = tuple(float(s) for s in group.numbers("Scales").ravel())
    if not all(0 < s < np.inf for s in scales):
        raise group.damaged(f"Scales {scales} are no scales")
    matrix = np.zeros((len(ids), len(scales)), bool)
    if "SelectionMatrix" in group:
        matrix = group.numbers("SelectionMatrix").astype(bool)
    if matrix.shape != (len(ids), len(scales)):
        raise group.damaged(f"a selection of {matrix.shape} for {len(ids)} features and {len(scales)} scales")
    in_2d = None
    if "ComputeIn2d" in group:
        in_2d = tuple(bool(flag) for flag in group.numbers("ComputeIn2d").ravel())
        if len(in_2d) != len(scales):
            raise group.damaged(f"ComputeIn2d has {len(in_2d)} values for {len(scales)} scales")
    return FeatureSelection(ids, scales, matrix, in_2d)


def _read_classifier(training: Group | None) -> tuple[Forest | None, str | None]:
    """The forest, or why there is none."""
    if training is None or "ClassifierForests" not in training:
        return None, "it holds no trained forest"
    group = training.group("ClassifierForests")
    # The text of a pickle of nothing but a class: ``cMODULE\nCLASS\n…``.
    pickled_type = re.match(r"c\S+\n(\w+)\n", group.text_or("pickled_type", ""))
    kind = pickled_type[1] if pickled_type else "ParallelVigraRfLazyflowClassifier"
    if kind != "ParallelVigraRfLazyflowClassifier" or "pickled_classifier" in group:
        raise UnsupportedProject(
            f"{group.project}: its classifier ({kind}) is not ilastik's parallel random forest, and a pickle "
            "is never loaded because it can run code; train it in ilastik with the default classifier."
        )
    if not any(name.startswith("Forest") for name in group.names()):
        return None, "it holds no trained forest"
    return read_forest(group), None


def _read_feature_names(training: Group | None) -> tuple[str, ...]:
    place = "ClassifierForests/feature_names"
    return training.texts(place) if training is not None and place in training else ()


def _read_roles(root: Group) -> dict[str, Role]:
    """Class name → role, which only projects that we wrote know: by name, since ilastik may have changed the list."""
    if OWN_GROUP not in root:
        return {}
    own = root.group(OWN_GROUP)
    if "ClassNames" not in own or "ClassRoles" not in own:
        return {}
    known = {str(role): role for role in get_args(Role)}
    pairs = zip(own.texts("ClassNames"), own.texts("ClassRoles"), strict=False)
    return {name: known[role] for name, role in pairs if role in known}


def _read_classes(training: Group | None, forest: Forest | None, roles: Mapping[str, Role]) -> tuple[LabelClass, ...]:
    if training is None:
        return ()
    if training.list_slot("LabelNames"):
        names = training.texts("LabelNames")
    else:
        n_labels = 0 if forest is None else int(forest.labels[-1])
        names = tuple(f"Label {label}" for label in range(1, n_labels + 1))
    colours = [DEFAULT_COLOURS[i % len(DEFAULT_COLOURS)] for i in range(len(names))]
    if training.list_slot("LabelColors"):
        stored: npt.NDArray[Any] = training.numbers("LabelColors")
        if stored.ndim == 2 and stored.shape[1] >= 3 and len(stored) >= len(names):
            rgb = np.clip(np.nan_to_num(stored[: len(names), :3]), 0, 255).astype(int).tolist()
            colours = [(r, g, b) for r, g, b in rgb]
    return tuple(
        LabelClass(label, name, colour, roles.get(name))
        for label, (name, colour) in enumerate(zip(names, colours, strict=True), start=1)
    )


def _stale(
    forest: Forest | None,
    features: FeatureSelection,
    classes: tuple[LabelClass, ...],
    names: tuple[str, ...],
    lanes: tuple[Lane, ...],
) -> str | None:
    """Why the stored forest does not belong to the rest of the project; ilastik would train a new one."""
    if forest is None:
        return None
    if forest.labels[-1] > len(classes):
        return f"its stored forest knows label {forest.labels[-1]}, but the project has {len(classes)} classes"
    per_channel = features.channels(flat=_is_flat(lanes, features, forest))
    if per_channel == 0 or forest.n_features % per_channel:
        return (
            f"its stored forest has {forest.n_features} feature columns, which its feature selection "
            f"({per_channel} per image channel) can't give"
        )
    if names and len(names) != forest.n_features:
        return f"its stored forest has {forest.n_features} feature columns, but {len(names)} feature names"
    return None


def _is_flat(lanes: tuple[Lane, ...], features: FeatureSelection, forest: Forest | None) -> bool:
    depths = {lane.extent("z") for lane in lanes} - {None}
    if depths:
        return depths == {1}
    # No lane says: then the count of the forest's columns may.
    in_3d = features.channels(flat=False)
    return forest is not None and in_3d > 0 and forest.n_features % in_3d != 0


def _read_export(root: Group) -> ExportSettings:
    group = root.applet("Prediction Export")
    if group is None:
        return ExportSettings()

    def value_range(low: str, high: str) -> tuple[float, float] | None:
        return (group.number(low), group.number(high)) if low in group and high in group else None

    return ExportSettings(
        format=group.text_or("OutputFormat", "") or None,
        dtype=group.text_or("ExportDtype", "") or None,
        axes=group.text_or("OutputAxisOrder", "") or None,
        input_range=value_range("InputMin", "InputMax"),
        export_range=value_range("ExportMin", "ExportMax"),
    )
