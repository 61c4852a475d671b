"""What a project says, against what is known about projects that real ilastik wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecc_px.errors import UntrainedProject
from ecc_px.ilastik import read_project

REPO = Path(__file__).resolve().parents[2]
SYNTHETIC = REPO / "tests" / "data" / "synthetic"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")

# folder: version, names of the classes, labels in the forest, parts, feature columns, image channels
FACTS = {
    SYNTHETIC / "s1_3d_seedset": (
        "1.4.2rc2.dev66", ("cell", "false signal", "background"), [1, 2, 3], (25,) * 4, 16, 1,
    ),
    SYNTHETIC / "s2_2d_2channel": (
        "1.4.2rc2.dev66", ("cell", "false signal", "background"), [1, 2, 3], (5,) * 4, 48, 2,
    ),
    SYNTHETIC / "s3_3d_mixed_uint8": ("1.4.2rc2.dev66", ("cell", "rest"), [1, 2], (10,) * 3, 26, 1),
}  # fmt: skip
GOLDEN_FACTS = {
    GOLDEN / "a_brain3d_uint16": (
        "1.4.2rc2.dev66", ("cells", "bright non-cell", "background"), [1, 2, 3],
        (13, 13, 13, 13, 12, 12, 12, 12), 16, 1,
    ),
    GOLDEN / "b_2d3c_gap_mask": (
        "1.4.2rc2.dev66", ("cells", "dark", "never drawn", "flat"), [1, 2, 4], (10, 9, 9, 9), 45, 3,
    ),
    GOLDEN / "c_3d_uint8_mixed2d_internal": (
        "1.4.2rc2.dev66", ("cell", "back"), [1, 2], (34, 33, 33), 22, 1,
    ),
    GOLDEN / "d_mitocheck_v120rc10": (
        "1.2.0rc10", ("Label 1", "Label 2"), [1, 2], (3,) * 20 + (2,) * 20, 49, 1,
    ),
    GOLDEN / "d2_pcoc_v133post1": ("1.3.3post1", ("Label 1", "Label 2"), [1, 2], (25,) * 4, 25, 1),
    GOLDEN / "e_pc_v140b11": ("1.4.0b11", ("Label 1", "Label 2"), [1, 2], (25,) * 4, 49, 1),
    GOLDEN / "g_handwritten_ilp": (
        "1.4.2", ("cells", "bright non-cell", "background"), [1, 2, 3],
        (13, 13, 13, 13, 12, 12, 12, 12), 16, 1,
    ),
}  # fmt: skip


def assert_facts(folder, facts):
    version, names, labels, parts, columns, channels = facts
    project = read_project(folder / "project.ilp")
    forest = project.require_trained()
    assert project.ilastik_version == version
    assert tuple(c.name for c in project.classes) == names
    assert [c.label for c in project.classes] == list(range(1, len(names) + 1))
    assert forest.labels.tolist() == labels
    assert forest.part_sizes == parts
    assert forest.n_features == columns == len(project.feature_names)
    assert project.image_channels == channels


@pytest.mark.parametrize("folder", FACTS, ids=lambda folder: folder.name)
def test_synthetic_project_is_read_as_ilastik_wrote_it(folder):
    assert_facts(folder, FACTS[folder])


@needs_golden
@pytest.mark.parametrize("folder", GOLDEN_FACTS, ids=lambda folder: folder.name)
def test_projects_of_every_ilastik_since_1_2_are_read(folder):
    assert_facts(folder, GOLDEN_FACTS[folder])


def test_selection_colours_and_lane_are_those_of_the_file():
    project = read_project(SYNTHETIC / "s3_3d_mixed_uint8" / "project.ilp")
    selection = project.features
    assert selection.scales == (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
    assert selection.compute_in_2d == (True, True, True, False, False, False, False)
    assert selection.feature_ids[0] == "GaussianSmoothing"
    assert selection.matrix.shape == (6, 7)
    assert selection.matrix[0].tolist() == [True, True, False, False, True, False, False]
    assert project.classes[1].colour == (0, 130, 200)
    (lane,) = project.lanes
    assert (lane.nickname, lane.path, lane.path_kind) == ("train-volume", "train.h5/volume", "relative")
    assert (lane.axes, lane.shape, lane.internal_axes) == ("zyx", (32, 48, 52), "zyxc")
    assert lane.files(project.path) == (SYNTHETIC / "s3_3d_mixed_uint8" / "train.h5",)
    assert project.export.format == "compressed hdf5"
    assert not project.export.changes_probabilities


@needs_golden
def test_lanes_inside_the_project_and_masks_are_told_apart():
    internal = read_project(GOLDEN / "c_3d_uint8_mixed2d_internal" / "project.ilp").lanes
    assert [(lane.path_kind, lane.axes, lane.internal_axes) for lane in internal] == [("internal", "xyz", "zyxc")] * 2
    masked = read_project(GOLDEN / "b_2d3c_gap_mask" / "project.ilp").lanes[0]
    assert masked.mask == "train_mask.h5/volume"


@needs_golden
def test_project_from_before_compute_in_2d_has_none_and_counts_a_2d_image():
    project = read_project(GOLDEN / "d_mitocheck_v120rc10" / "project.ilp")
    assert project.features.compute_in_2d is None
    assert project.is_flat
    assert project.lanes[0].shape is None
    assert project.lanes[0].axes == "txyc"


@pytest.mark.parametrize(
    ("stored", "location", "kind", "n_files"),
    [
        ("../data/brain.tif", "FileSystem", "relative", 1),
        ("/data/brain.h5/volume", "FileSystem", "absolute", 1),
        (r"D:\data\brain.h5/volume", "FileSystem", "absolute", 1),
        ("/data/a.tif:/data/b.tif:/data/c.tif", "FileSystem", "stack", 3),
        (r"D:\a.tif;D:\b.tif", "FileSystem", "stack", 2),
        ("planes/*.tif", "FileSystem", "stack", 1),
        ("precomputed://https://example.org/brain", "", "url", 0),
        ("/Input Data/local_data/5f3a", "ProjectInternal", "internal", 0),
        ("", "", "none", 0),
    ],
)
def test_where_raw_data_lies_is_told_from_its_path(edited, stored, location, kind, n_files):
    def edit(file):
        raw = file["Input Data/infos/lane0000/Raw Data"]
        del raw["__class__"], raw["filePath"], raw["location"]
        raw["filePath"], raw["location"] = stored, location

    project = read_project(edited(edit))
    assert project.lanes[0].path_kind == kind
    assert len(project.lanes[0].files(project.path)) == n_files
    assert project.forest is not None


def test_fixed_length_and_opaque_texts_are_read_like_the_others(edited):
    def edit(file):
        del file["ilastikVersion"], file["PixelClassification/LabelNames"], file["workflowName"]
        file["ilastikVersion"] = np.void(b"1.3.2post1")
        file["workflowName"] = np.bytes_(b"Pixel Classification")
        file["PixelClassification/LabelNames"] = np.array(["größer".encode(), b"b", b"c"], "S12")

    project = read_project(edited(edit))
    assert project.ilastik_version == "1.3.2post1"
    assert [c.name for c in project.classes] == ["größer", "b", "c"]


def test_empty_list_slots_and_absent_facts_fall_back_to_ilastiks_own(edited):
    def edit(file):
        training = file["PixelClassification"]
        for name in ("LabelNames", "LabelColors"):
            training[name].attrs["isEmpty"] = True
        del training["ClassifierForests/known_labels"], training["ClassifierForests/feature_names"]
        del training["ClassifierForests/pickled_type"]
        del file["FeatureSelections/ComputeIn2d"], file["ilastikVersion"], file["Prediction Export"]
        del file["Input Data/infos/lane0000/Raw Data/shape"]

    project = read_project(edited(edit))
    assert [c.name for c in project.classes] == ["Label 1", "Label 2", "Label 3"]
    assert project.forest.labels.tolist() == [1, 2, 3]
    assert project.feature_names == ()
    assert project.ilastik_version == ""
    assert project.features.compute_in_2d is None
    assert project.image_channels == 2


def test_3d_selection_on_an_image_of_one_plane_counts_2d_features(edited):
    def edit(file):
        raw = file["Input Data/infos/lane0000/Raw Data"]
        del raw["axistags"], raw["shape"]
        raw["axisorder"], raw["shape"] = "zyxc", (1, 72, 80, 2)
        file["FeatureSelections/ComputeIn2d"][...] = False

    project = read_project(edited(edit))
    assert project.is_flat
    assert project.image_channels == 2


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("PixelClassification/ClassifierForests", "no trained forest"),
        ("PixelClassification/StorageVersion", "no trained forest"),
        ("FeatureSelections/SelectionMatrix", "feature selection"),
        ("FeatureSelections/StorageVersion", "feature selection"),
    ],
)
def test_project_without_a_forest_to_apply_is_read_but_says_how_to_train(edited, missing, reason):
    project = read_project(edited(lambda file: file.__delitem__(missing)))
    assert project.forest is None
    with pytest.raises(UntrainedProject, match=rf"(?s){reason}.*Live Update.*save"):
        project.require_trained()


def test_forest_of_another_selection_is_stale(edited):
    def edit(file):
        file["FeatureSelections/SelectionMatrix"][0, 0] = True

    with pytest.raises(UntrainedProject, match=r"48 feature columns.*25 per image channel"):
        read_project(edited(edit)).require_trained()


def test_forest_that_knows_more_labels_than_there_are_classes_is_stale(edited):
    def edit(file):
        training = file["PixelClassification"]
        del training["LabelNames"]
        training["LabelNames"] = [b"a", b"b"]

    with pytest.raises(UntrainedProject, match=r"knows label 3.*2 classes"):
        read_project(edited(edit)).require_trained()
