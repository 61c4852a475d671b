"""Train a project or a classifier file, unless it is trained on the very same already."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ecc_px.classifiers.bundle import SUFFIX, Bundle, read_bundle, write_bundle
from ecc_px.classifiers.sampling import LabelledImage, Samples
from ecc_px.classifiers.training import Training, TrainingSettings, sample_lanes, train, train_on
from ecc_px.errors import InvalidSetting
from ecc_px.features import FeatureSet
from ecc_px.ilastik import (
    Project,
    feature_set_of,
    open_lane,
    read_labels,
    read_project,
    read_training,
    selection_of,
    set_features,
    store_forest,
    training_state,
)
from ecc_px.labels import LabelClass
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.streaming import Progress


@contextmanager
def labelled_lanes(project: Project) -> Iterator[list[LabelledImage]]:
    """The lanes of a project that have labels, their images open.

    Raises
    ------
    InvalidSetting
        No lane has labels.
    UnreadableVolume, GridMismatch
        The image of a labelled lane is missing, or is another one.
    """
    with ExitStack() as opened:
        lanes = []
        for number, lane in enumerate(project.lanes):
            labels = read_labels(project, number)
            if labels.counts():
                image = opened.enter_context(open_lane(project, number))
                lanes.append(LabelledImage(f"{lane.name} ({lane.nickname})", image, labels))
        if not lanes:
            raise InvalidSetting(
                f"{project.path}: none of its {len(project.lanes)} lanes has labels: draw some in ilastik, or add an "
                "image with its labels by `ecc-px project add`."
            )
        yield lanes


def changed_since_training(project: Project, settings: TrainingSettings) -> tuple[str, ...]:
    """What is not as it was when the project's forest was trained; all of it where nobody knows."""
    now = training_state(project)
    trained = read_training(project)
    if trained is None:
        return (*asdict(now), "settings")
    changed = trained.state.differences(now)
    return changed if dict(trained.settings) == settings.as_record() else (*changed, "settings")


def train_project(
    path: str | Path,
    settings: TrainingSettings,
    *,
    features: FeatureSet | None = None,
    force: bool = False,
    leave_out: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Training | None:
    """Train an ilastik project on its labels and store the forest in it; None where nothing changed since.

    Parameters
    ----------
    path : path
        The .ilp; nothing in it changes before the forest is there.
    settings : TrainingSettings
    features : FeatureSet, optional
        Select these in the project; default: those that are.
    force : bool
        Train even where nothing changed.
    leave_out, jobs, progress
        As in `train`.

    Raises
    ------
    EccPxError
        See `labelled_lanes`, `train` and `store_forest`; the project is then as it was.
    """
    project = read_project(path)
    selection = project.features if features is None else selection_of(features)
    features = feature_set_of(selection)
    as_selected = features.names() == feature_set_of(project.features).names()
    if as_selected and not force and not changed_since_training(project, settings):
        return None
    with labelled_lanes(project) as lanes:
        training = train(lanes, features, project.classes, settings, leave_out=leave_out, jobs=jobs, progress=progress)
    if not as_selected:
        set_features(path, selection)
    store_forest(path, training.forest, training.feature_names, settings=settings.as_record())
    return training


def train_bundle(
    path: str | Path,
    lanes: Sequence[LabelledImage],
    features: FeatureSet,
    classes: Sequence[LabelClass],
    settings: TrainingSettings,
    *,
    force: bool = False,
    leave_out: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Training | None:
    """Train on labelled images and write a .pxc; None where it holds what comes of them already.

    A .pxc that was trained on something else is replaced; see `train_project` for the parameters.

    Raises
    ------
    InvalidSetting
        Another extension.
    UnreadableClassifier
        There is a file at `path` that is no .pxc.
    EccPxError
        See `train`.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise InvalidSetting(f"{path}: a classifier file has the extension {SUFFIX}; give it that.")
    earlier = read_bundle(path) if path.exists() else None
    started = time.perf_counter()
    samples = sample_lanes(lanes, features, classes, settings, jobs=jobs, progress=progress)
    gathered = time.perf_counter() - started
    fingerprint = _fingerprint(samples, features, classes, settings, leave_out=leave_out)
    if earlier is not None and earlier.fingerprint == fingerprint and not force:
        return None
    training = train_on(samples, features, classes, settings, leave_out=leave_out, jobs=jobs)
    bundle = Bundle(
        features=features,
        forest=training.forest,
        classes=tuple(classes),
        feature_names=training.feature_names,
        report=training.report.as_json(),
        fingerprint=fingerprint,
        voxel_um=common_voxel_size(lanes),
    )
    write_bundle(path, bundle, overwrite=True)
    return replace(training, seconds={"features": gathered, **training.seconds})


def common_voxel_size(lanes: Sequence[LabelledImage]) -> VoxelUm | None:
    """The voxel size of all images; None where one does not say, or another is different."""
    sizes = {lane.image.voxel_um for lane in lanes}
    return sizes.pop() if len(sizes) == 1 else None


def _fingerprint(
    samples: Samples,
    features: FeatureSet,
    classes: Sequence[LabelClass],
    settings: TrainingSettings,
    *,
    leave_out: bool,
) -> str:
    """Of everything that decides on a classifier file: of voxels and labels by content, wherever they lie."""
    said = [
        asdict(features),
        [asdict(label_class) for label_class in classes],
        settings.as_record(),
        leave_out,
        samples.lane_names,
        samples.drawn.tolist(),
    ]
    digest = hashlib.sha256(json.dumps(said).encode())
    for array in (samples.features, samples.labels, samples.lanes):
        digest.update(array.tobytes())
    return digest.hexdigest()
