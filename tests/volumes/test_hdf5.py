from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from foreign_files import noise

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.axistags import axes_from_axistags, axistags_json
from ecc_px.volumes.blocks import whole

IMAGE = noise((6, 7, 8), "uint8")
ILASTIK_TAGS = """{
  "axes": [
    {
      "key": "y",
      "typeFlags": 2,
      "resolution": 0,
      "description": ""
    },
    {
      "key": "x",
      "typeFlags": 2,
      "resolution": 0,
      "description": ""
    },
    {
      "key": "c",
      "typeFlags": 1,
      "resolution": 0,
      "description": ""
    }
  ]
}"""
"""As ilastik 1.4.1 wrote it."""


def test_axistags_are_written_as_ilastik_writes_them() -> None:
    assert axistags_json("yxc") == ILASTIK_TAGS


def test_axistags_come_back_with_their_resolution() -> None:
    text = axistags_json("tzyxc", (5.0, 2.0, 1.5))
    assert axes_from_axistags(text) == ("tzyxc", {"z": 5.0, "y": 2.0, "x": 1.5})
    assert [axis["typeFlags"] for axis in json.loads(text)["axes"]] == [8, 2, 2, 2, 1]
    assert axes_from_axistags(ILASTIK_TAGS.encode()) == ("yxc", {})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"axes": [{}]}', '{"axes": 3}'])
def test_damaged_axistags_are_refused_with_the_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match="the axistags are damaged"):
        axes_from_axistags(text)
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file.create_dataset("data", data=IMAGE).attrs["axistags"] = text
    with pytest.raises(UnreadableVolume, match=r"brain\.h5: the axistags are damaged"):
        open_volume(tmp_path / "brain.h5")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 6), "yx"), ((5, 6, 7), "zyx"), ((5, 6, 4), "yxc"), ((5, 6, 7, 2), "zyxc"), ((2, 5, 6, 7, 3), "tzyxc")],
)
def test_axes_are_guessed_by_the_number_of_dimensions(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = np.zeros(shape, "uint8")
    volume = open_volume(tmp_path / "brain.h5")
    assert volume.axes == axes
    assert volume.layout.origins["axes"] == "number of dimensions"
    assert open_volume(tmp_path / "brain.h5", axes=axes[::-1]).axes == axes[::-1]


def test_axes_come_from_dimension_labels_where_there_are_no_axistags(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        dataset = file.create_dataset("data", data=IMAGE)
        for number, label in enumerate("xyz"):
            dataset.dims[number].label = label
    volume = open_volume(tmp_path / "brain.h5")
    assert (volume.axes, volume.layout.origins["axes"]) == ("xyz", "DIMENSION_LABELS")
    np.testing.assert_array_equal(volume.read()[0], IMAGE.T)


def test_the_dataset_is_the_tagged_one_then_exported_data_then_the_first(tmp_path: Path) -> None:
    path = tmp_path / "brain.h5"
    with h5py.File(path, "w") as file:
        file["b/image"] = np.full((4, 5, 6), 2, "uint8")
        file["a/image"] = np.full((4, 5, 6), 1, "uint8")
        file["a/a_float64_table"] = np.zeros((3, 3))
        file["a/a_list"] = np.zeros(100, "uint8")
    assert open_volume(path).read().max() == 1
    with h5py.File(path, "a") as file:
        file["exported_data"] = np.full((4, 5, 6), 3, "uint8")
    assert open_volume(path).read().max() == 3
    with h5py.File(path, "a") as file:
        file["b/image"].attrs["axistags"] = axistags_json("zyx")
    assert open_volume(path).read().max() == 2
    with h5py.File(path, "a") as file:
        file["a/image"].attrs["axistags"] = axistags_json("zyx")
    volume = open_volume(path)
    assert volume.read().max() == 3
    assert volume.layout.origins["image"] == "/exported_data (named exported_data)"


def test_an_inner_path_may_follow_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "my brain.v2.h5"
    with h5py.File(path, "w") as file:
        file["volume/data"] = IMAGE
        file["a"] = IMAGE[:3]
    for volume in (open_volume(path / "volume" / "data"), open_volume(path, inner_path="/volume/data")):
        assert volume.name == "my brain.v2"
        assert volume.path == path
        np.testing.assert_array_equal(volume.read()[0], IMAGE)


def test_attributes_come_back_as_plain_values(tmp_path: Path) -> None:
    layout = Layout("zyx", IMAGE.shape, IMAGE.dtype, voxel_um=(5, 2, 2))
    attributes = {"drange": np.array([0, 255], "uint8"), "rounding": "half up", "classes": ["cell", "rest"]}
    with create_volume(tmp_path / "a.h5", layout, attributes=attributes, dataset="volume/data") as writer:
        writer.write(whole(IMAGE.shape), IMAGE[None])
    volume = open_volume(tmp_path / "a.h5")
    assert volume.attributes["drange"] == [0, 255]
    assert volume.attributes["rounding"] == "half up"
    assert volume.attributes["classes"] == ["cell", "rest"]
    assert volume.attributes["element_size_um"] == [5, 2, 2]
    assert volume.attributes["DIMENSION_LABELS"] == ["z", "y", "x"]
    assert volume.voxel_um == (5, 2, 2)
    assert h5py.File(tmp_path / "a.h5")["volume/data"].compression_opts == 1


def test_a_file_without_voxel_size_has_none(tmp_path: Path) -> None:
    with create_volume(tmp_path / "a.h5", Layout("zyx", IMAGE.shape, IMAGE.dtype)) as writer:
        writer.write(whole(IMAGE.shape), IMAGE[None])
    with open_volume(tmp_path / "a.h5") as volume:
        assert volume.voxel_um is None
        assert "element_size_um" not in volume.attributes
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["exported_data"].attrs["element_size_um"] = [1.0, 0.0, 1.0]
    assert open_volume(tmp_path / "a.h5").voxel_um is None


def test_hdf5_is_recognised_by_its_content_where_the_name_says_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.data", "w") as file:
        file["data"] = IMAGE
    assert open_volume(tmp_path / "brain.data").shape == IMAGE.shape
