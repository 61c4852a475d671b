from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from foreign_files import imaris_file, noise, write_imaris

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((1, 2, 21, 30, 37), "uint16")


def letters(text: str) -> np.ndarray:
    return np.array([letter.encode() for letter in text], "S1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return imaris_file(tmp_path / "brain.ims", IMAGE, ("NeuN", "cFos"))


def test_padding_is_no_part_of_the_image(tmp_path: Path) -> None:
    image = noise((21, 30, 37), "uint8")
    path = write_imaris(tmp_path, image)
    with h5py.File(path) as file:
        assert file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"].shape == (32, 32, 48)
    with open_volume(path) as volume:
        assert volume.shape == (21, 30, 37)
        assert volume.layout.origins["shape"] == "ImageSizeZ, ImageSizeY, ImageSizeX"
        np.testing.assert_array_equal(
            volume.read((slice(20, 21), slice(29, 30), slice(30, 37)))[0], image[20:, 29:, 30:]
        )


def test_other_units_and_names_that_hdf5_stores_as_text(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["DataSetInfo/Image"].attrs["Unit"] = "mm"
        file["DataSetInfo/Channel 1"].attrs["Name"] = "c-Fos"
    with open_volume(path) as volume:
        assert volume.voxel_um == pytest.approx((5000, 2000, 1500))
        assert volume.layout.channel_names == ("NeuN", "c-Fos")


@pytest.mark.parametrize(("key", "value"), [("Unit", "furlong"), ("ExtMax1", ""), ("ExtMax2", "-10.5")])
def test_a_voxel_size_that_is_not_stated_stays_unknown(key: str, value: str, path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["DataSetInfo/Image"].attrs[key] = letters(value) if value else ""
    with open_volume(path) as volume:
        assert volume.voxel_um is None


def test_a_file_without_true_sizes_is_as_large_as_its_arrays(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for channel in (0, 1):
            attributes = file[f"DataSet/ResolutionLevel 0/TimePoint 0/Channel {channel}"].attrs
            for axis in "ZYX":
                del attributes[f"ImageSize{axis}"]
    with open_volume(path) as volume:
        assert volume.shape == (32, 32, 48)


def test_an_image_that_claims_to_be_larger_than_its_array_is_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1"].attrs["ImageSizeZ"] = letters("33")
    with pytest.raises(UnreadableVolume, match=r"Channel 1 says that its image has 33 × 30 × 37 voxels"):
        open_volume(path)


def test_channels_of_unequal_depth_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1"].attrs["ImageSizeZ"] = letters("20")
    with pytest.raises(UnreadableVolume, match="its channels or time points differ"):
        open_volume(path)


def test_a_channel_without_its_array_is_refused_by_name(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data"]
    with pytest.raises(IncompleteVolume, match="/TimePoint 0/Channel 1 has no image"):
        open_volume(path)


def test_an_imaris_file_is_known_by_its_content_and_its_datasets_by_their_path(path: Path) -> None:
    other = path.rename(path.with_suffix(".h5"))
    with open_volume(other) as volume:
        assert volume.shape == (21, 30, 37)
    with open_volume(other / "DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data") as padded:
        assert padded.shape == (32, 32, 48)
