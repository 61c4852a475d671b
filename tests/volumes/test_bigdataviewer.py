from __future__ import annotations

from pathlib import Path

import h5py
import npy2bdv
import numpy as np
import pytest
from foreign_files import VOXEL_UM, bigdataviewer_files, noise, write_bigdataviewer_n5

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((2, 2, 12, 20, 24), "uint16")


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    return bigdataviewer_files(tmp_path / "brain.xml", IMAGE, ("NeuN", "cFos"))


def test_the_xml_and_its_file_are_the_same_image(xml: Path, tmp_path: Path) -> None:
    with open_volume(xml) as by_xml, open_volume(tmp_path / "brain.h5") as by_file:
        assert by_xml.layout == by_file.layout
        assert by_xml.path == by_file.path == tmp_path / "brain.h5"
        assert (by_xml.frames, by_xml.channels, by_xml.layout.channel_names) == (2, 2, ("NeuN", "cFos"))


def test_int16_on_disk_is_the_uint16_that_was_meant(xml: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.h5") as file:
        assert file["t00001/s01/0/cells"].dtype == np.int16
    with open_volume(xml) as volume:
        assert volume.dtype == np.uint16
        assert volume.read(frame=1).max() > 40_000
        np.testing.assert_array_equal(volume.read(frame=1), IMAGE[1])


def test_the_xml_may_have_another_name_than_its_images(xml: Path, tmp_path: Path) -> None:
    (tmp_path / "fused").mkdir()
    moved = tmp_path / "fused" / "dataset.xml"
    moved.write_text(xml.read_text().replace("brain.h5", "../brain.h5"))
    xml.unlink()
    with open_volume(moved) as volume:
        assert volume.name == "dataset"
        np.testing.assert_array_equal(volume.read(), IMAGE[0])


def test_a_file_without_its_xml_has_one_channel_of_unknown_voxel_size_or_is_refused(tmp_path: Path) -> None:
    bigdataviewer_files(tmp_path / "one.xml", IMAGE[:1, :1]).unlink()
    with open_volume(tmp_path / "one.h5") as volume:
        assert volume.voxel_um is None
        assert volume.layout.origins["voxel size"] == "unknown: one.xml is not beside the images"
        np.testing.assert_array_equal(volume.read(), IMAGE[0, :1])
    bigdataviewer_files(tmp_path / "two.xml", IMAGE[:1], ("a", "b")).unlink()
    with pytest.raises(UnreadableVolume, match="it holds 2 setups, and only the XML beside it says whether"):
        open_volume(tmp_path / "two.h5")
    with open_volume(tmp_path / "two.h5" / "t00000/s01/0/cells") as dataset:
        assert dataset.shape == (12, 20, 24)


def test_tiles_that_are_not_fused_are_refused_with_their_number(tmp_path: Path) -> None:
    writer = npy2bdv.BdvWriter(str(tmp_path / "tiles.h5"), ntiles=3, nchannels=2)
    for tile in range(3):
        for channel in range(2):
            writer.append_view(IMAGE[0, 0], tile=tile, channel=channel)
    writer.write_xml()
    writer.close()
    with pytest.raises(UnreadableVolume, match=r"tiles\.xml: its 6 setups are 3 tiles .0, 1, 2. .*not fused"):
        open_volume(tmp_path / "tiles.xml")


def test_images_that_are_not_there_are_named(xml: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.h5", "a") as file:
        del file["t00001/s01"]
    with pytest.raises(IncompleteVolume, match="setup 1 of time point 1 is not there"):
        open_volume(xml)
    (tmp_path / "brain.h5").unlink()
    with pytest.raises(IncompleteVolume, match=r"brain\.h5, which it names as its images, is not there"):
        open_volume(xml)


def test_an_image_of_another_size_than_the_xml_tells_is_refused(xml: Path) -> None:
    xml.write_text(xml.read_text().replace("24 20 12", "24 20 13"))
    with pytest.raises(IncompleteVolume, match=r"\(12, 20, 24\) voxels .z y x., the XML tells of \(13, 20, 24\)"):
        open_volume(xml)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bdv.hdf5", "spimreconstruction.stack.loci", "are kept as 'spimreconstruction.stack.loci', and we read"),
        ("<SpimData", "<Spam", "the XML is damaged"),
        ("SequenceDescription", "Sequence", "no XML of BigDataViewer"),
        ("<id>1</id>", "<id>one</id>", "the XML is damaged"),
    ],
)
def test_another_xml_is_refused(old: str, new: str, message: str, xml: Path) -> None:
    xml.write_text(xml.read_text().replace(old, new))
    with pytest.raises(UnreadableVolume, match=message):
        open_volume(xml)


def test_n5_of_bigstitcher_is_read_with_or_without_the_xml_named(tmp_path: Path) -> None:
    image = noise((20, 30, 41), "uint16")
    write_bigdataviewer_n5(tmp_path, image)
    for path in (tmp_path / "brain.xml", tmp_path / "brain.n5"):
        with open_volume(path, level=1) as volume:
            assert volume.voxel_um == pytest.approx([2 * um for um in VOXEL_UM])
            np.testing.assert_array_equal(volume.read()[0], image[::2, ::2, ::2])
    with open_volume(tmp_path / "brain.n5" / "setup0/timepoint3/s1") as volume:
        np.testing.assert_array_equal(volume.read()[0], image[::2, ::2, ::2])
