"""A project that we wrote holds what ilastik needs, in the types that ilastik itself writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from ilp_specification import missing_items, structure

from ecc_px.errors import InvalidSetting, OutputExists, OutputFailed
from ecc_px.features import ECC, Feature, FeatureSet
from ecc_px.features.notation import parse_features
from ecc_px.ilastik import (
    add_class,
    add_lane,
    create_project,
    feature_set_of,
    read_labels,
    read_project,
    rename_class,
    selection_of,
    set_features,
    store_forest,
)
from ecc_px.labels import LabelClass, new_classes

REPO = Path(__file__).resolve().parents[2]
SYNTHETIC = REPO / "tests" / "data" / "synthetic"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
CLASSES = new_classes(["cell:object", "false:false_signal", "background:background"])


def rewritten(source: Path, target: Path, *, store="relative") -> Path:
    """The project of a folder, made anew by our own writers."""
    project = read_project(source / "project.ilp")
    shutil.copy(source / "train.h5", target.parent / "train.h5")
    create_project(target, features=project.features, classes=project.classes)
    add_lane(target, target.parent / "train.h5", read_labels(project, 0), store=store, nickname="train-volume")
    store_forest(target, project.require_trained(), project.feature_names)
    return target


@pytest.mark.parametrize("store", ["link", "relative", "copy"])
@pytest.mark.parametrize("folder", ["s1_3d_seedset", "s2_2d_2channel", "s3_3d_mixed_uint8"])
def test_nothing_that_ilastik_needs_is_missing(folder, store, tmp_path):
    path = rewritten(SYNTHETIC / folder, tmp_path / "PV.ilp", store=store)
    with h5py.File(path) as file:
        assert missing_items(file) == []


@pytest.mark.parametrize(
    "name", ["Input Data/Role Names", "FeatureSelections/StorageVersion", "Input Data/infos/lane0000/Raw Data/nickname"]
)
def test_the_check_for_what_ilastik_needs_finds_what_is_missing(name, tmp_path):
    path = rewritten(SYNTHETIC / "s1_3d_seedset", tmp_path / "PV.ilp")
    with h5py.File(path, "r+") as file:
        del file[name]
        assert [name.endswith(item.rpartition("/")[2]) for item in missing_items(file)] == [True]


def sources():
    folders = [SYNTHETIC / "s1_3d_seedset", SYNTHETIC / "s2_2d_2channel", SYNTHETIC / "s3_3d_mixed_uint8"]
    return [*folders, GOLDEN / "a_brain3d_uint16"] if GOLDEN.is_dir() else folders


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.name)
def test_every_item_has_the_type_that_real_ilastik_gives_it(source, tmp_path):
    path = rewritten(source, tmp_path / "PV.ilp")
    with h5py.File(path) as ours, h5py.File(source / "project.ilp") as theirs:
        written, real = structure(ours), structure(theirs)
    own = {name for name in written if name.startswith("ecc-px")}
    assert own
    assert {name: written[name] for name in written if name not in own} == real


def test_roles_come_back_by_the_name_of_the_class(tmp_path):
    path = tmp_path / "PV.ilp"
    create_project(path, features=ECC, classes=CLASSES)
    assert read_project(path).classes == CLASSES
    with h5py.File(path, "r+") as file:  # as if a person had renamed the first class and added one, in ilastik
        del file["PixelClassification/LabelNames"]
        file["PixelClassification"].create_dataset("LabelNames", data=[b"soma", b"false", b"background", b"new"])
    assert [c.role for c in read_project(path).classes] == [None, "false_signal", "background", None]


def test_roles_are_where_ilastik_does_not_look(tmp_path):
    path = tmp_path / "PV.ilp"
    create_project(path, features=ECC, classes=CLASSES)
    with h5py.File(path) as file:
        assert "StorageVersion" not in file["ecc-px"]


@pytest.mark.parametrize("text", ["ecc", "all", "gaussian@0.3,2.5,12;laplacian@0.7:2d,1;hessian@1"])
def test_features_come_back_as_they_were_selected(text, tmp_path):
    features = parse_features(text)
    selection = selection_of(features)
    assert feature_set_of(selection).names() == features.names()
    create_project(tmp_path / "PV.ilp", features=features, classes=CLASSES)
    assert feature_set_of(read_project(tmp_path / "PV.ilp").features).names() == features.names()


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (FeatureSet(()), "No feature"),
        (FeatureSet((Feature("HessianOfGaussianEigenvalues", 0.3),)), r"Hessian.*at scale 0\.3"),
        (
            FeatureSet((Feature("HessianOfGaussianEigenvalues", 1.0), Feature("GaussianSmoothing", 1.0))),
            "in this order",
        ),
        (FeatureSet((Feature("GaussianSmoothing", 1.6), Feature("GaussianSmoothing", 1.0))), "in this order"),
        (
            FeatureSet((Feature("GaussianSmoothing", 1.0, True), Feature("LaplacianOfGaussian", 1.0, False))),
            "both in 2-D and in 3-D",
        ),
        (FeatureSet(ECC.features, "vigra"), "vigra"),
    ],
)
def test_features_that_no_project_can_hold_are_refused(features, says, tmp_path):
    with pytest.raises(InvalidSetting, match=says):
        create_project(tmp_path / "PV.ilp", features=features, classes=CLASSES)
    assert list(tmp_path.iterdir()) == []


def many(count):
    return [LabelClass(label, f"class {label}", (0, 0, 0)) for label in range(1, count + 1)]


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ([], "at least one"),
        (many(100), "100 classes are too many"),
        (many(300), "300 classes are too many"),
        (many(3)[1:], r"labels \[2, 3\]"),
        ([*many(1), LabelClass(2, "Class  1", (0, 0, 0))], "two classes named"),
        ([LabelClass(1, " ", (0, 0, 0))], "no name"),
    ],
)
def test_classes_that_no_project_can_have_are_refused(classes, says, tmp_path):
    with pytest.raises(InvalidSetting, match=says):
        create_project(tmp_path / "PV.ilp", features=ECC, classes=classes)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "PV.ilp"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExists, match="--overwrite"):
        create_project(path, features=ECC, classes=CLASSES)
    assert path.read_bytes() == b"precious"
    create_project(path, features=ECC, classes=CLASSES, overwrite=True)
    assert read_project(path).classes == CLASSES
    assert [p.name for p in tmp_path.iterdir()] == ["PV.ilp"]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("PV.h5", InvalidSetting, "extension"),
        ("folder.ilp", InvalidSetting, "folder"),
        ("no/PV.ilp", OutputFailed, "no/"),
    ],
)
def test_a_place_where_no_project_can_be_is_refused(name, error, says, tmp_path):
    (tmp_path / "folder.ilp").mkdir()
    with pytest.raises(error, match=says):
        create_project(tmp_path / name, features=ECC, classes=CLASSES)
    assert [p.name for p in tmp_path.rglob("*")] == ["folder.ilp"]


def test_first_image_decides_whether_features_are_2d(tmp_path):
    path = rewritten(SYNTHETIC / "s2_2d_2channel", tmp_path / "flat.ilp")
    assert set(read_project(path).features.compute_in_2d) == {True}


def trained(tmp_path):
    return Path(shutil.copy(SYNTHETIC / "s1_3d_seedset" / "project.ilp", tmp_path / "PV.ilp"))


def test_renaming_a_class_keeps_the_forest(tmp_path):
    path = trained(tmp_path)
    before = read_project(path)
    rename_class(path, before.classes[0].name, "neuron", role="object")
    rename_class(path, 2, "blood")
    after = read_project(path)
    assert [(c.name, c.role) for c in after.classes[:2]] == [("neuron", "object"), ("blood", None)]
    assert [c.colour for c in after.classes] == [c.colour for c in before.classes]
    assert np.array_equal(after.require_trained().threshold, before.require_trained().threshold)
    rename_class(path, "neuron", "cell")
    assert read_project(path).classes[0].role == "object"


def test_forest_goes_when_features_or_classes_change(tmp_path):
    path = trained(tmp_path)
    assert not set_features(path, read_project(path).features)
    assert read_project(path).forest is not None
    assert set_features(path, parse_features("all"))
    assert read_project(path).forest is None
    shutil.copy(SYNTHETIC / "s1_3d_seedset" / "project.ilp", path)
    added = add_class(path, "vessel", colour=(1, 2, 3), role="background")
    project = read_project(path)
    assert project.forest is None
    assert project.classes[-1] == added == LabelClass(4, "vessel", (1, 2, 3), "background")


def test_unknown_class_or_name_of_another_is_refused(tmp_path):
    path = trained(tmp_path)
    before, names = path.read_bytes(), [c.name for c in read_project(path).classes]
    with pytest.raises(InvalidSetting, match=f"no class 'neuron', only 1 {names[0]}"):
        rename_class(path, "neuron", "x")
    with pytest.raises(InvalidSetting, match="two classes"):
        rename_class(path, names[0], names[1])
    with pytest.raises(InvalidSetting, match="two classes"):
        add_class(path, names[0], colour=(0, 0, 0))
    assert path.read_bytes() == before
