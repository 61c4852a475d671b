"""Makes 40 damaged images and 20 good ones, and sees what `ecc-px check` says of each.

python scripts/damaged_inputs.py OUT            makes OUT/damaged/NAME and OUT/good/NAME (about 10 MB)
python scripts/damaged_inputs.py --check        makes them in a temporary folder, runs `ecc-px check` on each and says
                                                which are refused for the true reason and which raise a false alarm

Every image is written by tifffile, h5py, nibabel or zarr, never by ecc_px itself.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt
import tifffile
import zarr

Array = npt.NDArray[Any]
Make = Callable[[Path], Path]

SHAPE = (20, 96, 80)
OFFSET = 100
"""What a camera gives for no light."""


@dataclass(frozen=True)
class Case:
    """An image, and the truth about it.

    Parameters
    ----------
    name : str
    make : function of a folder
        Writes the image into it and gives its path.
    kind : str
        The kind that a finding must have; '' for a good image.
    says : str
        A regular expression that the finding's sentence must match: the place, and the reason.
    """

    name: str
    make: Make
    kind: str = ""
    says: str = ""


DAMAGED: list[Case] = []
GOOD: list[Case] = []


def damaged(kind: str, says: str) -> Callable[[Make], Make]:
    def enter(make: Make) -> Make:
        DAMAGED.append(Case(make.__name__, make, kind, says))
        return make

    return enter


def good(make: Make) -> Make:
    GOOD.append(Case(make.__name__, make))
    return make


# ---- images ----------------------------------------------------------------------------------------------------------


@cache
def brain(dtype: str = "uint16", seed: int = 0) -> Array:
    """Tissue with cells in the middle, camera noise everywhere, dark towards both ends."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    tissue = np.clip(1.1 - (z**2 + y**2 + x**2), 0, 1) * 300
    for _ in range(60):
        centre = [random.integers(0, n) for n in SHAPE]
        near = tuple(slice(max(0, c - 2), c + 3) for c in centre)
        tissue[near] += 800 * (tissue[near] > 0)
    light = random.poisson(tissue + 20) + random.normal(OFFSET, 3, SHAPE)
    image = np.clip(light, 0, 65535)
    return (image / 6).clip(0, 255).astype(dtype) if dtype == "uint8" else image.astype(dtype)


def masked() -> Array:
    """The brain with 0 around it, as after a mask."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return np.where(z**2 + y**2 + x**2 < 0.9, brain(), 0).astype(np.uint16)


def planes(folder: Path, image: Array, name: str = "brain_Z{:04}.tif", **how: Any) -> Path:
    """A folder of planes."""
    folder = folder / "brain"
    folder.mkdir(exist_ok=True)
    for number, plane in enumerate(image):
        tifffile.imwrite(folder / name.format(number), plane, **how)
    return folder


def ome_planes(folder: Path, image: Array) -> Path:
    """A folder of planes each of which tells of all the others, as microscopes write it."""
    folder = planes(folder, image)
    names = [path.name for path in sorted(folder.iterdir())]
    entries = "".join(
        f'<TiffData FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:0-{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    depth, height, width = image.shape
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="{depth}" SizeC="1" SizeT="1" '
        f'PhysicalSizeX="2" PhysicalSizeY="2" PhysicalSizeZ="5">{entries}</Pixels></Image></OME>'
    )
    for plane, name in zip(image, names, strict=True):
        tifffile.imwrite(folder / name, plane, description=xml, metadata=None)
    return folder


def tiff(folder: Path, image: Array, **how: Any) -> Path:
    path = folder / "brain.tif"
    tifffile.imwrite(path, image, **how)
    return path


def hdf5(folder: Path, image: Array, **how: Any) -> Path:
    path = folder / "brain.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("exported_data", data=image, **how)
    return path


def ome_zarr(folder: Path, image: Array, chunks: tuple[int, ...] = (8, 32, 32), **how: Any) -> Path:
    path = folder / "brain.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [5.0, 2.0, 2.0]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    separator = {"name": "v2", "separator": "/"}
    array = group.create_array(
        "0", shape=image.shape, chunks=chunks, dtype=image.dtype, chunk_key_encoding=separator, **how
    )
    array[:] = image
    return path


def nifti(folder: Path, image: Array, suffix: str = ".nii") -> Path:
    path = folder / f"brain{suffix}"
    header = nib.Nifti1Header()
    header.set_xyzt_units("mm")
    nib.save(nib.Nifti1Image(image.T, np.diag([0.002, 0.002, 0.005, 1]), header), path)
    return path


# ---- damages ---------------------------------------------------------------------------------------------------------


def cut(path: Path, share: float = 0.6) -> None:
    """The file ends too early."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def zero_from(path: Path, share: float) -> None:
    """The file has its length, but its end is zeros: a copy tool reserved its room and was interrupted."""
    data = path.read_bytes()
    kept = int(len(data) * share)
    path.write_bytes(data[:kept] + bytes(len(data) - kept))


def scramble(path: Path, at: int, count: int = 64) -> None:
    """Bytes of a file are others."""
    data = bytearray(path.read_bytes())
    data[at : at + count] = bytes(byte ^ 0x5A for byte in data[at : at + count])
    path.write_bytes(data)


def chunk_at(path: Path, corner: tuple[int, ...]) -> tuple[int, int]:
    """Where a chunk of the HDF5 image lies in its file: first byte and number of bytes."""
    with h5py.File(path, "r") as file:
        info = file["exported_data"].id.get_chunk_info_by_coord(corner)
    return int(info.byte_offset), int(info.size)


def blank(image: Array, *where: Any, value: int = 0) -> Array:
    """A copy in which a part is one value."""
    image = image.copy()
    image[where] = value
    return image


# ---- damaged: folders of planes --------------------------------------------------------------------------------------


@damaged("missing plane", r"brain_Z0007\.tif is missing")
def planes_one_missing(folder: Path) -> Path:
    path = planes(folder, brain())
    (path / "brain_Z0007.tif").unlink()
    return path


@damaged("missing plane", r"brain_Z0004\.tif to brain_Z0006\.tif \(3\) are missing")
def planes_three_missing(folder: Path) -> Path:
    path = planes(folder, brain())
    for number in (4, 5, 6):
        (path / f"brain_Z{number:04}.tif").unlink()
    return path


@damaged("missing plane", r"brain_Z0019\.tif is missing: brain_Z0000\.tif tells of it")
def planes_last_missing(folder: Path) -> Path:
    path = ome_planes(folder, brain())
    (path / "brain_Z0018.tif").unlink()
    (path / "brain_Z0019.tif").unlink()
    return path


@damaged("cut short", r"brain_Z0005\.tif: the plane was cut short")
def planes_cut_short(folder: Path) -> Path:
    path = planes(folder, brain())
    cut(path / "brain_Z0005.tif")
    return path


@damaged("cut short", r"brain_Z0005\.tif: the plane was cut short")
def planes_compressed_cut_short(folder: Path) -> Path:
    path = planes(folder, brain(), compression="zlib", rowsperstrip=16)
    cut(path / "brain_Z0005.tif", 0.9)
    return path


@damaged("cut short", r"brain_Z0011\.tif: the file is empty")
def planes_empty_file(folder: Path) -> Path:
    path = planes(folder, brain())
    cut(path / "brain_Z0011.tif", 0)
    return path


@damaged("odd plane", r"brain_Z0003\.tif: the plane is 80 × 80 uint16, the others are 96 × 80 uint16")
def planes_another_shape(folder: Path) -> Path:
    path = planes(folder, brain())
    tifffile.imwrite(path / "brain_Z0003.tif", brain()[3, :80])
    return path


@damaged("odd plane", r"brain_Z0000\.tif: the plane is 96 × 80 uint8, the others are 96 × 80 uint16")
def planes_another_type(folder: Path) -> Path:
    path = planes(folder, brain())
    tifffile.imwrite(path / "brain_Z0000.tif", brain("uint8")[0])
    return path


@damaged("duplicate", r"plane brain_Z0004\.tif and plane brain_Z0009\.tif are the same image")
def planes_one_twice(folder: Path) -> Path:
    path = planes(folder, brain())
    shutil.copy(path / "brain_Z0004.tif", path / "brain_Z0009.tif")
    return path


@damaged("duplicate", r"brain_Z0004\.tif and brain_Z4\.tif are the same plane")
def planes_two_with_one_number(folder: Path) -> Path:
    path = planes(folder, brain())
    shutil.copy(path / "brain_Z0004.tif", path / "brain_Z4.tif")
    return path


@damaged("stranger", r"MAX_brain\.tif: it does not belong to the series")
def planes_with_a_projection(folder: Path) -> Path:
    path = planes(folder, brain())
    tifffile.imwrite(path / "MAX_brain.tif", brain().max(axis=0))
    return path


@damaged("zero-filled", r"brain_Z0008\.tif: from y \d+ on every voxel is 0")
def planes_zero_tail(folder: Path) -> Path:
    path = planes(folder, brain())
    zero_from(path / "brain_Z0008.tif", 0.45)
    return path


@damaged("zero-filled", r"brain_Z0019\.tif: from y \d+ on every voxel is 0")
def planes_zero_tail_of_the_last(folder: Path) -> Path:
    path = planes(folder, brain())
    zero_from(path / "brain_Z0019.tif", 0.7)
    return path


@damaged("zero-filled", r"brain_Z0008\.tif: it has its length, but all of it is zeros")
def planes_reserved_only(folder: Path) -> Path:
    path = planes(folder, brain())
    zero_from(path / "brain_Z0008.tif", 0)
    return path


@damaged("zero-filled", r"brain_Z0008\.tif: its last [\d,]+ of [\d,]+ bytes are zeros: its copy is not finished")
def planes_compressed_zero_tail(folder: Path) -> Path:
    path = planes(folder, brain(), compression="zlib", rowsperstrip=16)
    zero_from(path / "brain_Z0008.tif", 0.5)
    return path


@damaged("zero-filled", r"brain_Z0008\.tif: in y 30:60 every voxel is 0")
def planes_with_a_hole(folder: Path) -> Path:
    return planes(folder, blank(brain(), 8, slice(30, 60)))


@damaged("blank", r"planes brain_Z0008\.tif to brain_Z0009\.tif \(2\): every voxel is 0")
def planes_blank_inside(folder: Path) -> Path:
    return planes(folder, blank(brain(), slice(8, 10)))


@damaged("unequal channels", r"channel 01 has 18 planes, all channels together have 20")
def planes_channels_of_unequal_depth(folder: Path) -> Path:
    planes(folder, brain(), "brain_C00_Z{:04}.tif")
    return planes(folder, brain(seed=1)[:18], "brain_C01_Z{:04}.tif")


@damaged("unstitched", r"2 tiles \(00 x 00, 00 x 01\) that nobody has stitched")
def planes_of_unstitched_tiles(folder: Path) -> Path:
    planes(folder, brain(), "16-20-13_UltraII[00 x 00]_C00_xyz-Table Z{:04}.ome.tif")
    return planes(folder, brain(seed=1), "16-20-13_UltraII[00 x 01]_C00_xyz-Table Z{:04}.ome.tif")


@damaged("cut short", r"the copy of brain_Z0019\.tif is not finished")
def planes_still_arriving(folder: Path) -> Path:
    path = planes(folder, brain())
    (path / "brain_Z0019.tif").rename(path / ".brain_Z0019.tif.Xy12ab")
    return path


@damaged("unreadable", r"brain_Z0006\.tif: it is no TIFF")
def planes_one_is_no_tiff(folder: Path) -> Path:
    path = planes(folder, brain())
    (path / "brain_Z0006.tif").write_text("The network name cannot be found.")
    return path


# ---- damaged: one TIFF file ------------------------------------------------------------------------------------------


@damaged("cut short", r"the file was cut short")
def tiff_cut_short(folder: Path) -> Path:
    path = tiff(folder, brain())
    cut(path)
    return path


@damaged("zero-filled", r"brain\.tif: its last [\d,]+ of [\d,]+ bytes are zeros: its copy is not finished")
def tiff_zero_tail(folder: Path) -> Path:
    path = tiff(folder, brain(), imagej=True)
    zero_from(path, 0.63)
    return path


@damaged("blank", r"plane 7: every voxel is 100")
def tiff_blank_plane(folder: Path) -> Path:
    return tiff(folder, blank(brain(), 7, value=100))


@damaged("unreadable", r"page 9 can't be read")
def tiff_strip_damaged(folder: Path) -> Path:
    path = tiff(folder, brain(), compression="zlib")
    with tifffile.TiffFile(path) as file:
        at = file.pages[9].dataoffsets[0]
    scramble(path, at)
    return path


@damaged("missing plane", r"its metadata tells of planes that are not in the file")
def tiff_fewer_planes_than_told(folder: Path) -> Path:
    path = folder / "brain.ome.tif"
    tifffile.imwrite(path, brain()[:15], metadata={"axes": "ZYX"}, compression="zlib")
    path.write_bytes(
        path.read_bytes().replace(b'SizeZ="15"', b'SizeZ="20"').replace(b'PlaneCount="15"', b'PlaneCount="20"')
    )
    return path


@damaged("duplicate", r"plane 4 and plane 5 are the same image")
def tiff_one_plane_twice(folder: Path) -> Path:
    image = brain().copy()
    image[5] = image[4]
    return tiff(folder, image, bigtiff=True, compression="zlib")


# ---- damaged: HDF5 ---------------------------------------------------------------------------------------------------


@damaged("cut short", r"the HDF5 file was cut short")
def hdf5_cut_short(folder: Path) -> Path:
    path = hdf5(folder, brain(), chunks=(8, 32, 32), compression="gzip")
    cut(path)
    return path


@damaged("unreadable", r"can't be read at z 8:16, y 32:64, x 32:64")
def hdf5_chunk_damaged(folder: Path) -> Path:
    path = hdf5(folder, brain(), chunks=(8, 32, 32), compression="gzip")
    scramble(path, chunk_at(path, (8, 32, 32))[0] + 100)
    return path


@damaged("unreadable", r"can't be read at z 16:20, y 0:32, x 64:80")
def hdf5_checksum_wrong(folder: Path) -> Path:
    path = hdf5(folder, brain(), chunks=(8, 32, 32), fletcher32=True)
    scramble(path, chunk_at(path, (16, 0, 64))[0] + 100)
    return path


@damaged("missing chunk", r"z 8:16, y 32:64, x 32:64")
def hdf5_chunk_never_written(folder: Path) -> Path:
    path, image = folder / "brain.h5", brain()
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("exported_data", image.shape, image.dtype, chunks=(8, 32, 32))
        for z, y, x in np.ndindex(3, 3, 3):
            part = np.s_[z * 8 : z * 8 + 8, y * 32 : y * 32 + 32, x * 32 : x * 32 + 32]
            if (z, y, x) != (1, 1, 1):
                dataset[part] = image[part]
    return path


@damaged("missing chunk", r"planes 8 to 11 \(4\): the file has no chunks there")
def hdf5_planes_never_written(folder: Path) -> Path:
    path = folder / "brain.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("exported_data", SHAPE, np.uint16, chunks=(4, 48, 48), compression="lzf")
        for z in (0, 4, 12, 16):
            dataset[z : z + 4] = brain()[z : z + 4]
    return path


@damaged("zero-filled", r"plane 13: from y \d+ on every voxel is 0")
def hdf5_zero_tail(folder: Path) -> Path:
    path = hdf5(folder, brain())
    zero_from(path, 0.68)
    return path


# ---- damaged: OME-Zarr -----------------------------------------------------------------------------------------------


@damaged("missing chunk", r"z 8:16, y 32:64, x 32:64")
def zarr_chunk_file_missing(folder: Path) -> Path:
    path = ome_zarr(folder, brain())
    (path / "0" / "1" / "1" / "1").unlink()
    return path


@damaged("missing chunk", r"z 0:8, y 0:32, x 0:32")
def zarr_corner_chunk_file_missing(folder: Path) -> Path:
    path = ome_zarr(folder, brain())
    (path / "0" / "0" / "0" / "0").unlink()
    return path


@damaged("cut short", r"brain\.ome\.zarr/0/1/0/1: the chunk file was cut short: [\d,]+ of [\d,]+ bytes")
def zarr_chunk_file_cut_short(folder: Path) -> Path:
    path = ome_zarr(folder, brain())
    cut(path / "0" / "1" / "0" / "1")
    return path


@damaged("unreadable", r"a chunk is damaged at z 0:8, y 64:96, x 64:80")
def zarr_uncompressed_chunk_file_cut_short(folder: Path) -> Path:
    path = ome_zarr(folder, brain(), compressors=None)
    cut(path / "0" / "0" / "2" / "2")
    return path


# ---- damaged: NIfTI --------------------------------------------------------------------------------------------------


@damaged("cut short", r"the file was cut short")
def nifti_cut_short(folder: Path) -> Path:
    path = nifti(folder, brain())
    cut(path, 0.99)
    return path


@damaged("unreadable", r"the file is damaged")
def nifti_gz_damaged(folder: Path) -> Path:
    path = nifti(folder, brain(), ".nii.gz")
    scramble(path, path.stat().st_size // 2)
    return path


@damaged("zero-filled", r"plane 16: from y \d+ on every voxel is 0")
def nifti_zero_tail(folder: Path) -> Path:
    path = nifti(folder, brain())
    zero_from(path, 0.83)
    return path


# ---- good ------------------------------------------------------------------------------------------------------------


@good
def planes_of_a_brain_with_dark_ends(folder: Path) -> Path:
    dark = np.random.default_rng(5).normal(OFFSET, 3, (12, *SHAPE[1:])).astype(np.uint16)
    path = planes(folder, np.concatenate([dark[:6], brain(), dark[6:]]))
    for name in ("Thumbs.db", "notes.txt", "._brain_Z0001.tif"):
        (path / name).write_bytes(b"x")
    return path


@good
def planes_each_telling_of_all(folder: Path) -> Path:
    return ome_planes(folder, brain())


@good
def planes_of_8_bits_with_ends_of_almost_nothing(folder: Path) -> Path:
    light = (brain().astype(int) - OFFSET - 18).clip(0, 255).astype(np.uint8)
    light[[0, 1, 18, 19]] = np.random.default_rng(6).random((4, *SHAPE[1:])) < 0.001
    return planes(folder, light, compression="lzw")


@good
def planes_saturated(folder: Path) -> Path:
    return planes(folder, np.where(brain() > 200, 65535, brain()).astype(np.uint16))


@good
def planes_padded_at_both_ends(folder: Path) -> Path:
    return planes(folder, np.pad(brain(), ((3, 3), (0, 0), (0, 0))))


@good
def planes_stitched_with_shifted_tiles(folder: Path) -> Path:
    image = np.zeros((26, 180, 150), np.uint16)
    for number, (z, y, x) in enumerate([(0, 0, 3), (2, 4, 70), (4, 84, 0), (6, 80, 66)]):
        image[z : z + 20, y : y + 96, x : x + 80] = brain(seed=number)
    return planes(folder, image)


@good
def planes_with_time_stamps(folder: Path) -> Path:
    path = planes(folder, brain(), "2026-11-20 [00 x 00] C00 Z{:04}.tif")
    stamp = 100_000
    for number, plane in enumerate(sorted(path.iterdir())):
        stamp += 3 + number % 2
        plane.rename(plane.with_name(f"{plane.stem} t{stamp}.tif"))
    return path


@good
def tiff_masked(folder: Path) -> Path:
    return tiff(folder, masked(), compression="zlib")


@good
def tiff_of_one_plane(folder: Path) -> Path:
    return tiff(folder, brain()[10])


@good
def tiff_grey_as_rgb(folder: Path) -> Path:
    return tiff(folder, np.repeat(brain("uint8")[10][..., None], 3, axis=2), photometric="rgb")


@good
def tiff_time_series(folder: Path) -> Path:
    return tiff(folder, brain(), imagej=True, metadata={"axes": "TYX"})


@good
def tiff_each_plane_twice(folder: Path) -> Path:
    return tiff(folder, brain().repeat(2, axis=0))


@good
def tiff_drawn_mask(folder: Path) -> Path:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    spheres = ((z - 0.4) ** 2 + y**2 + x**2 < 0.3) | ((z + 0.5) ** 2 + y**2 + x**2 < 0.2)
    return tiff(folder, spheres.astype(np.uint8) * 255)


@good
def hdf5_of_two_channels(folder: Path) -> Path:
    return hdf5(folder, np.stack([brain(), brain(seed=1)], axis=-1), chunks=(8, 32, 32, 1), compression="gzip")


@good
def hdf5_written_only_where_the_brain_is(folder: Path) -> Path:
    path, image = folder / "brain.h5", masked()
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("exported_data", image.shape, image.dtype, chunks=(4, 16, 16))
        for z, y, x in np.ndindex(5, 6, 5):
            part = np.s_[z * 4 : z * 4 + 4, y * 16 : y * 16 + 16, x * 16 : x * 16 + 16]
            if image[part].any():
                dataset[part] = image[part]
    return path


@good
def hdf5_with_the_background_subtracted(folder: Path) -> Path:
    return hdf5(folder, (brain().astype(np.float32) - OFFSET - 20).clip(0), chunks=(8, 32, 32))


@good
def zarr_sparse(folder: Path) -> Path:
    random = np.random.default_rng(7)
    image = np.zeros(SHAPE, np.uint16)
    for z, y, x in random.integers(0, np.array(SHAPE) - 4, (12, 3)):
        image[z : z + 2, y : y + 4, x : x + 4] = random.integers(200, 900, (2, 4, 4))
    return ome_zarr(folder, image, chunks=(4, 16, 16))


@good
def zarr_masked_without_empty_chunks(folder: Path) -> Path:
    return ome_zarr(folder, masked(), chunks=(4, 16, 16))


@good
def zarr_padded(folder: Path) -> Path:
    return ome_zarr(folder, np.pad(brain(), ((8, 8), (32, 0), (0, 48))))


@good
def nifti_gz_signed(folder: Path) -> Path:
    return nifti(folder, brain().astype(np.int16) - 120, ".nii.gz")


# ---- command line ----------------------------------------------------------------------------------------------------


def make_all(out: Path, kind: str, cases: list[Case]) -> dict[str, Path]:
    """Write each case into a folder of its name; → its path by name."""
    made = {}
    for case in cases:
        folder = out / kind / case.name
        folder.mkdir(parents=True)
        made[case.name] = case.make(folder)
    return made


def reports_of(paths: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """What `ecc-px check --json` says of each."""
    command = [sys.executable, "-m", "ecc_px", "check", "--json", *map(str, paths.values())]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.stderr:
        sys.exit(finished.stderr)
    return dict(zip(paths, json.loads(finished.stdout), strict=True))


def has_true_reason(case: Case, report: dict[str, Any]) -> bool:
    """Whether a report tells what is wrong with a case, and where."""
    return any(f["kind"] == case.kind and re.search(case.says, f["sentence"]) for f in report["findings"])


def check_all(out: Path) -> int:
    """Print what the check says of every case; → how many are wrong."""
    wrong = 0
    for case, report in zip(DAMAGED, reports_of(make_all(out, "damaged", DAMAGED)).values(), strict=True):
        true = has_true_reason(case, report)
        wrong += not true
        said = "; ".join(f["sentence"].replace(str(out), "") for f in report["findings"]) or "nothing"
        print(f"{'ok   ' if true else 'WRONG'} {case.name}: {said}")
    refused = len(DAMAGED) - wrong
    alarms = 0
    for case, report in zip(GOOD, reports_of(make_all(out, "good", GOOD)).values(), strict=True):
        alarms += not report["ok"]
        said = "; ".join(f["sentence"].replace(str(out), "") for f in report["findings"] + report["warnings"])
        print(f"{'ok   ' if report['ok'] else 'ALARM'} {case.name}{': ' if said else ''}{said}")
    print(
        f"{refused} of {len(DAMAGED)} damaged inputs refused for the true reason; {alarms} false alarms on {len(GOOD)}"
    )
    return wrong + alarms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, help="folder to make them in; must not exist")
    parser.add_argument("--check", action="store_true", help="run ecc-px check on all of them")
    arguments = parser.parse_args()
    if arguments.out is None and not arguments.check:
        parser.error("say where to make them, or --check")
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        if arguments.check:
            sys.exit(1 if check_all(out) else 0)
        for kind, cases in (("damaged", DAMAGED), ("good", GOOD)):
            make_all(out, kind, cases)


if __name__ == "__main__":
    main()
