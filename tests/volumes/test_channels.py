"""Channels and levels of the formats that keep them apart, and one channel taken out of any format."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from foreign_files import VOXEL_UM, bigdataviewer_files, czi_file, imaris_file, lif_file, noise

from ecc_px.errors import InvalidSetting
from ecc_px.volumes import Layout, convert, create_volume, open_volume
from ecc_px.volumes.blocks import whole

NAMES = ("NeuN", "cFos", "auto")
IMAGE = noise((2, 3, 21, 30, 37), "uint16")
"""t, c, z, y, x."""


def write_imaris_channels(folder: Path) -> Path:
    return imaris_file(folder / "brain.ims", IMAGE, NAMES)


def write_bigdataviewer_channels(folder: Path) -> Path:
    return bigdataviewer_files(folder / "brain.xml", IMAGE, NAMES)


def write_czi_channels(folder: Path) -> Path:
    return czi_file(folder / "brain.czi", IMAGE, NAMES)


def write_lif_channels(folder: Path) -> Path:
    return lif_file(folder / "brain.lif", {"Series001": IMAGE.swapaxes(1, 2).copy()}, NAMES)


def _ours(path: Path, axes: str) -> Path:
    extents = dict(zip("tczyx", IMAGE.shape, strict=True))
    layout = Layout(axes, tuple(extents[a] for a in axes), IMAGE.dtype, voxel_um=VOXEL_UM, channel_names=NAMES)
    with create_volume(path, layout) as writer:
        for frame, image in enumerate(IMAGE):
            writer.write(whole(IMAGE.shape[2:]), image, frame=frame)
    return path


def write_hdf5_channels(folder: Path) -> Path:
    return _ours(folder / "brain.h5", "tzyxc")


def write_ome_zarr_channels(folder: Path) -> Path:
    return _ours(folder / "brain.ome.zarr", "tczyx")


def write_ome_tiff_channels(folder: Path) -> Path:
    return _ours(folder / "brain.ome.tif", "tczyx")


@pytest.fixture(
    params=[
        write_imaris_channels,
        write_bigdataviewer_channels,
        write_czi_channels,
        write_lif_channels,
        write_hdf5_channels,
        write_ome_zarr_channels,
        write_ome_tiff_channels,
    ],
    ids=lambda write: write.__name__.removeprefix("write_").removesuffix("_channels"),
)
def path(request, tmp_path: Path) -> Path:
    return request.param(tmp_path)


def test_frames_and_channels_come_in_their_order_with_their_names(path: Path) -> None:
    region = (slice(3, 20), slice(5, 30), slice(9, 37))
    with open_volume(path) as volume:
        assert (volume.frames, volume.channels, volume.shape) == (2, 3, (21, 30, 37))
        assert volume.layout.channel_names == NAMES
        assert volume.voxel_um == pytest.approx(VOXEL_UM)
        for frame in (0, 1):
            np.testing.assert_array_equal(volume.read(frame=frame), IMAGE[frame])
            np.testing.assert_array_equal(
                volume.read(region, frame=frame)[:, 0], IMAGE[(frame, slice(None), 3)][:, 5:30, 9:37]
            )
            np.testing.assert_array_equal(volume.read(region, frame=frame, channel=2)[0], IMAGE[(frame, 2, *region)])


@pytest.mark.parametrize("channel", [1, "1", "cFos", " CFOS "])
def test_one_channel_by_number_or_name_is_a_volume_of_one_channel(channel: int | str, path: Path) -> None:
    region = (slice(0, 21), slice(7, 8), slice(0, 37))
    with open_volume(path, channel=channel) as volume:
        assert (volume.frames, volume.channels, volume.shape) == (2, 1, (21, 30, 37))
        assert "c" not in volume.axes
        assert volume.layout.channel_names == ("cFos",)
        assert volume.layout.origins["channel"] == "1 of 0 to 2: cFos"
        assert volume.voxel_um == pytest.approx(VOXEL_UM)
        np.testing.assert_array_equal(volume.read(frame=1), IMAGE[1, 1:2])
        np.testing.assert_array_equal(volume.read(region, frame=1, channel=0)[0], IMAGE[(1, 1, *region)])


def test_one_channel_goes_to_another_process_as_itself(path: Path) -> None:
    with open_volume(path, channel="auto") as volume:
        again = pickle.loads(pickle.dumps(volume))
        assert again.layout == volume.layout
        np.testing.assert_array_equal(again.read(frame=1), IMAGE[1, 2:])


@pytest.mark.parametrize("channel", [3, "-1", "Fos", ""])
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(channel: int | str, path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"no channel '.*'; its channels are 0 \(NeuN\), 1 \(cFos\), 2 \(auto\)"):
        open_volume(path, channel=channel)


def test_a_name_that_is_a_number_is_a_name_and_one_that_is_twice_is_refused(tmp_path: Path) -> None:
    path = imaris_file(tmp_path / "a.ims", IMAGE, ("2", "0", "0"))
    with open_volume(path, channel="2") as volume:
        np.testing.assert_array_equal(volume.read(), IMAGE[0, :1])
    with pytest.raises(InvalidSetting, match="2 channels are called '0'"):
        open_volume(path, channel="0")


def test_an_image_of_one_channel_has_channel_0(tmp_path: Path) -> None:
    path = imaris_file(tmp_path / "a.ims", IMAGE[:, :1], ("NeuN",))
    with open_volume(path, channel=0) as volume, open_volume(path, channel="NeuN") as named:
        np.testing.assert_array_equal(volume.read(), named.read())
        np.testing.assert_array_equal(volume.read(), IMAGE[0, :1])
    with pytest.raises(InvalidSetting, match="no channel '1'"):
        open_volume(path, channel=1)


@pytest.mark.parametrize("write", [write_imaris_channels, write_bigdataviewer_channels])
def test_a_coarser_level_has_its_own_size_and_voxel_size(write, tmp_path: Path) -> None:
    with open_volume(write(tmp_path), level=1) as volume:
        shape = (11, 15, 19) if volume.path.suffix == ".ims" else volume.shape
        assert volume.shape == shape
        expected = [um * n / m for um, n, m in zip(VOXEL_UM, (21, 30, 37), shape, strict=True)]
        if volume.path.suffix == ".h5":
            expected = [2 * um for um in VOXEL_UM]
        assert volume.voxel_um == pytest.approx(expected)
        assert volume.read(frame=1).shape == (3, *shape)
        if volume.path.suffix == ".ims":
            np.testing.assert_array_equal(volume.read(frame=1), IMAGE[1, :, ::2, ::2, ::2])
    with pytest.raises(InvalidSetting, match="no level 2, only 0 to 1"):
        open_volume(volume.path, level=2)


def test_what_is_said_of_each_channel_is_said_of_the_one_that_is_taken(tmp_path: Path) -> None:
    layout = Layout("czyx", IMAGE.shape[1:], IMAGE.dtype)
    attributes = {"class_labels": [3, 1, 2], "drange": [0, 255]}
    with create_volume(tmp_path / "a.h5", layout, attributes=attributes) as writer:
        writer.write(whole(IMAGE.shape[2:]), IMAGE[0])
    convert(tmp_path / "a.h5", tmp_path / "b.ome.zarr", channel=1)
    with open_volume(tmp_path / "b.ome.zarr") as volume:
        assert volume.attributes["class_labels"] == [1]
        assert volume.attributes["drange"] == [0, 255]
