"""Labels of an ilastik project, read for another one by name, lane and image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecc_px.classifiers.annotations import read_labels_of, read_lanes_of
from ecc_px.errors import GridMismatch, InvalidLabels, InvalidSetting
from ecc_px.ilastik import read_labels, read_project
from ecc_px.labels import Interpretation, new_classes
from ecc_px.volumes import open_volume

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = ROOT / "tests" / "data" / "synthetic"
SEEDSET = SYNTHETIC / "s1_3d_seedset"
TWO_LANES = ROOT / ".." / "shared" / "golden" / "ilastik" / "c_3d_uint8_mixed2d_internal"
needs_golden = pytest.mark.skipif(not TWO_LANES.is_dir(), reason="the shared golden files are not here")


def test_a_project_gives_its_labels_and_classes_with_and_without_the_image() -> None:
    expected = read_labels(read_project(SEEDSET / "project.ilp"), 0).dense()
    with open_volume(SEEDSET / "train.h5") as image:
        for given in (image, None):
            found = read_labels_of(SEEDSET / "project.ilp", given)
            np.testing.assert_array_equal(found.dense(), expected)
            assert [c.name for c in found.classes] == ["cell", "false signal", "background"]


def test_labels_go_to_the_classes_of_the_same_name() -> None:
    classes = new_classes(["background", "False  signal", "cell", "vessel"])
    found = read_labels_of(SEEDSET / "project.ilp", None, Interpretation(classes))
    assert found.counts() == {1: 400, 2: 200, 3: 300}
    assert found.classes == classes


def test_labels_of_a_class_that_the_other_lacks_are_refused_by_name_or_dropped() -> None:
    classes = new_classes(["cell", "background"])
    with pytest.raises(InvalidLabels, match=r"without a class: 2 'false signal' \(200 voxels\); with one: 1 \(cell\)"):
        read_labels_of(SEEDSET / "project.ilp", None, Interpretation(classes))
    found = read_labels_of(SEEDSET / "project.ilp", None, Interpretation(classes, drop_unmapped=True))
    assert found.counts() == {1: 300, 2: 400}
    assert "left out" in found.notes[0]


def test_no_name_in_common_says_which_classes_there_are() -> None:
    with pytest.raises(InvalidLabels, match=r"with one: none of the classes 1 \(Label 1\), 2 \(Label 2\)"):
        read_labels_of(SEEDSET / "project.ilp", None, Interpretation(new_classes(["Label 1", "Label 2"])))


def test_labels_by_an_explicit_table() -> None:
    found = read_labels_of(SEEDSET / "project.ilp", None, Interpretation(mapping={3: "rest", 2: "rest", 1: "cell"}))
    assert found.counts() == {1: 600, 2: 300}
    assert [c.name for c in found.classes] == ["rest", "cell"]


def test_an_image_of_another_shape_is_refused_with_both() -> None:
    with (
        open_volume(SYNTHETIC / "s3_3d_mixed_uint8" / "train.h5") as image,
        pytest.raises(GridMismatch, match=r"lane 1 \(train-volume\).*its labels are for an image of .*train\.h5 has"),
    ):
        read_labels_of(SEEDSET / "project.ilp", image)


@needs_golden
def test_the_lane_is_that_of_the_image_or_the_one_that_the_user_says(tmp_path: Path) -> None:
    project = TWO_LANES / "project.ilp"
    expected = [read_labels(read_project(project), lane).dense() for lane in (0, 1)]
    with pytest.raises(InvalidSetting, match="several lanes have labels: say which by --lane"):
        read_labels_of(project, None)
    for number, name in enumerate(("train1", "train2")):
        for wanted in (str(number + 1), f"lane000{number}", read_project(project).lanes[number].nickname):
            np.testing.assert_array_equal(read_labels_of(project, None, lane=wanted).dense(), expected[number])
        with open_volume(TWO_LANES / f"{name}.h5") as image:
            found = read_labels_of(project, image, lane=str(number + 1))
        np.testing.assert_array_equal(found.dense(), expected[number])
    with pytest.raises(InvalidSetting, match="no lane '3', only 1: "):
        read_labels_of(project, None, lane="3")
    assert [annotation.counts() for annotation in read_lanes_of(project).values()] == [
        read_labels(read_project(project), lane).counts() for lane in (0, 1)
    ]


def test_what_only_the_other_kind_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="has no layers"):
        read_labels_of(SEEDSET / "project.ilp", None, Interpretation(layer="1"))
    shutil.copy(SEEDSET / "train.h5", tmp_path / "labels.h5")
    with pytest.raises(InvalidSetting, match="only an ilastik project has lanes"):
        read_labels_of(tmp_path / "labels.h5", None, lane="1")
    with pytest.raises(InvalidSetting, match="say by --image"):
        read_labels_of(tmp_path / "labels.h5", None)
