from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from foreign_files import noise, write_ome_zarr_04, write_ome_zarr_05

from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

IMAGE = noise((1, 33, 300, 40), "uint16")
VOXEL_UM = (5.0, 2.0, 2.0)


def write(path: Path, image: np.ndarray = IMAGE, axes: str = "zyx", **options) -> Path:
    extent = dict(zip("czyx", image.shape, strict=True))
    layout = Layout(
        axes,
        tuple(extent[a] for a in axes),
        image.dtype,
        voxel_um=VOXEL_UM,
        chunks=tuple(1 if a == "c" else 32 for a in axes),
        channel_names=("nuclei", "vessels") if "c" in axes else None,
    )
    with create_volume(path, layout, **options) as writer:
        writer.write(whole(image.shape[1:]), image)
    return path


@pytest.mark.parametrize("foreign", [write_ome_zarr_04, write_ome_zarr_05])
def test_a_level_is_chosen_with_its_voxel_size(foreign, tmp_path: Path) -> None:
    image = noise((20, 30, 40), "uint8")
    volume = open_volume(foreign(tmp_path, image), level=1)
    np.testing.assert_array_equal(volume.read()[0], image[::2, ::2, ::2])
    assert volume.voxel_um == pytest.approx((10, 4, 3))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_coarser_levels_are_means_of_eight(version: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", ngff_version=version)
    fine = np.pad(IMAGE[0].astype(float), ((0, 1), (0, 0), (0, 0)), mode="edge")
    expected = np.rint(fine.reshape(17, 2, 150, 2, 20, 2).mean((1, 3, 5)))
    volume = open_volume(path, level=1)
    np.testing.assert_array_equal(volume.read()[0], expected)
    assert volume.voxel_um == (10, 4, 4)
    assert sorted(zarr.open_group(path, mode="r").keys()) == ["0", "1"]


def test_class_numbers_are_never_averaged(tmp_path: Path) -> None:
    classes = np.random.default_rng(0).integers(1, 4, (1, 33, 300, 40)).astype("uint8")
    volume = open_volume(write(tmp_path / "a.zarr", classes, downsampling="nearest"), level=1)
    np.testing.assert_array_equal(volume.read(), classes[:, ::2, ::2, ::2])


@pytest.mark.parametrize(("version", "zarr_format"), [("0.4", 2), ("0.5", 3)])
def test_metadata_are_those_of_the_version(version: str, zarr_format: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", noise((2, 4, 5, 6), "uint8"), "zyxc", ngff_version=version)
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == zarr_format
    ome = group.attrs["ome"] if version == "0.5" else group.attrs
    image = ome["multiscales"][0]
    assert (ome if version == "0.5" else image)["version"] == version
    assert [(axis["name"], axis["type"]) for axis in image["axes"]] == [
        ("c", "channel"),
        ("z", "space"),
        ("y", "space"),
        ("x", "space"),
    ]
    assert image["axes"][1]["unit"] == "micrometer"
    assert image["datasets"][0]["coordinateTransformations"][0] == {"type": "scale", "scale": [1, 5, 2, 2]}
    assert open_volume(path).layout.channel_names == ("nuclei", "vessels")
    # Chunks lie in nested folders, as version 0.4 demands.
    assert (path / "0" / ("0" if version == "0.4" else "c/0") / "0" / "0" / "0").is_file()


def test_the_place_of_coarse_voxels_is_stated(tmp_path: Path) -> None:
    group = zarr.open_group(write(tmp_path / "a.zarr"), mode="r")
    coarse = group.attrs["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert coarse[0] == {"type": "scale", "scale": [10, 4, 4]}
    assert coarse[1] == {"type": "translation", "translation": [2.5, 1, 1]}


def test_an_image_inside_a_zarr_folder_and_a_plain_array_are_read(tmp_path: Path) -> None:
    image = noise((20, 30, 40), "uint8")
    outer = tmp_path / "outer.zarr"
    zarr.open_group(outer, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    write_ome_zarr_04(outer, image).rename(outer / "0")
    for path in (outer, outer / "0"):
        volume = open_volume(path)
        assert volume.name == "outer"
        np.testing.assert_array_equal(volume.read()[0], image)
    coarser = open_volume(outer / "0" / "1")
    assert (coarser.axes, coarser.voxel_um) == ("czyx", (10.0, 4.0, 3.0))
    zarr.create_array(tmp_path / "plain.zarr", data=image)
    plain = open_volume(tmp_path / "plain.zarr")
    assert (plain.axes, plain.voxel_um) == ("zyx", None)


def test_scales_without_unit_are_no_voxel_size(tmp_path: Path) -> None:
    path = write_ome_zarr_04(tmp_path, noise((4, 5, 6), "uint8"))
    group = zarr.open_group(path, mode="a")
    multiscales = group.attrs["multiscales"]
    for axis in multiscales[0]["axes"]:
        axis.pop("unit", None)
    group.attrs["multiscales"] = multiscales
    assert open_volume(path).voxel_um is None
