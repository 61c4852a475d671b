from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from foreign_files import noise

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((5, 24, 20), "uint16")


def test_pages_of_which_nobody_says_what_they_are_are_planes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, metadata=None)
    volume = open_volume(tmp_path / "a.tif")
    assert (volume.axes, volume.layout.origins["axes"]) == ("zyx", "number of dimensions")
    assert volume.voxel_um is None


def test_axes_given_win(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, metadata={"axes": "TYX"})
    assert open_volume(tmp_path / "a.tif").frames == 5
    volume = open_volume(tmp_path / "a.tif", axes="zyx")
    assert volume.shape == IMAGE.shape
    assert volume.layout.origins["axes"] == "given"
    np.testing.assert_array_equal(volume.read()[0], IMAGE)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"rowsperstrip": 5}])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colour_images_have_channels(planarconfig: str, options: dict, tmp_path: Path) -> None:
    image = noise((24, 20, 3), "uint8")
    stored = image if planarconfig == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planarconfig, **options)
    volume = open_volume(tmp_path / "a.tif")
    assert (volume.shape, volume.channels) == ((1, 24, 20), 3)
    region = (slice(0, 1), slice(3, 21), slice(2, 19))
    np.testing.assert_array_equal(volume.read(region), np.moveaxis(image, -1, 0)[:, None, 3:21, 2:19])
    np.testing.assert_array_equal(volume.read(region, channel=1)[0, 0], image[3:21, 2:19, 1])


def test_hyperstacks_have_time_and_channels(tmp_path: Path) -> None:
    image = noise((2, 5, 3, 24, 20), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "TZCYX"})
    tifffile.imwrite(
        tmp_path / "b.ome.tif",
        image,
        compression="zlib",
        metadata={"axes": "TZCYX", "Channel": {"Name": ["a", "b", "c"]}},
    )
    for name in ("a.tif", "b.ome.tif"):
        with open_volume(tmp_path / name) as volume:
            assert (volume.frames, volume.channels, volume.shape) == (2, 3, (5, 24, 20))
            np.testing.assert_array_equal(volume.read(frame=1, channel=2)[0], image[1, :, 2])
    assert open_volume(tmp_path / "b.ome.tif").layout.channel_names == ("a", "b", "c")


def test_dimensions_of_unclear_meaning_ask_for_axes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((2, 5, 24, 20), "uint16"))
    with pytest.raises(UnreadableVolume, match="pass --axes"):
        open_volume(tmp_path / "a.tif")
    assert open_volume(tmp_path / "a.tif", axes="czyx").channels == 2


def test_a_pyramid_has_levels_with_their_voxel_size(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "PhysicalSizeX": 2, "PhysicalSizeY": 2, "PhysicalSizeZ": 5}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        tiff.write(IMAGE, subifds=1, tile=(16, 16), metadata=metadata)
        tiff.write(IMAGE[:, ::2, ::2], subfiletype=1, tile=(16, 16))
    volume = open_volume(tmp_path / "a.ome.tif", level=1)
    assert volume.voxel_um == (5, 4, 4)
    np.testing.assert_array_equal(volume.read()[0], IMAGE[:, ::2, ::2])
    np.testing.assert_array_equal(open_volume(tmp_path / "a.ome.tif").read()[0], IMAGE)


def test_an_ome_tiff_that_refers_to_other_files_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE[0], metadata={"axes": "YX"})
    xml = tifffile.tiffcomment(tmp_path / "a.ome.tif")
    tifffile.tiffcomment(tmp_path / "a.ome.tif", xml.replace('SizeZ="1"', 'SizeZ="5"').encode())
    with pytest.raises(IncompleteVolume, match="planes that are not in the file"):
        open_volume(tmp_path / "a.ome.tif")


def test_pages_of_different_shape_are_refused_with_the_shapes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(IMAGE[0], metadata=None)
        tiff.write(IMAGE[0, :7], metadata=None)
    with pytest.raises(UnreadableVolume, match=r"not make one image but 2, of shapes \(24, 20\), \(7, 20\)"):
        open_volume(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (5000, 4000), "resolutionunit": "CENTIMETER"}, (1.0, 2.5, 2.0)),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (1, 1), "resolutionunit": "NONE"}, None),
        ({}, None),
    ],
)
def test_resolution_tags_count_only_in_centimetres(options: dict, expected, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], **options)
    assert open_volume(tmp_path / "a.tif").voxel_um == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"spacing": 0.005, "unit": "mm"}, (5, 2000, 2000)),
        ({"spacing": 5, "unit": "pixel"}, None),
        ({"spacing": 5}, None),
        ({"unit": "um"}, None),
        ({"spacing": 5, "unit": "\\u00B5m"}, (5, 2, 2)),
    ],
    ids=["mm", "pixels", "no unit", "no spacing", "micro sign"],
)
def test_imagej_sizes_need_a_unit_and_a_spacing(metadata: dict, expected, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", IMAGE, imagej=True, resolution=(0.5, 0.5), metadata={"axes": "ZYX", **metadata}
    )
    voxel_um = open_volume(tmp_path / "a.tif").voxel_um
    assert voxel_um == (None if expected is None else pytest.approx(expected))


def test_half_a_voxel_size_is_unknown_and_says_why(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata={"axes": "ZYX", "PhysicalSizeX": 2, "PhysicalSizeY": 2})
    layout = open_volume(tmp_path / "a.ome.tif").layout
    assert layout.voxel_um is None
    assert layout.origins["voxel size"] == "unknown: the OME-XML PhysicalSize know only x, y"
