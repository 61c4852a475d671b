from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes import open_volume
from ecc_px.volumes.plane_series import PlaneSeries, series_of, tiff_files_in


def series_in(folder: Path) -> PlaneSeries:
    return series_of(folder, tiff_files_in(folder))


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
        ["c0001.tif", "c0002.tif", "c0003.tif"],
        ["only.tif"],
    ],
    ids=["natural", "date", "brackets", "suffixes", "time stamp", "every second", "counted by c", "one"],
)
def test_planes_come_in_the_order_of_their_running_number(names: list[str], tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*names, "Thumbs.db", "notes.txt", "._z9.tif", ".DS_Store"])
    (tmp_path / "sub.tif").mkdir()
    series = series_in(folder)
    assert [[path.name for path in planes] for planes in series.planes] == [names]
    assert series.channels is None


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
        series_in(folder_of(tmp_path, names))


BLAZE = "11-14-17_PV 2_Blaze[00 x 00]_C{:02d}_xyz-Table Z{:04d}.ome.tif"


@pytest.mark.parametrize(
    ("pattern", "channels"),
    [
        (BLAZE, ("C00", "C02")),
        ("16-17-27_0_8X-s3-20HF_UltraII_C{:02d}_xyz-Table Z{:04d}.ome.tif", ("C00", "C02")),
        ("C{}_Z{}.tif", ("C0", "C2")),
        ("Z{1}_ch{0:02d}.tif", ("ch00", "ch02")),
        ("brain channel {} slice {:03d}.tif", ("channel0", "channel2")),
    ],
)
def test_channels_are_told_apart_by_the_number_after_a_c(
    pattern: str, channels: tuple[str, ...], tmp_path: Path
) -> None:
    planes = [[pattern.format(c, z) for z in (8, 9, 10)] for c in (0, 2)]
    series = series_in(folder_of(tmp_path, [name for names in planes for name in names]))
    assert [[path.name for path in names] for names in series.planes] == planes
    assert series.channels == channels


def test_two_files_of_one_plane_are_channels_if_their_names_say_so(tmp_path: Path) -> None:
    series = series_in(folder_of(tmp_path, [BLAZE.format(0, 7), BLAZE.format(1, 7)]))
    assert (len(series.planes), len(series.planes[0]), series.channels) == (2, 1, ("C00", "C01"))


def test_a_plane_that_one_channel_lacks_is_refused_with_both(tmp_path: Path) -> None:
    names = [BLAZE.format(c, z) for c in (0, 1) for z in range(5)]
    folder = folder_of(tmp_path, [name for name in names if name != BLAZE.format(1, 4)])
    with pytest.raises(IncompleteVolume, match="channel C01 lacks plane 4, which another channel has"):
        series_in(folder)
    (folder / BLAZE.format(0, 2)).unlink()
    with pytest.raises(IncompleteVolume, match="plane 2 missing"):
        series_in(folder)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["z1.tif", "z2.tif", "max projection.tif"], r"max projection\.tif does not belong to the series of z1\.tif"),
        (["z1.tif", "z01.tif", "z2.tif"], r"z01\.tif and z1\.tif are the same plane"),
        (["z1.tif", "z1.tiff"], r"z1\.tif and z1\.tiff are the same plane"),
        (["a0_z0.tif", "a0_z1.tif", "a1_z0.tif", "a1_z1.tif"], "none of them is marked as a channel"),
        (["C0_Z0.tif", "C0_Z00.tif", "C1_Z0.tif", "C1_Z1.tif"], r"C0_Z0\.tif and C0_Z00\.tif are the same plane"),
        (
            ["b[00 x 00]_C00 Z0.tif", "b[00 x 01]_C00 Z0.tif", "b[01 x 00]_C00 Z0.tif"],
            r"it holds 3 tiles that are not stitched: \[00 x 00\], \[00 x 01\], \[01 x 00\]\. Stitch them first",
        ),
        ([f"b_Tile{t}_Ch488_Z{z}.tif" for t in range(9) for z in range(2)], "it holds 9 tiles .* Tile4 and 4 more"),
    ],
)
def test_what_is_not_one_stack_is_refused_by_name(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match=message):
        series_in(folder_of(tmp_path, names))


def test_three_thousand_planes_are_opened_once_each(tmp_path: Path) -> None:
    """scripts/measure_opening.py says how long it takes."""
    tifffile.imwrite(tmp_path / "Z0000.tif", np.arange(64, dtype="uint16").reshape(8, 8), compression="zlib")
    plane = (tmp_path / "Z0000.tif").read_bytes()
    for number in range(1, 3000):
        (tmp_path / f"Z{number:04d}.tif").write_bytes(plane)
    opened: Counter[str] = Counter()
    watching = True

    def note(event: str, arguments: tuple) -> None:
        if watching and event == "open" and str(arguments[0]).endswith(".tif"):
            opened[Path(arguments[0]).name] += 1

    sys.addaudithook(note)
    with open_volume(tmp_path) as volume:
        assert volume.shape == (3000, 8, 8)
        assert len(opened) == 3000
        # The first says what the others must be.
        assert sum(opened.values()) == 3001
        opened.clear()
        volume.read((slice(1000, 1002), slice(0, 8), slice(0, 8)))
    watching = False
    assert sorted(opened) == ["Z1000.tif", "Z1001.tif"]
