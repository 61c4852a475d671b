"""Training again agrees with real ilastik as well as real vigra's own retraining does; and is done only when needed."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import parity
import pytest

from ecc_px import load_classifier
from ecc_px.classifiers.retraining import train_bundle, train_project
from ecc_px.classifiers.sampling import LabelledImage
from ecc_px.classifiers.training import TrainingSettings, parse_class_weights, train
from ecc_px.errors import (
    EccPxError,
    GridMismatch,
    InvalidSetting,
    UnreadableClassifier,
    UnreadableProject,
    UnreadableVolume,
)
from ecc_px.features import parse_features
from ecc_px.ilastik import add_class, read_labels, read_project, set_labels
from ecc_px.labels import Annotation, LabelBlock, LabelClass
from ecc_px.volumes import open_volume

QUICK = TrainingSettings(trees=10)

FLOORS = {
    "s1_3d_seedset": (0.0176, 0.0196),
    "s2_2d_2channel": (0.0615, 0.1148),
    "s3_3d_mixed_uint8": (0.0385, 0.0305),
    "a_brain3d_uint16": (0.0091, 0.0037),
    "b_2d3c_gap_mask": (0.0330, 0.0448),
    "c_3d_uint8_mixed2d_internal": (0.0327, 0.0128),
    "d_mitocheck_v120rc10": (0.0339, 0.0042),
    "e_pc_v140b11": (0.0049, 0.0027),
}
"""Mean |Δp| and share of other classes of real vigra, trained on the same labels with three other seeds, against real
ilastik's export: the noise of training itself. scripts/retraining.py measures it."""

UNSEEN = {case.folder.name: case for case in parity.cases() if case.volume == "unseen"}


@pytest.fixture
def project(tmp_path: Path):
    """A copy of a case's folder; the path of its project."""

    def make(name: str = "s2_2d_2channel") -> Path:
        shutil.copytree(UNSEEN[name].folder, tmp_path / name)
        return tmp_path / name / "project.ilp"

    return make


@pytest.mark.parametrize("name", UNSEEN)
def test_retrained_projects_predict_unseen_volumes_as_ilastik_did(project, name):
    case = UNSEEN[name]
    path = project(name)
    trees = load_classifier(path).forest.n_trees
    train_project(path, TrainingSettings(trees=trees, allow_unlabelled=True), leave_out=False)
    ours, theirs = parity.predict(replace(case, folder=path.parent)), parity.exported_by_ilastik(case)
    apart, other_class = FLOORS[name]
    assert np.abs(ours - theirs).mean() <= 1.15 * apart
    assert (ours.argmax(axis=1) != theirs.argmax(axis=1)).mean() <= 1.15 * other_class


@pytest.mark.parametrize("name", sorted({"a_brain3d_uint16", "e_pc_v140b11"} & set(UNSEEN)))
def test_well_labelled_projects_agree_to_99_percent(project, name):
    path = project(name)
    train_project(path, TrainingSettings(seed=1), leave_out=False)
    ours = parity.predict(replace(UNSEEN[name], folder=path.parent))
    theirs = parity.exported_by_ilastik(UNSEEN[name])
    assert np.abs(ours - theirs).mean() <= 0.015
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.99


def test_same_seed_gives_the_same_file_on_any_number_of_threads(project, tmp_path):
    path = project("s1_3d_seedset")
    shutil.copy(path, path.with_name("again.ilp"))
    for name, jobs in (("project.ilp", 1), ("again.ilp", 3)):
        train_project(path.with_name(name), QUICK, jobs=jobs)
    assert path.read_bytes() == path.with_name("again.ilp").read_bytes()


def test_training_again_is_done_only_when_something_changed(project):
    path = project()
    assert train_project(path, QUICK) is not None
    stored = path.read_bytes()
    assert train_project(path, QUICK) is None
    assert train_project(path, QUICK, features=parse_features_of(path)) is None
    assert path.read_bytes() == stored
    assert train_project(path, QUICK, force=True) is not None
    assert train_project(path, replace(QUICK, seed=1)) is not None
    assert train_project(path, replace(QUICK, seed=1)) is None
    drawn = read_labels(read_project(path), 0)
    drawn.blocks[0].labels[tuple(np.argwhere(drawn.blocks[0].labels)[0])] = 0  # one voxel less
    set_labels(path, 0, drawn)
    assert train_project(path, replace(QUICK, seed=1)) is not None


def parse_features_of(path: Path):
    return load_classifier(path).features


def test_other_features_become_those_of_the_project(project):
    path = project()
    training = train_project(path, QUICK, features=parse_features("gaussian@1;hessian@1.6"))
    assert len(training.feature_names) == 2 * (1 + 2)
    assert load_classifier(path).features.names(2, flat=True) == list(training.feature_names)


def refused_unchanged(path: Path, error: type[EccPxError], **options) -> str:
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        train_project(path, options.pop("settings", QUICK), **options)
    assert path.read_bytes() == before
    assert sorted(child.name for child in path.parent.iterdir() if child.name.startswith(".")) == []
    return str(caught.value)


def test_missing_image_is_refused_by_name(project):
    path = project()
    (path.parent / "train.h5").unlink()
    assert "lane0000 (train-volume)" in refused_unchanged(path, UnreadableVolume)


def test_image_of_another_shape_is_refused(project):
    path = project()
    shutil.copy(path.with_name("unseen.h5"), path.with_name("train.h5"))
    assert "another image" in refused_unchanged(path, GridMismatch)


def test_class_that_nobody_labelled_is_refused_by_name_or_accepted(project):
    path = project()
    add_class(path, "vessel", colour=(0, 255, 0))
    assert "labelled as 4 (vessel)" in refused_unchanged(path, InvalidSetting)
    train_project(path, replace(QUICK, allow_unlabelled=True))
    assert load_classifier(path).classes[3].name == "vessel"


def test_project_without_labels_is_refused(project):
    path = project()
    with h5py.File(path, "r+") as file:
        del file["PixelClassification/LabelSets"]
    assert "none of its 1 lanes has labels" in refused_unchanged(path, InvalidSetting)


def test_damaged_image_is_refused_by_name(project):
    path = project()
    image = path.with_name("train.h5")
    image.write_bytes(image.read_bytes()[:3000])
    assert "train.h5" in refused_unchanged(path, UnreadableVolume)


def test_labels_outside_of_the_image_are_refused_by_name(project):
    path = project()
    with h5py.File(path, "r+") as file:
        block = file["PixelClassification/LabelSets/labels000/block0000"]
        axes = block.attrs["blockSlice"]
        axes = axes.decode() if isinstance(axes, bytes) else axes
        extent = [int(b) - int(a) for a, b in (part.split(":") for part in axes.strip("[]").split(","))]
        block.attrs["blockSlice"] = f"[900:{900 + extent[0]},0:{extent[1]},0:1]"
    assert "lane0000" in refused_unchanged(path, EccPxError)


def test_damaged_project_is_refused(project):
    path = project()
    path.write_bytes(path.read_bytes()[:4000])
    assert "project.ilp" in refused_unchanged(path, UnreadableProject)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (replace(QUICK, trees=0), "0 trees"),
        (replace(QUICK, seed=-3), "seed -3"),
        (replace(QUICK, label_proportion=2.0), "--label-proportion 2"),
        (replace(QUICK, max_per_class=0), "--max-per-class 0"),
        (replace(QUICK, class_weight={9: 2.0}), "no class 9"),
    ],
)
def test_settings_that_make_no_sense_change_nothing(project, settings, reason):
    assert reason in refused_unchanged(project(), InvalidSetting, settings=settings)


# Classifier files.

CLASSES = (LabelClass(1, "cell", (255, 0, 0), "object"), LabelClass(2, "rest", (0, 0, 255)))


@pytest.fixture
def lanes():
    """Two images with a few labels, from the synthetic cases."""
    folder = UNSEEN["s1_3d_seedset"].folder
    drawn = read_labels(read_project(folder / "project.ilp"), 0)
    merged = tuple(LabelBlock(b.start, np.minimum(b.labels, 2)) for b in drawn.blocks)
    parts = (merged[::2], merged[1::2])
    return [
        LabelledImage(f"lane{k}", open_volume(folder / "train.h5"), Annotation(part, drawn.shape))
        for k, part in enumerate(parts)
    ]


def test_classifier_file_predicts_as_its_training_says(lanes, tmp_path):
    path = tmp_path / "PV.pxc"
    training = train_bundle(path, lanes, parse_features("ecc"), CLASSES, QUICK)
    assert set(training.seconds) == {"features", "forest", "lanes left out"}
    classifier = load_classifier(path)
    assert classifier.classes == CLASSES
    image = lanes[0].image.read()
    votes = classifier.probabilities(classifier.features.compute(image))
    assert (votes == training.forest.probabilities(classifier.features.compute(image))).all()
    drawn = np.concatenate([lane.labels.dense()[0].ravel() for lane in lanes])
    given = 1 + np.tile(votes.argmax(axis=0).ravel(), 2)
    assert (given == drawn)[drawn > 0].mean() > 0.98


def test_classifier_file_is_trained_again_only_when_something_changed(lanes, tmp_path):
    path = tmp_path / "PV.pxc"
    features = parse_features("gaussian@0.7;hessian@1")
    assert train_bundle(path, lanes, features, CLASSES, QUICK, jobs=1) is not None
    stored = path.read_bytes()
    assert train_bundle(path, lanes, features, CLASSES, QUICK) is None
    assert train_bundle(path, lanes, features, CLASSES, QUICK, force=True, jobs=3) is not None
    assert path.read_bytes() == stored
    assert train_bundle(path, lanes[:1], features, CLASSES, QUICK) is not None
    assert train_bundle(path, lanes[:1], parse_features("ecc"), CLASSES, QUICK) is not None
    assert path.read_bytes() != stored


def test_a_file_that_is_no_classifier_is_never_replaced(lanes, tmp_path):
    path = tmp_path / "PV.pxc"
    path.write_text("my notes")
    with pytest.raises(UnreadableClassifier):
        train_bundle(path, lanes, parse_features("ecc"), CLASSES, QUICK, force=True)
    with pytest.raises(InvalidSetting, match="extension"):
        train_bundle(tmp_path / "PV.txt", lanes, parse_features("ecc"), CLASSES, QUICK)
    assert path.read_text() == "my notes"


# The report.


def test_report_counts_what_was_labelled_and_used(lanes):
    training = train(lanes, parse_features("ecc"), CLASSES, replace(QUICK, max_per_class=50))
    report = training.report
    assert [sum(row) for row in report.labelled] == [sum(lane.labels.counts().values()) for lane in lanes]
    assert report.used == (50, 50)
    assert report.classes == ("cell", "rest")
    assert sum(map(sum, report.confusion)) <= 100
    wrong = report.confusion[0][1] + report.confusion[1][0]
    assert report.out_of_bag_error == pytest.approx(wrong / sum(map(sum, report.confusion)))
    assert sum(report.importance) == pytest.approx(1)
    assert len(report.importance) == len(report.features) == 16
    assert set(training.seconds) == {"features", "forest", "lanes left out"}


def test_a_lane_left_out_is_judged_by_the_others_alone(lanes):
    wrong = Annotation(
        tuple(
            LabelBlock(b.start, np.where(b.labels, 3 - b.labels, 0).astype(np.uint8)) for b in lanes[1].labels.blocks
        ),
        lanes[1].labels.shape,
    )
    honest = train(lanes, parse_features("ecc"), CLASSES, QUICK).report
    crossed = train([lanes[0], replace(lanes[1], labels=wrong)], parse_features("ecc"), CLASSES, QUICK).report
    assert all(lane.accuracy > 0.8 for lane in honest.lanes_left_out)
    assert all(lane.accuracy < 0.2 for lane in crossed.lanes_left_out)
    assert honest.left_out_accuracy > 0.8 > 0.2 > crossed.left_out_accuracy
    assert train(lanes[:1], parse_features("ecc"), CLASSES, QUICK).report.lanes_left_out == ()
    assert train(lanes, parse_features("ecc"), CLASSES, QUICK, leave_out=False).report.lanes_left_out == ()


def test_a_lane_that_alone_has_a_class_can_not_be_judged(lanes):
    only = [
        replace(
            lane,
            labels=Annotation(
                tuple(LabelBlock(b.start, np.where(b.labels == k + 1, b.labels, 0)) for b in lane.labels.blocks),
                lane.labels.shape,
            ),
        )
        for k, lane in enumerate(lanes)
    ]
    report = train(only, parse_features("ecc"), CLASSES, QUICK).report
    assert [lane.accuracy for lane in report.lanes_left_out] == [None, None]
    assert report.left_out_accuracy is None


def test_weights_are_named_by_class_or_label():
    assert parse_class_weights("cell=3, 2=0.5", CLASSES) == {1: 3.0, 2: 0.5}
    for text, reason in (
        ("cell", "no CLASS=WEIGHT"),
        ("cell=", "no CLASS=WEIGHT"),
        ("cell=0", "no CLASS=WEIGHT"),
        ("cell=nan", "no CLASS=WEIGHT"),
        ("cat=1", "no class 'cat'"),
        ("cell=1,1=2", "twice"),
    ):
        with pytest.raises(InvalidSetting, match=reason):
            parse_class_weights(text, CLASSES)
