from __future__ import annotations

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from foreign_files import noise, write_imagej_tiff, write_nifti_gz

from ecc_px.errors import InvalidSetting, OutputExists
from ecc_px.volumes import Layout, Volume, convert, create_volume, open_volume
from ecc_px.volumes.conversion import piece_shape
from ecc_px.volumes.volume import SUPPORTED_DTYPES

FORMATS = ("h5", "tif", "ome.tif", "nii", "nii.gz", "ome.zarr", "")
VOXEL_UM = (5.0, 2.0, 1.25)


def named(folder: Path, stem: str, extension: str) -> Path:
    return folder / (f"{stem}.{extension}" if extension else stem)


def make(path: Path, image: np.ndarray, axes: str = "zyx") -> Path:
    """An HDF5 file of ours with `image` (t, c, z, y, x)."""
    extent = dict(zip("tczyx", image.shape, strict=True))
    layout = Layout(axes, tuple(extent[a] for a in axes), image.dtype, voxel_um=VOXEL_UM)
    whole = tuple(slice(0, n) for n in image.shape[2:])
    with create_volume(path, layout) as writer:
        for frame, canonical in enumerate(image):
            writer.write(whole, canonical, frame=frame)
    return path


def everything(volume: Volume) -> np.ndarray:
    return np.stack([volume.read(frame=frame) for frame in range(volume.frames)])


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_values_and_voxel_size_survive_any_two_formats(first: str, second: str, tmp_path: Path) -> None:
    image = noise((1, 1, 9, 21, 18), "uint16")
    one, two = named(tmp_path, "one", first), named(tmp_path, "two", second)
    convert(make(tmp_path / "source.h5", image), one)
    convert(one, two)
    with open_volume(two) as volume:
        np.testing.assert_array_equal(everything(volume), image)
        assert volume.voxel_um == pytest.approx(VOXEL_UM, rel=1e-6)
        assert volume.shape == (9, 21, 18)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("dtype", SUPPORTED_DTYPES)
def test_every_voxel_type_survives_every_format(extension: str, dtype: str, tmp_path: Path) -> None:
    image = noise((1, 1, 5, 12, 7), dtype)
    target = named(tmp_path, "target", extension)
    convert(make(tmp_path / "source.h5", image), target)
    with open_volume(target) as volume:
        assert volume.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(everything(volume), image)


@pytest.mark.parametrize("extension", FORMATS)
def test_channels_survive_every_format(extension: str, tmp_path: Path) -> None:
    image = noise((1, 3, 6, 12, 7), "uint8")
    target = named(tmp_path, "target", extension)
    convert(make(tmp_path / "source.h5", image, "zyxc"), target)
    with open_volume(target) as volume:
        np.testing.assert_array_equal(everything(volume), image)


@pytest.mark.parametrize("extension", [e for e in FORMATS if e])
def test_time_points_and_channels_survive_every_single_file(extension: str, tmp_path: Path) -> None:
    image = noise((2, 3, 6, 12, 7), "uint16")
    target = named(tmp_path, "target", extension)
    convert(make(tmp_path / "source.h5", image, "cxtyz"), target)
    with open_volume(target) as volume:
        np.testing.assert_array_equal(everything(volume), image)


@pytest.mark.parametrize("extension", FORMATS)
def test_two_dimensional_images_survive_every_format(extension: str, tmp_path: Path) -> None:
    image = noise((1, 1, 1, 12, 7), "uint16")
    target = named(tmp_path, "target", extension)
    convert(make(tmp_path / "source.h5", image, "yx"), target)
    with open_volume(target) as volume:
        np.testing.assert_array_equal(everything(volume), image)
        assert volume.voxel_um is not None
        assert volume.voxel_um[1:] == pytest.approx(VOXEL_UM[1:], rel=1e-6)


@pytest.mark.parametrize("extension", FORMATS)
def test_unknown_voxel_size_stays_unknown(extension: str, tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    tifffile.imwrite(source, noise((5, 12, 7), "uint16"))
    target = named(tmp_path, "target", extension)
    convert(source, target)
    with open_volume(target) as volume:
        assert volume.voxel_um is None


def test_pieces_smaller_than_the_image_make_the_same_file(tmp_path: Path) -> None:
    image = noise((1, 2, 20, 33, 41), "uint16")
    source = make(tmp_path / "source.h5", image, "zyxc")
    for extension in FORMATS:
        target = named(tmp_path, "target", extension)
        convert(source, target, chunks=(8, 16, 16), workers=3, piece_bytes=6000)
        with open_volume(target) as volume:
            np.testing.assert_array_equal(everything(volume), image, err_msg=extension)


def test_other_programs_read_what_we_write(tmp_path: Path) -> None:
    image = noise((1, 1, 9, 21, 18), "uint16")
    source = make(tmp_path / "source.h5", image)
    stack = image[0, 0]
    for extension in FORMATS:
        convert(source, named(tmp_path, "t", extension))

    with h5py.File(tmp_path / "t.h5") as file:
        np.testing.assert_array_equal(file["exported_data"][:], stack)
        assert [d.label for d in file["exported_data"].dims] == ["z", "y", "x"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "t.tif"), stack)
    with tifffile.TiffFile(tmp_path / "t.tif") as file:
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["spacing"] == VOXEL_UM[0]
    with tifffile.TiffFile(tmp_path / "t.ome.tif") as file:
        assert file.is_ome
        np.testing.assert_array_equal(file.asarray(), stack)
    nifti = nib.load(tmp_path / "t.nii.gz")
    np.testing.assert_array_equal(np.asarray(nifti.dataobj).T, stack)
    assert nifti.header.get_xyzt_units()[0] == "mm"
    assert nib.aff2axcodes(nifti.affine) == ("R", "P", "I")
    np.testing.assert_allclose(nifti.header.get_zooms(), np.array(VOXEL_UM[::-1]) / 1000, rtol=1e-6)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "t.ome.zarr", mode="r")["0"][:], stack)
    planes = sorted((tmp_path / "t").iterdir())
    assert [p.name for p in planes[:2]] == ["t_z0000.tif", "t_z0001.tif"]
    np.testing.assert_array_equal(tifffile.imread(planes, is_ome=False), stack)


def test_given_voxel_size_wins_and_a_different_one_in_the_file_is_told(tmp_path: Path) -> None:
    source = write_imagej_tiff(tmp_path, noise((5, 12, 7), "uint16"))
    warning = convert(source, tmp_path / "a.h5", voxel_um=(4.0, 2.0, 1.5))
    assert warning is not None
    assert "4 × 2 × 1.5" in warning
    assert "5 × 2 × 1.5" in warning
    assert convert(source, tmp_path / "b.h5", voxel_um=(5.01, 2.0, 1.5)) is None
    with open_volume(tmp_path / "a.h5") as volume:
        assert volume.voxel_um == (4.0, 2.0, 1.5)


def test_chunks_are_64_cubed_by_default_and_as_asked_otherwise(tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    tifffile.imwrite(source, np.zeros((70, 80, 90), "uint8"), metadata={"axes": "ZYX"})
    convert(source, tmp_path / "a.h5")
    convert(source, tmp_path / "b.h5", chunks=(32, 128, 50))
    assert open_volume(tmp_path / "a.h5").layout.chunks == (64, 64, 64)
    assert open_volume(tmp_path / "b.h5").layout.chunks == (32, 80, 50)


def test_progress_ends_at_the_number_of_voxels(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    source = write_nifti_gz(tmp_path, noise((5, 12, 7), "uint8"))
    convert(source, tmp_path / "a.h5", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5 * 12 * 7, 5 * 12 * 7)


def test_existing_target_is_kept_unless_overwritten(tmp_path: Path) -> None:
    source = write_imagej_tiff(tmp_path, noise((5, 12, 7), "uint16"))
    for extension in FORMATS:
        target = named(tmp_path, "target", extension)
        convert(source, target)
        with pytest.raises(OutputExists, match="--overwrite"):
            convert(source, target)
        convert(source, target, overwrite=True, voxel_um=(9, 9, 9))
        with open_volume(target) as volume:
            assert volume.voxel_um == pytest.approx((9, 9, 9))
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_source_is_never_the_target(tmp_path: Path) -> None:
    source = write_imagej_tiff(tmp_path, noise((5, 12, 7), "uint16"))
    with pytest.raises(InvalidSetting, match="the target is the source"):
        convert(source, source, overwrite=True)


def test_planes_refuse_time_points(tmp_path: Path) -> None:
    source = make(tmp_path / "source.h5", noise((2, 1, 3, 4, 5), "uint8"), "tzyx")
    with pytest.raises(InvalidSetting, match="2 time points"):
        convert(source, tmp_path / "planes")


def layout_with(chunks: tuple[int, int, int] | None, extent: int = 2048) -> Layout:
    return Layout("zyx", (extent,) * 3, np.dtype("uint16"), chunks=chunks)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((64, 64, 64), None),
        ((64, 64, 64), (128, 128, 128)),
        ((128, 128, 128), (64, 64, 64)),
        ((1, 2048, 2048), (64, 64, 64)),
        (None, (64, 64, 64)),
        (None, None),
    ],
)
def test_no_chunk_is_decoded_or_encoded_twice(source, target) -> None:
    piece = piece_shape(layout_with(source), layout_with(target), 64 * 2**20)
    assert 2 * np.prod(piece) <= 512 * 2**20
    for chunks in (source, target):
        assert all(n % chunk == 0 for n, chunk in zip(piece, chunks or (1, 1, 1), strict=True))


def test_memory_is_bounded_also_where_planes_are_huge() -> None:
    piece = piece_shape(layout_with((1, 16384, 16384), 16384), layout_with((64, 64, 64), 16384), 64 * 2**20)
    assert piece[0] == 64
    assert 2 * np.prod(piece) <= 512 * 2**20
