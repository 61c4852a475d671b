"""Labels lie on the voxels that the person labelled, whatever version of ilastik saved them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableProject
from ecc_px.ilastik import read_labels, read_project
from ecc_px.ilastik.labels import release

REPO = Path(__file__).resolve().parents[2]
SYNTHETIC = REPO / "tests" / "data" / "synthetic"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("s1_3d_seedset", {1: 300, 2: 200, 3: 400}),
        ("s2_2d_2channel", {1: 123, 2: 52, 3: 128}),
        ("s3_3d_mixed_uint8", {1: 300, 2: 600}),
    ],
)
def test_forest_agrees_with_the_labels_it_learned_from(folder, counts):
    project = read_project(SYNTHETIC / folder / "project.ilp")
    labels = read_labels(project, 0)
    assert labels.counts() == counts
    dense = labels.dense()
    with h5py.File(SYNTHETIC / folder / "train_probabilities.h5") as file:
        probabilities = file["exported_data"][()]
    predicted = probabilities.argmax(-1).reshape(dense.shape) + 1
    drawn = dense > 0
    # A forest grown to purity knows nearly all of its own samples; misplaced labels agree by chance only.
    assert (predicted[drawn] == dense[drawn]).mean() > 0.99


@needs_golden
@pytest.mark.parametrize(
    ("folder", "lane", "key"),
    [
        ("a_brain3d_uint16", 0, "labels"),
        ("b_2d3c_gap_mask", 0, "labels"),
        ("c_3d_uint8_mixed2d_internal", 0, "lane0"),
        ("c_3d_uint8_mixed2d_internal", 1, "lane1"),
        ("d2_pcoc_v133post1", 0, "labels"),
    ],
)
def test_labels_lie_where_real_ilastik_placed_them(folder, lane, key):
    expected = np.load(GOLDEN / folder / "labels.npz")[key]
    dense = read_labels(read_project(GOLDEN / folder / "project.ilp"), lane).dense()
    assert np.array_equal(dense.squeeze(), expected.squeeze())


@needs_golden
def test_labels_of_ilastik_1_2_have_the_order_of_the_file():
    # Today's ilastik reads these transposed, and its forest then agrees with 56 % of them.
    project = read_project(GOLDEN / "d_mitocheck_v120rc10" / "project.ilp")
    with h5py.File(GOLDEN / "d_mitocheck_v120rc10" / "train_probabilities.h5") as file:
        probabilities = file["exported_data"][()].transpose(0, 2, 1, 3)[:, np.newaxis]  # t,x,y,c → t,z,y,x,c
    labels = read_labels(project, 0)
    with pytest.raises(InvalidSetting, match="shape"):
        labels.dense()
    dense = labels.dense(probabilities.shape[:4])
    assert labels.counts() == {1: 43, 2: 34}
    assert np.array_equal(probabilities.argmax(-1)[dense > 0] + 1, dense[dense > 0])


def store_labels(file, block, axes, start, tagged):
    """Replace all labels by one block of `axes`, which begins at `start`."""
    del file["PixelClassification/LabelSets"]
    dataset = file.create_dataset("PixelClassification/LabelSets/labels0/block0000", data=block)
    bounds = [f"{a}:{a + n}" for a, n in zip(start, block.shape, strict=True)]
    dataset.attrs["blockSlice"] = f"[{','.join(bounds)}]"
    if tagged:
        tags = json.dumps({"axes": [{"key": axis} for axis in axes]})
        dataset.attrs["axistags"] = np.bytes_(tags)  # fixed length, as older ilastik wrote it


@pytest.mark.parametrize(
    ("version", "workflow", "file_axes", "block_axes"),
    [
        ("1.4.0b8", "Pixel Classification", "xyz", "zyxc"),
        ("1.4.0b7", "Pixel Classification", "xyz", "xyzc"),
        ("1.3.3post2", "Pixel Classification", "xyzc", "xyzc"),
        ("1.3.3post1", "Pixel Classification", "xyz", "zyxc"),
        ("1.3.3post1", "Object Classification (from pixel classification)", "zyx", "txyzc"),
        ("1.3.2", "Pixel Classification", "xyz", "zyxc"),
        ("1.3.1", "Pixel Classification", "txyzc", "zyxc"),
        ("1.3.0", "Pixel Classification", "txyzc", "txyzc"),
        ("1.2.0rc10", "Pixel Classification", "xyz", "xyzc"),
        ("1.2.0rc10", "Pixel Classification", "cxyz", "cxyz"),
    ],
)
def test_axis_order_of_every_version_gives_the_same_labels(edited, version, workflow, file_axes, block_axes):
    block = np.random.default_rng(3).integers(0, 4, (4, 5, 6), np.uint8)  # z, y, x
    place = {"t": 0, "z": 2, "y": 7, "x": 11, "c": 0}
    extent = {"t": 1, "z": 40, "y": 56, "x": 64, "c": 1}

    def edit(file):
        raw = file["Input Data/infos/lane0000/Raw Data"]
        del raw["axistags"], raw["shape"], file["ilastikVersion"], file["workflowName"]
        raw["axisorder"], raw["shape"] = file_axes, [extent[axis] for axis in file_axes]
        file["ilastikVersion"], file["workflowName"] = version, workflow
        spatial = [axis for axis in block_axes if axis in "zyx"]
        stored = block.transpose(["zyx".index(axis) for axis in spatial])
        stored = np.expand_dims(stored, [i for i, axis in enumerate(block_axes) if axis in "tc"])
        start = [place[axis] for axis in block_axes]
        store_labels(file, stored, block_axes, start, tagged=release(version) >= release("1.4.0b8"))

    dense = read_labels(read_project(edited(edit, "s1_3d_seedset")), 0).dense()
    assert dense.shape == (1, 40, 56, 64)
    assert np.array_equal(dense[0, 2:6, 7:12, 11:17], block)
    assert dense.sum() == block.sum()


def test_lanes_of_old_files_are_taken_by_number(edited):
    def edit(file):
        sets = file["PixelClassification/LabelSets"]
        sets.move("labels000", "labels10")
        sets.create_group("labels9")
        lanes = file["Input Data/infos"]
        lanes.copy("lane0000", "lane0001")

    project = read_project(edited(edit))
    assert read_labels(project, 0).counts() == {}
    assert read_labels(project, 1).counts() == {1: 123, 2: 52, 3: 128}


def test_masked_and_erased_labels_count_as_unlabelled(edited):
    def edit(file):
        store_labels(file, np.zeros((1, 4, 1), np.uint8), "yxc", (3, 5, 0), tagged=True)
        name = "PixelClassification/LabelSets/labels0/block0000"
        attributes = dict(file[name].attrs)
        del file[name]
        block = file.create_group(name)
        block.attrs.update(attributes)
        block["data"] = np.array([1, 2, 100, 3], np.uint8).reshape(1, 4, 1)
        block["mask"] = np.array([False, True, False, False]).reshape(1, 4, 1)

    dense = read_labels(read_project(edited(edit)), 0).dense()
    assert dense[0, 0, 3, 5:9].tolist() == [1, 0, 0, 3]
    assert np.count_nonzero(dense) == 2


def test_labels_outside_of_the_image_are_refused():
    labels = read_labels(read_project(SYNTHETIC / "s1_3d_seedset" / "project.ilp"), 0)
    with pytest.raises(GridMismatch, match="40, 56, 60"):
        labels.dense((1, 40, 56, 60))


@pytest.mark.parametrize("bounds", ["", "[0:72,0:80]", "[0:70,0:80,0:1]", "damage"])
def test_block_at_an_impossible_place_is_refused(edited, bounds):
    def edit(file):
        file["PixelClassification/LabelSets/labels000/block0000"].attrs["blockSlice"] = bounds

    project = read_project(edited(edit))
    with pytest.raises(UnreadableProject, match="block0000"):
        read_labels(project, 0)


def test_versions_sort_as_ilastik_released_them():
    early = ["1.2.0rc10", "1.3.0", "1.3.3", "1.3.3post1", "1.3.3post2"]
    late = ["1.4.0b7", "1.4.0b8", "1.4.0b11", "1.4.0rc1", "1.4.0", "1.4.1b16.dev34+g60b582f5c", "1.4.2"]
    history = [release(version) for version in early + late]
    assert history == sorted(set(history))
    assert release("") < history[0]
