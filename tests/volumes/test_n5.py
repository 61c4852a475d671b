from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import z5py
from foreign_files import VOXEL_UM, noise, write_n5, write_n5_pyramid

from ecc_px.errors import InvalidSetting, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((20, 30, 41), "uint16")


@pytest.mark.parametrize("compression", ["raw", "gzip", "blosc", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_compression(compression: str, dtype: str, tmp_path: Path) -> None:
    image = noise((20, 30, 41), dtype)
    with z5py.File(str(tmp_path / "a.n5"), mode="w", use_zarr_format=False) as file:
        file.create_dataset("raw", data=image, chunks=(16, 16, 16), compression=compression)
    with open_volume(tmp_path / "a.n5" / "raw") as volume:
        np.testing.assert_array_equal(volume.read()[0], image)


def test_a_block_that_is_not_there_is_0(tmp_path: Path) -> None:
    path = write_n5(tmp_path, IMAGE)
    # Blocks are numbered x first.
    (path / "volume/raw/2/0/1").unlink()
    expected = IMAGE.copy()
    expected[16:, :16, 32:] = 0
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read()[0], expected)


def test_a_level_has_its_voxel_size(tmp_path: Path) -> None:
    with open_volume(write_n5_pyramid(tmp_path, IMAGE), level=1) as volume:
        assert volume.voxel_um == pytest.approx([2 * um for um in VOXEL_UM])
        np.testing.assert_array_equal(volume.read()[0], IMAGE[::2, ::2, ::2])
    with pytest.raises(InvalidSetting, match="no level 2, only 0 to 1"):
        open_volume(tmp_path / "brain.n5", level=2)


def test_axes_and_units_of_fiji(tmp_path: Path) -> None:
    image = noise((2, 5, 6, 7), "uint8")
    with z5py.File(str(tmp_path / "a.n5"), mode="w", use_zarr_format=False) as file:
        attributes = file.create_dataset("image", data=image, chunks=(1, 4, 4, 4)).attrs
        attributes["axes"] = ["x", "y", "c", "z"]
        attributes["resolution"] = [1.5, 2.0, 1.0, 5.0]
        attributes["units"] = ["um", "um", "", "um"]
    with open_volume(tmp_path / "a.n5") as volume:
        assert (volume.axes, volume.layout.origins["axes"]) == ("zcyx", "axes attribute")
        assert (volume.shape, volume.channels) == ((2, 6, 7), 5)
        assert volume.voxel_um == pytest.approx((5, 2, 1.5))
        np.testing.assert_array_equal(volume.read(channel=3)[0], image[:, 3])


def test_an_image_among_several_is_named_behind_the_path(tmp_path: Path) -> None:
    with z5py.File(str(tmp_path / "a.n5"), mode="w", use_zarr_format=False) as file:
        file.create_dataset("left/s0", data=IMAGE, chunks=(16, 16, 16))
        file.create_dataset("left/s1", data=IMAGE[::2, ::2, ::2], chunks=(16, 16, 16))
        file.create_dataset("right", data=IMAGE[::-1].copy(), chunks=(16, 16, 16))
    with pytest.raises(UnreadableVolume, match=r"it holds several images: left, right\. Say which behind the path"):
        open_volume(tmp_path / "a.n5")
    with open_volume(tmp_path / "a.n5" / "right") as volume:
        assert volume.name == "a"
        np.testing.assert_array_equal(volume.read()[0], IMAGE[::-1])
    with open_volume(tmp_path / "a.n5" / "left", level=1) as volume:
        np.testing.assert_array_equal(volume.read()[0], IMAGE[::2, ::2, ::2])
    with pytest.raises(InvalidSetting, match="nothing at 'middle'"):
        open_volume(tmp_path / "a.n5" / "middle")


def test_a_damaged_block_names_its_number_and_the_place(tmp_path: Path) -> None:
    path = write_n5(tmp_path, IMAGE)
    block = path / "volume/raw/1/0/1"
    block.write_bytes(block.read_bytes()[:40])
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read((slice(0, 16), slice(0, 30), slice(0, 41)))[0], IMAGE[:16])
        with pytest.raises(UnreadableVolume, match=r"can't be read at z 16:17, y 3:4, x 20:21 .block 1/0/1"):
            volume.read((slice(16, 17), slice(3, 4), slice(20, 21)))


def test_an_unknown_compression_is_refused_by_name(tmp_path: Path) -> None:
    path = write_n5(tmp_path, IMAGE)
    file = path / "volume/raw/attributes.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"compression": {"type": "lz4"}}))
    with pytest.raises(UnreadableVolume, match="compression 'lz4'"):
        open_volume(path)


def test_an_n5_folder_is_known_by_its_attributes_whatever_its_name(tmp_path: Path) -> None:
    path = write_n5(tmp_path, IMAGE).rename(tmp_path / "brain")
    with open_volume(path) as volume:
        assert volume.name == "brain"
        np.testing.assert_array_equal(volume.read()[0], IMAGE)
