from __future__ import annotations

from pathlib import Path

import numpy as np
import ome_zarr_models.v04
import ome_zarr_models.v05
import pytest
import zarr
from foreign_files import noise, write_ome_zarr_04, write_ome_zarr_05

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import blocks_of, whole

IMAGE = noise((1, 33, 300, 40), "uint16")
VOXEL_UM = (5.0, 2.0, 2.0)


def write(path: Path, image: np.ndarray = IMAGE, axes: str = "zyx", **options) -> Path:
    extent = dict(zip("czyx", image.shape, strict=True)) | {"t": 1}
    layout = Layout(
        axes,
        tuple(extent[a] for a in axes),
        image.dtype,
        voxel_um=VOXEL_UM,
        chunks=tuple(1 if a in "tc" else 32 for a in axes),
        channel_names=("nuclei", "vessels")[: image.shape[0]] if "c" in axes else None,
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


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_that_are_all_0_are_not_written_on_any_level(version: str, tmp_path: Path) -> None:
    image = np.zeros((1, 64, 520, 96), "uint16")
    image[0, 40, 300, 50] = 9
    image[0, 2:4, :2, :2] = 1000
    path = write(tmp_path / "a.ome.zarr", image, ngff_version=version)
    assert {name.removeprefix("c/") for name in files_of(path / "0") if name[-1].isdecimal()} == {"0/0/0", "1/9/1"}
    # The single voxel of 9 is 1 in the mean of eight, and less than a half on the level after that.
    for level, holding in ((1, 2), (2, 1)):
        written = [name for name in files_of(path / str(level)) if name[-1].isdecimal()]
        assert len(written) == holding
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read(), image)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_any_number_of_threads_makes_the_same_bytes(version: str, tmp_path: Path) -> None:
    made = []
    for jobs in (1, 4):
        (tmp_path / str(jobs)).mkdir()
        made.append(files_of(write(tmp_path / str(jobs) / "a.ome.zarr", ngff_version=version, jobs=jobs)))
    assert made[0] == made[1]
    assert len(made[0]) > 20


def test_a_viewer_is_told_colours_and_contrast_as_the_schema_demands(tmp_path: Path) -> None:
    image = np.stack([np.full((4, 5, 6), 300), np.arange(120).reshape(4, 5, 6)]).astype("uint16")
    channels = zarr.open_group(write(tmp_path / "a.zarr", image, "zyxc"), mode="r").attrs["omero"]["channels"]
    assert [channel["color"] for channel in channels] == ["00FF00", "FF00FF"]
    assert channels[0]["window"] == {"min": 0, "max": 65535, "start": 300, "end": 301}
    assert channels[1]["window"] == {"min": 0, "max": 65535, "start": 0, "end": 119}
    probabilities = write(tmp_path / "p.zarr", image.astype("float32") / 300, "zyxc", attributes={"drange": (0.0, 1.0)})
    for channel in zarr.open_group(probabilities, mode="r").attrs["omero"]["channels"]:
        assert channel["window"] == {"min": 0, "max": 1, "start": 0, "end": 1}


@pytest.mark.parametrize(("version", "models"), [("0.4", ome_zarr_models.v04), ("0.5", ome_zarr_models.v05)])
@pytest.mark.parametrize("axes", ["zyx", "zyxc", "tzyxc"])
def test_another_program_s_model_of_the_format_finds_nothing_wrong(version: str, models, axes: str, tmp_path) -> None:
    path = write(tmp_path / "a.ome.zarr", IMAGE, axes, ngff_version=version)
    image = models.Image.from_zarr(zarr.open_group(path, mode="r"))
    attributes = image.attributes if version == "0.4" else image.attributes.ome
    assert [axis.name for axis in attributes.multiscales[0].axes] == [axis for axis in "tczyx" if axis in axes]
    assert len(attributes.multiscales[0].datasets) == 2


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_was_encoded_ahead_is_stored_as_if_it_had_been_written(version: str, tmp_path: Path) -> None:
    image = np.where(np.arange(300)[:, None] % 96 < 32, IMAGE, 0)
    written = write(tmp_path / "a.ome.zarr", image, ngff_version=version)
    layout = Layout("zyx", image.shape[1:], image.dtype, voxel_um=VOXEL_UM, chunks=(32, 32, 32))
    (tmp_path / "b").mkdir()
    regions = [block.core for block in blocks_of(image.shape[1:], (32, 96, 40))] + [
        (slice(3, 5), slice(7, 9), slice(1, 2))
    ]
    with create_volume(tmp_path / "b" / "a.ome.zarr", layout, ngff_version=version) as writer:
        for encoded in [writer.encode(region, image[(slice(None), *region)]) for region in regions]:
            writer.store(encoded)
    assert files_of(tmp_path / "b" / "a.ome.zarr") == files_of(written)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_chunk_that_was_cut_short_is_never_read_as_something(version: str, tmp_path: Path) -> None:
    """Blosc alone would go on with what lies in memory behind it."""
    volume = open_volume(write(tmp_path / "a.ome.zarr", ngff_version=version))
    chunk = max((file for file in volume.array_folder.rglob("*") if file.is_file()), key=lambda f: f.stat().st_size)
    packed = chunk.read_bytes()
    for length in (len(packed) - 1, len(packed) // 2, 40, 15, 0):
        chunk.write_bytes(packed[:length])
        with pytest.raises(UnreadableVolume, match=f"a chunk is damaged at .*cut short: {length:,} of"):
            volume.read()
    chunk.write_bytes(packed)
    np.testing.assert_array_equal(volume.read(), IMAGE)
