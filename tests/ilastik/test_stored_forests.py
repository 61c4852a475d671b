"""A forest that we stored votes as before, here and in real vigra; and a project knows what it was trained on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import peer
import pytest
from ilp_specification import missing_items, missing_of_forests

from ecc_px.errors import ClassifierMismatch
from ecc_px.features import ECC
from ecc_px.ilastik import (
    add_lane,
    create_project,
    read_labels,
    read_project,
    read_training,
    relink,
    rename_class,
    set_labels,
    store_forest,
    training_state,
)
from ecc_px.ilastik.forest_layout import vigra_trees
from ecc_px.labels import Annotation, LabelBlock, new_classes
from ecc_px.models.forest import Forest

REPO = Path(__file__).resolve().parents[2]
SYNTHETIC = REPO / "tests" / "data" / "synthetic"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
PROJECTS = [
    *sorted(SYNTHETIC.glob("*/project.ilp")),
    *(path for path in sorted(GOLDEN.glob("*/project.ilp")) if "autocontext" not in str(path)),
]


def small_forest():
    """Two trees over 16 features and 3 classes: one of a split and mixed leaves, one of a single leaf."""
    return Forest(
        feature=np.array([3, -1, -1, -1], np.int32),
        threshold=np.array([10.5, 0, 0, 0]),
        left=np.array([2, -1, -1, -1], np.int32),
        right=np.array([1, -1, -1, -1], np.int32),
        fractions=np.array([[0, 0, 0], [0.25, 0.5, 0.25], [1, 0, 0], [0, 0.125, 0.875]]),
        roots=np.array([0, 3], np.int32),
        part_sizes=(1, 1),
        labels=np.array([1, 2, 3], np.int32),
        n_features=16,
    )


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "PV.ilp"
    create_project(path, features=ECC, classes=new_classes(["cell", "false", "background"]))
    return path


def random_rows(forest, count=4000):
    """Feature values at and around the thresholds: (F, 1, 1, count)."""
    values = forest.threshold[forest.feature >= 0]
    return np.random.default_rng(5).choice(values, (forest.n_features, 1, 1, count)).astype(np.float32)


@pytest.mark.parametrize("source", PROJECTS, ids=lambda path: path.parent.name)
def test_forest_of_ilastik_votes_the_same_after_we_stored_it(source, tmp_path):
    path = Path(shutil.copy(source, tmp_path / "PV.ilp"))
    before = read_project(path)
    forest = before.require_trained()
    store_forest(path, forest, before.feature_names)
    after = read_project(path)
    again = after.require_trained()
    rows = random_rows(forest)
    assert np.array_equal(again.probabilities(rows), forest.probabilities(rows))
    assert (again.part_sizes, again.labels.tolist()) == (forest.part_sizes, forest.labels.tolist())
    assert after.feature_names == before.feature_names
    with h5py.File(path) as file:
        assert missing_of_forests(file["PixelClassification"]) == []


@pytest.mark.skipif(not peer.has_vigra(), reason="the system's Python has no vigra")
@pytest.mark.parametrize("source", PROJECTS, ids=lambda path: path.parent.name)
def test_real_vigra_votes_as_we_do_with_a_forest_that_we_stored(source, tmp_path):
    path = Path(shutil.copy(source, tmp_path / "PV.ilp"))
    project = read_project(path)
    forest = project.require_trained()
    store_forest(path, forest, project.feature_names)
    rows = random_rows(forest)
    votes = peer.vigra_votes(np.ascontiguousarray(rows.reshape(len(rows), -1).T), path).result.T
    ours = forest.probabilities(rows).reshape(votes.shape)
    # vigra adds the parts up in another order: one unit in the last place of float32.
    assert np.abs(votes / forest.n_trees - ours).max() <= 1.2e-7


@pytest.mark.skipif(not peer.has_vigra(), reason="the system's Python has no vigra")
def test_real_vigra_reads_mixed_leaves_and_trees_of_a_single_leaf(project):
    forest = small_forest()
    store_forest(project, forest, ECC.names())
    rows = np.zeros((16, 1, 1, 3), np.float32)
    rows[3, 0, 0] = [10.0, 10.5, 11.0]  # equality goes right
    votes = peer.vigra_votes(np.ascontiguousarray(rows.reshape(16, -1).T), project).result
    assert votes.tolist() == [[1, 0.125, 0.875], [0.25, 0.625, 1.125], [0.25, 0.625, 1.125]]
    assert np.array_equal(forest.probabilities(rows).reshape(3, 3).T * 2, votes)


def test_small_forest_comes_back_as_it_was(project):
    forest = small_forest()
    store_forest(project, forest, ECC.names())
    again = read_project(project).require_trained()
    for name in ("feature", "threshold", "left", "right", "fractions", "roots", "labels"):
        assert np.array_equal(getattr(again, name), getattr(forest, name)), name
    assert again.part_sizes == (1, 1)


def test_nodes_may_be_numbered_in_any_order_and_some_left_over():
    forest = small_forest()
    shuffled = replace(
        forest,
        feature=np.array([-1, -1, 7, 3, -1, -1], np.int32),
        threshold=np.array([0, 0, 9.0, 10.5, 0, 0]),
        left=np.array([-1, -1, 2, 1, -1, -1], np.int32),
        right=np.array([-1, -1, 2, 4, -1, -1], np.int32),
        fractions=np.array([[0, 0.125, 0.875], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0.25, 0.5, 0.25], [9, 9, 9]]),
        roots=np.array([3, 0], np.int32),
    )
    (topology, parameters), (leaf, fractions) = vigra_trees(shuffled)
    assert topology.tolist() == [16, 3, 0, 0, 7, 9, 3, 0x40000000, 2, 0x40000000, 6]
    assert parameters.tolist() == [1, 10.5, 1, 1, 0, 0, 1, 0.25, 0.5, 0.25]
    assert (leaf.tolist(), fractions.tolist()) == ([16, 3, 0x40000000, 0], [1, 0, 0.125, 0.875])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"names": ECC.names()[::-1]}, "another order"),
        ({"names": ECC.names()[:-1]}, "other features"),
        ({"forest": {"n_features": 15}}, "other features"),
        ({"forest": {"labels": np.array([1, 2, 4], np.int32)}}, "label 4, but the project has 3 classes"),
    ],
)
def test_forest_of_other_features_or_classes_is_refused(project, change, says):
    before = project.read_bytes()
    with pytest.raises(ClassifierMismatch, match=says):
        store_forest(project, replace(small_forest(), **change.get("forest", {})), change.get("names", ECC.names()))
    assert project.read_bytes() == before


def test_training_again_replaces_the_forest_and_its_parts(project):
    store_forest(project, small_forest(), ECC.names())
    single = replace(small_forest(), part_sizes=(2,))
    store_forest(project, single, ECC.names())
    assert read_project(project).require_trained().part_sizes == (2,)
    with h5py.File(project) as file:
        assert missing_items(file) == []


def test_the_same_forest_makes_the_same_bytes(project, tmp_path):
    copy = Path(shutil.copy(project, tmp_path / "copy.ilp"))
    for path in (project, copy):
        store_forest(path, small_forest(), ECC.names(), settings={"seed": 0})
    assert project.read_bytes() == copy.read_bytes()


@pytest.fixture
def trained(project, tmp_path):
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["volume"] = np.arange(30 * 20 * 10, dtype=np.uint16).reshape(30, 20, 10)
    add_lane(project, tmp_path / "brain.h5", drawn((1, 2, 3, 0)), store="relative")
    store_forest(project, small_forest(), ECC.names(), settings={"trees": 2, "seed": 0})
    return project


def drawn(values):
    labels = np.zeros((1, 30, 20, 10), np.uint8)
    labels[0, 5, 4, : len(values)] = values
    return Annotation((LabelBlock((0, 0, 0, 0), labels),), labels.shape)


def changed_since_training(path):
    project = read_project(path)
    return read_training(project).state.differences(training_state(project))


def test_project_knows_what_its_forest_was_trained_on(trained):
    assert changed_since_training(trained) == ()
    assert read_training(read_project(trained)).settings == {"trees": 2, "seed": 0}


def test_labels_drawn_after_training_are_noticed_and_the_forest_stays(trained):
    set_labels(trained, 0, drawn((1, 2, 3, 3)))
    assert changed_since_training(trained) == ("labels",)
    assert read_project(trained).forest is not None


def test_the_same_labels_in_other_blocks_are_no_change(trained):
    annotation = read_labels(read_project(trained), 0)
    whole = Annotation((LabelBlock((0, 0, 0, 0), annotation.dense()),), annotation.shape)
    set_labels(trained, 0, whole)
    assert changed_since_training(trained) == ()


def test_a_renamed_class_or_a_moved_image_is_no_change(trained, tmp_path):
    rename_class(trained, "cell", "neuron", role="object")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "brain.h5").rename(tmp_path / "elsewhere" / "brain.h5")
    relink(trained, folder=tmp_path)
    assert changed_since_training(trained) == ()


def test_an_image_written_anew_is_a_change(trained, tmp_path):
    with h5py.File(tmp_path / "brain.h5", "r+") as file:
        file["volume"][0] = 7
    assert changed_since_training(trained) == ("images",)


def test_another_image_is_a_change(trained, tmp_path):
    add_lane(trained, tmp_path / "brain.h5", drawn((1,)))
    assert changed_since_training(trained) == ("labels", "images")


def test_nothing_is_known_of_a_forest_that_ilastik_trained_since(trained):
    with h5py.File(trained, "r+") as file:
        tree = file["PixelClassification/ClassifierForests/Forest0000/Tree_0"]
        tree["parameters"][1] = 10.25
    assert read_project(trained).forest is not None
    assert read_training(read_project(trained)) is None


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"state": {"features": "x"}, "settings": {}, "forest": ""}'])
def test_a_record_that_we_do_not_understand_is_none(trained, text):
    with h5py.File(trained, "r+") as file:
        del file["ecc-px/Training"]
        file["ecc-px/Training"] = text
    assert read_training(read_project(trained)) is None
