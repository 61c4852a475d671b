"""What is no image, or not all of one, is refused with a sentence that names it."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from foreign_files import (
    FOREIGN_WRITERS,
    noise,
    write_compressed_planes,
    write_hdf5_with_axistags,
    write_nifti,
    write_nifti_gz,
    write_ome_tiff,
    write_ome_zarr_04,
    write_plain_planes,
    write_tiled_compressed_big_tiff,
)

from ecc_px.errors import EccPxError, IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes import open_volume
from ecc_px.volumes.dtypes import LABEL_DTYPES

IMAGE = noise((12, 64, 48), "uint16")


def cut(path: Path, fraction: float) -> Path:
    os.truncate(path, int(path.stat().st_size * fraction))
    return path


def plane(stack: Path, number: int) -> Path:
    return next(path for path in stack.iterdir() if path.name.endswith(f"_Z{number}.ome.tif") and path.name[0] != ".")


@pytest.mark.parametrize("name", ["no.h5", "no.tif", "no.nii.gz", "no.ome.zarr", "no_folder", "no.h5/volume/data"])
def test_a_path_that_does_not_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match=rf"{name}: there is no such file or folder"):
        open_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["brain.h5", "brain.tif", "brain.nii", "brain.nii.gz"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UnreadableVolume, match=rf"{name}: the file is empty"):
        open_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["brain.h5", "brain.tif", "brain.nii", "brain.nii.gz", "brain.png", "brain"])
def test_a_file_that_is_no_image(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Dear colleague, please find the data attached. " * 40)
    with pytest.raises(UnreadableVolume, match=rf"{name}: it is no "):
        open_volume(tmp_path / name)


def test_a_folder_without_planes_and_a_zarr_folder_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(UnreadableVolume, match="no TIFF planes"):
        open_volume(tmp_path)
    (tmp_path / "brain.zarr").mkdir()
    with pytest.raises(UnreadableVolume, match=r"brain\.zarr: it is no Zarr folder"):
        open_volume(tmp_path / "brain.zarr")
    zarr.open_group(tmp_path / "group.zarr", mode="w").create_group("tables")
    with pytest.raises(UnreadableVolume, match=r"no OME-Zarr image.*it holds tables"):
        open_volume(tmp_path / "group.zarr")


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint64", "float16", "float64"])
def test_other_voxel_types_are_named_with_what_to_do(dtype: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = np.zeros((5, 6, 7), dtype)
    with pytest.raises(UnreadableVolume, match=rf"voxels are {dtype}; we read uint8.*Save it as"):
        open_volume(tmp_path / "brain.h5")


def test_a_caller_that_takes_class_numbers_reads_every_integer_type(tmp_path: Path) -> None:
    labels = np.arange(5 * 6 * 7).reshape(5, 6, 7) % 4
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = labels.astype("int64")
    tifffile.imwrite(tmp_path / "a.tif", labels.astype("int32"))
    zarr.save_array(tmp_path / "a.zarr", labels.astype("uint64"))
    nib.save(nib.Nifti1Image(labels.astype("int8").T, np.eye(4)), tmp_path / "a.nii.gz")
    for name, dtype in (("a.h5", "int64"), ("a.tif", "int32"), ("a.zarr", "uint64"), ("a.nii.gz", "int8")):
        with open_volume(tmp_path / name, dtypes=LABEL_DTYPES) as volume:
            assert volume.dtype == dtype
            np.testing.assert_array_equal(volume.read()[0], labels)


def test_float64_tiff_and_nifti_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "brain.tif", np.zeros((5, 6, 7)))
    nib.save(nib.Nifti1Image(np.zeros((7, 6, 5)), np.eye(4)), tmp_path / "brain.nii")
    for name in ("brain.tif", "brain.nii"):
        with pytest.raises(UnreadableVolume, match="voxels are float64"):
            open_volume(tmp_path / name)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    "write",
    [write_hdf5_with_axistags, write_ome_tiff, write_tiled_compressed_big_tiff, write_nifti, write_nifti_gz],
    ids=lambda write: write.__name__,
)
def test_a_file_cut_short_is_refused_before_its_end_is_missed(write, fraction: float, tmp_path: Path) -> None:
    path = cut(write(tmp_path, IMAGE), fraction)
    with pytest.raises(UnreadableVolume, match=path.name), open_volume(path) as volume:
        volume.read()


def test_a_tiff_cut_between_two_pages_is_not_taken_for_a_shorter_stack(tmp_path: Path) -> None:
    path = tmp_path / "brain.tif"
    with tifffile.TiffWriter(path) as tiff:
        for page in IMAGE:
            tiff.write(page, metadata=None, contiguous=False)
    with pytest.raises(IncompleteVolume, match="cut short: after page 6 there should be another"):
        open_volume(cut(path, 0.5))


def test_a_damaged_hdf5_chunk_names_the_dataset_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "brain.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", data=IMAGE, chunks=(6, 32, 48), compression="gzip")
        info = dataset.id.get_chunk_info(3)
    with path.open("r+b") as raw:
        raw.seek(info.byte_offset)
        raw.write(b"\xff" * 500)
    z, y, _ = info.chunk_offset
    with open_volume(path) as volume:
        with pytest.raises(UnreadableVolume, match=rf"/data can't be read at z {z}:{z + 1}, y {y}:{y + 1}"):
            volume.read((slice(z, z + 1), slice(y, y + 1), slice(0, 5)))
        other = 6 - z
        np.testing.assert_array_equal(
            volume.read((slice(other, other + 6), slice(0, 32), slice(0, 48)))[0], IMAGE[other : other + 6, :32]
        )


def test_a_damaged_zarr_chunk_names_the_place(tmp_path: Path) -> None:
    path = write_ome_zarr_04(tmp_path, IMAGE)
    chunk = path / "0" / "0" / "0" / "1" / "1"
    chunk.write_bytes(chunk.read_bytes()[:50])
    with open_volume(path) as volume, pytest.raises(UnreadableVolume, match=r"brain\.ome\.zarr: a chunk is damaged"):
        volume.read()


def test_a_damaged_tiff_tile_names_the_page(tmp_path: Path) -> None:
    path = write_tiled_compressed_big_tiff(tmp_path, IMAGE)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[7].dataoffsets[0]
    with path.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff" * 40)
    with open_volume(path) as volume, pytest.raises(UnreadableVolume, match=r"brain\.tiff: page 7 can't be read"):
        volume.read()


def test_a_missing_plane_is_refused_by_its_number(tmp_path: Path) -> None:
    stack = write_plain_planes(tmp_path, IMAGE)
    plane(stack, 11).unlink()
    with pytest.raises(IncompleteVolume, match=r"plane 11 missing.*found 11 of 12"):
        open_volume(stack)


@pytest.mark.parametrize("write", [write_plain_planes, write_compressed_planes], ids=lambda write: write.__name__)
def test_a_truncated_plane_is_refused_by_name(write, tmp_path: Path) -> None:
    stack = write(tmp_path, IMAGE)
    cut(plane(stack, 13), 0.6)
    with pytest.raises(UnreadableVolume, match=r"_Z13\.ome\.tif"):
        open_volume(stack)


def test_an_empty_plane_is_refused_by_name(tmp_path: Path) -> None:
    stack = write_plain_planes(tmp_path, IMAGE)
    cut(plane(stack, 9), 0)
    with pytest.raises(UnreadableVolume, match=r"_Z9\.ome\.tif: the plane is empty"):
        open_volume(stack)


@pytest.mark.parametrize("odd", [IMAGE[0, :32], IMAGE[0].astype("uint8"), IMAGE[:2]], ids=["shape", "dtype", "pages"])
def test_a_plane_unlike_the_others_is_refused_by_name(odd, tmp_path: Path) -> None:
    stack = write_plain_planes(tmp_path, IMAGE)
    tifffile.imwrite(plane(stack, 14), odd, photometric="minisblack")
    with pytest.raises(UnreadableVolume, match=r"_Z14\.ome\.tif: (the plane is|it holds 2 pages)"):
        open_volume(stack)


def test_a_plane_that_changes_after_opening_is_refused_by_name(tmp_path: Path) -> None:
    stack = write_plain_planes(tmp_path, IMAGE)
    volume = open_volume(stack)
    plane(stack, 10).unlink()
    with pytest.raises(IncompleteVolume, match=r"_Z10\.ome\.tif: the plane has gone"):
        volume.read()


def test_a_level_or_dataset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="no level 2, only 0 to 1"):
        open_volume(write_ome_zarr_04(tmp_path, IMAGE), level=2)
    with pytest.raises(InvalidSetting, match=r"no dataset 'volume/dat'.*Its images: volume/data"):
        open_volume(write_hdf5_with_axistags(tmp_path, IMAGE), inner_path="volume/dat")
    with pytest.raises(InvalidSetting, match=r"brain\.nii: there is no level 1: it is no pyramid"):
        open_volume(write_nifti(tmp_path, IMAGE), level=1)


@pytest.mark.parametrize("write", FOREIGN_WRITERS, ids=lambda write: write.__name__)
def test_axes_that_do_not_fit_name_the_file(write, tmp_path: Path) -> None:
    path = write(tmp_path, IMAGE)
    for axes in ("zy", "zyy", "zyq"):
        with pytest.raises(InvalidSetting, match=f"{path.name}: axes '{axes}'"):
            open_volume(path, axes=axes)


def test_a_gzip_that_decompresses_to_less_than_its_header_says(tmp_path: Path) -> None:
    plain = cut(write_nifti(tmp_path, IMAGE), 0.7)
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with open_volume(tmp_path / "short.nii.gz") as volume, pytest.raises(IncompleteVolume, match="cut short"):
        volume.read()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("write", FOREIGN_WRITERS, ids=lambda write: write.__name__)
def test_damage_is_refused_or_harmless_but_never_another_error(write, seed: int, tmp_path: Path) -> None:
    path = write(tmp_path, noise((5, 20, 24), "uint16"))
    rng = np.random.default_rng(seed)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    victim = files[rng.integers(len(files))]
    data = bytearray(victim.read_bytes())
    # Most of what can go wrong in strange ways stands at the beginning.
    for at in rng.integers(min(len(data), 600), size=min(len(data), 12)):
        data[at] = rng.integers(256)
    victim.write_bytes(data)
    with contextlib.suppress(EccPxError), open_volume(path) as volume:
        volume.read((slice(0, 1), slice(0, 8), slice(0, 8)))


def test_a_file_that_is_being_written_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    reader = "import sys; from ecc_px.volumes import open_volume; open_volume(sys.argv[1])"
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = IMAGE
        file.flush()
        command = [sys.executable, "-c", reader, str(tmp_path / "brain.h5")]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "brain.h5: another program is writing it" in ended.stderr
