"""Folders in which channels, time points or whole stacks are files of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from foreign_files import VOXEL_UM, noise

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((2, 3, 5, 30, 37), "uint16")
"""t, c, z, y, x."""
NAMES = ("NeuN", "cFos", "auto")
REGION = (slice(1, 4), slice(5, 30), slice(9, 37))
BLAZE = "11-14-17_PV 2_Blaze[00 x 00]_C{c:02d}_xyz-Table Z{z:04d}.ome.tif"

Where = Callable[[int, int, int], tuple[str, int]]


def write_ome_set(folder: Path, image: np.ndarray, where: Where, order: str = "XYZCT") -> Path:
    """A set by the OME-TIFF specification: `where` gives each plane (t, c, z) its file and page."""
    folder.mkdir()
    frames, channels, depth, height, width = image.shape
    files: dict[str, list[tuple[int, tuple[int, int, int]]]] = {}
    elements = []
    for at in np.ndindex(frames, channels, depth):
        name, page = where(*at)
        files.setdefault(name, []).append((page, at))
        t, c, z = at
        elements.append(
            f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="{z}" IFD="{page}" PlaneCount="1">'
            f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        )
    z_um, y_um, x_um = VOXEL_UM
    channel_elements = "".join(
        f'<Channel ID="Channel:0:{n}" Name="{name}" SamplesPerPixel="1"/>' for n, name in enumerate(NAMES[:channels])
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:this"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="{image.dtype}" SizeX="{width}" SizeY="{height}" '
        f'SizeZ="{depth}" SizeC="{channels}" SizeT="{frames}" PhysicalSizeX="{x_um}" PhysicalSizeY="{y_um}" '
        f'PhysicalSizeZ="{z_um}">{channel_elements}{"".join(elements)}</Pixels></Image></OME>'
    )
    for name, pages in files.items():
        with tifffile.TiffWriter(folder / name) as tiff:
            for page, (_, at) in enumerate(sorted(pages)):
                tiff.write(image[at], description=xml if page == 0 else None, metadata=None, contiguous=False)
    return folder


def a_plane_to_a_file(t: int, c: int, z: int) -> tuple[str, int]:
    # Names whose alphabetical order is no order of planes.
    return f"image {(7 * (t * 15 + c * 5 + z)) % 30} of it.ome.tif", 0


def a_channel_to_a_file(t: int, c: int, z: int) -> tuple[str, int]:
    return f"{NAMES[c]}.ome.tif", t * 5 + z


def pieces_of_seven_pages(t: int, c: int, z: int) -> tuple[str, int]:
    number = t * 15 + c * 5 + z
    return f"stack_{number // 7}.ome.tif", number % 7


@pytest.mark.parametrize("where", [a_plane_to_a_file, a_channel_to_a_file, pieces_of_seven_pages])
def test_ome_xml_says_where_each_plane_is(where: Where, tmp_path: Path) -> None:
    with open_volume(write_ome_set(tmp_path / "brain", IMAGE, where)) as volume:
        assert (volume.frames, volume.channels, volume.shape) == (2, 3, (5, 30, 37))
        assert volume.layout.channel_names == NAMES
        assert volume.layout.origins["axes"] == "OME-XML of the set"
        assert volume.voxel_um == pytest.approx(VOXEL_UM)
        for frame in (0, 1):
            np.testing.assert_array_equal(volume.read(frame=frame), IMAGE[frame])
            np.testing.assert_array_equal(volume.read(REGION, frame=frame, channel=1)[0], IMAGE[(frame, 1, *REGION)])
    with open_volume(tmp_path / "brain", channel="cFos") as volume:
        np.testing.assert_array_equal(volume.read(REGION, frame=1)[0], IMAGE[(1, 1, *REGION)])


def test_planes_that_ome_xml_counts_together_come_in_its_dimension_order(tmp_path: Path) -> None:
    image = IMAGE[:1, :2]
    folder = write_ome_set(
        tmp_path / "brain", image, lambda t, c, z: (f"part{z // 3}.ome.tif", 2 * (z % 3) + c), "XYCZT"
    )
    counted = b"".join(
        b'<TiffData FirstZ="%d" IFD="0" PlaneCount="%d"><UUID FileName="part%d.ome.tif">u</UUID></TiffData>' % numbers
        for numbers in ((0, 6, 0), (3, 4, 1))
    )
    for file in folder.iterdir():
        data = file.read_bytes()
        begin, end = data.index(b"<TiffData"), data.rindex(b"</Pixels>")
        file.write_bytes(data[:begin] + counted.ljust(end - begin) + data[end:])
    with open_volume(folder) as volume:
        np.testing.assert_array_equal(volume.read(), image[0])


def test_a_part_of_a_set_and_a_renamed_one_are_read_by_their_names(tmp_path: Path) -> None:
    folder = write_ome_set(tmp_path / "brain", IMAGE[:1, :1], lambda t, c, z: (f"Z{z}.ome.tif", 0))
    (folder / "Z0.ome.tif").unlink()
    with open_volume(folder) as volume:
        assert volume.layout.origins["axes"] == "folder of planes"
        np.testing.assert_array_equal(volume.read()[0], IMAGE[0, 0, 1:])
    for file in sorted(folder.iterdir()):
        file.rename(folder / f"crop_{file.name}")
    with open_volume(folder) as volume:
        np.testing.assert_array_equal(volume.read()[0], IMAGE[0, 0, 1:])


def test_a_set_that_does_not_place_every_plane_is_refused(tmp_path: Path) -> None:
    folder = write_ome_set(tmp_path / "brain", IMAGE[:1], a_channel_to_a_file)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b'FirstC="1" FirstZ="3"', b'FirstC="1" FirstZ="2"'))
    with pytest.raises(
        IncompleteVolume, match="tells of 15 planes and names no file for 1 of them, first t 0, c 1, z 3"
    ):
        open_volume(folder)


def write_blaze(folder: Path, image: np.ndarray = IMAGE[0]) -> Path:
    folder.mkdir()
    for c, channel in enumerate(image):
        for z, plane in enumerate(channel):
            tifffile.imwrite(folder / BLAZE.format(c=c, z=z + 8), plane, metadata={"axes": "YX"})
    return folder


def test_channels_of_a_blaze_are_told_apart_by_its_file_names(tmp_path: Path) -> None:
    with open_volume(write_blaze(tmp_path / "brain")) as volume:
        assert (volume.frames, volume.channels, volume.shape, volume.axes) == (1, 3, (5, 30, 37), "czyx")
        assert volume.layout.channel_names == ("C00", "C01", "C02")
        assert volume.layout.origins["image"] == f"15 files, {BLAZE.format(c=0, z=8)} to {BLAZE.format(c=2, z=12)}"
        assert volume.layout.origins["axes"] == "file names"
        np.testing.assert_array_equal(volume.read(), IMAGE[0])
        np.testing.assert_array_equal(volume.read(REGION, channel=2)[0], IMAGE[(0, 2, *REGION)])
    with open_volume(tmp_path / "brain", channel="C01") as volume:
        assert volume.axes == "zyx"
        np.testing.assert_array_equal(volume.read(REGION)[0], IMAGE[(0, 1, *REGION)])


def test_tiles_that_are_not_stitched_are_refused_by_name(tmp_path: Path) -> None:
    folder = write_blaze(tmp_path / "brain")
    for file in list(folder.iterdir()):
        (folder / file.name.replace("[00 x 00]", "[00 x 01]")).write_bytes(file.read_bytes())
    with pytest.raises(
        UnreadableVolume, match=r"it holds 2 tiles that are not stitched: \[00 x 00\], \[00 x 01\]\. Stitch"
    ):
        open_volume(folder)


def test_a_stack_for_each_channel_is_read_as_channels(tmp_path: Path) -> None:
    for c, stack in enumerate(IMAGE[0]):
        tifffile.imwrite(
            tmp_path / f"brain_C{c:02d}_Z0.tif", stack, compression="zlib", rowsperstrip=7, photometric="minisblack"
        )
    with open_volume(tmp_path) as volume:
        assert (volume.channels, volume.shape) == (3, (5, 30, 37))
        np.testing.assert_array_equal(volume.read(REGION), IMAGE[(0, slice(None), *REGION)])
    tifffile.imwrite(tmp_path / "brain_C01_Z0.tif", IMAGE[0, 1, :4], photometric="minisblack")
    with pytest.raises(IncompleteVolume, match=r"brain_C01_Z0\.tif: it has 4 pages of 5"):
        open_volume(tmp_path)


def test_a_page_of_a_stack_that_is_damaged_is_named(tmp_path: Path) -> None:
    for c, stack in enumerate(IMAGE[0]):
        tifffile.imwrite(tmp_path / f"b_C{c}_Z0.tif", stack, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "b_C1_Z0.tif") as tiff:
        offset = tiff.pages[3].dataoffsets[0]
    with (tmp_path / "b_C1_Z0.tif").open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff" * 40)
    with open_volume(tmp_path) as volume:
        np.testing.assert_array_equal(volume.read(channel=0)[0], IMAGE[0, 0])
        with pytest.raises(UnreadableVolume, match=r"b_C1_Z0\.tif: page 3 is damaged"):
            volume.read(channel=1)


def test_colour_planes_in_several_channels_are_refused(tmp_path: Path) -> None:
    for c in range(2):
        for z in range(2):
            tifffile.imwrite(tmp_path / f"C{c}_Z{z}.tif", np.zeros((8, 9, 3), "uint8"), photometric="rgb")
    with pytest.raises(UnreadableVolume, match=r"have samples .* and come in 2 channels"):
        open_volume(tmp_path)
