from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume
from ecc_px.volumes.plane_series import planes_in


def folder_of(tmp_path: Path, names: list[str]) -> Path:
    for name in names:
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "names",
    [
        ["z8.tif", "z9.tif", "z10.tif"],
        ["2026-11-22_brain3_Z0007.tif", "2026-11-22_brain3_Z0008.tif", "2026-11-22_brain3_Z0009.tif"],
        ["a b [01 x 02]_C00 Z1.ome.tif", "a b [01 x 02]_C00 Z2.ome.tif"],
        ["0.TIF", "1.tif", "2.tiff"],
        ["z0000_t120501.tif", "z0001_t120502.tif", "z0002_t120509.tif"],
        ["pos1200_z2.tif", "pos1207_z4.tif", "pos1215_z6.tif"],
        ["only.tif"],
    ],
    ids=["natural", "date", "brackets", "suffixes", "time stamp", "every second", "one"],
)
def test_planes_come_in_the_order_of_their_running_number(names: list[str], tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*names, "Thumbs.db", "notes.txt", "._z9.tif", ".DS_Store"])
    (tmp_path / "sub.tif").mkdir()
    assert [path.name for path in planes_in(folder)] == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["z1.tif", "z2.tif", "z5.tif"], "plane 3, 4 missing between z1.tif and z5.tif .found 3 of 5"),
        ([f"z{n}.tif" for n in (*range(5), *range(15, 20))], "plane 5, 6, 7, 8, 9 and 5 more missing"),
        (["z0.tif", "z2.tif", "z4.tif", "z8.tif"], "plane 6 missing"),
    ],
)
def test_a_gap_is_refused_with_the_numbers_that_are_missing(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(IncompleteVolume, match=message):
        planes_in(folder_of(tmp_path, names))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["z1.tif", "z2.tif", "max projection.tif"], r"max projection\.tif does not belong to the series of z1\.tif"),
        (["z1.tif", "z01.tif", "z2.tif"], r"z01\.tif and z1\.tif are the same plane"),
        (["z1.tif", "z1.tiff"], r"z1\.tif and z1\.tiff are the same plane"),
        (["C0_Z0.tif", "C0_Z1.tif", "C1_Z0.tif", "C1_Z1.tif"], "one channel and one tile only"),
    ],
)
def test_what_is_not_one_stack_is_refused_by_name(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match=message):
        planes_in(folder_of(tmp_path, names))


def test_three_thousand_planes_open_in_a_moment(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "Z0000.tif", np.arange(64, dtype="uint16").reshape(8, 8), compression="zlib")
    plane = (tmp_path / "Z0000.tif").read_bytes()
    for number in range(1, 3000):
        (tmp_path / f"Z{number:04d}.tif").write_bytes(plane)
    start = time.perf_counter()
    volume = open_volume(tmp_path)
    assert volume.shape == (3000, 8, 8)
    # About 0.7 s; the room is for a busy machine.
    assert time.perf_counter() - start < 10
