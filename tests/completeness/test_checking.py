"""What `ecc-px check` says: all findings, one line each, with an exit code; and what --allow-missing lets pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from damaged_inputs import SHAPE, blank, brain, cut, hdf5, ome_zarr, planes

from ecc_px.completeness import check_input
from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes import open_volume


def ecc_px(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecc_px", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def battered(tmp_path: Path) -> Path:
    """A folder with six defects of five kinds."""
    image = blank(brain(), 14)
    folder = planes(tmp_path, image)
    (folder / "brain_Z0003.tif").unlink()
    cut(folder / "brain_Z0005.tif")
    tifffile.imwrite(folder / "brain_Z0007.tif", image[7].astype(np.uint8))
    tifffile.imwrite(folder / "brain_Z0010.tif", image[9])
    (folder / "brain_Z0017.tif").write_bytes(b"")
    return folder


def test_every_defect_is_told_not_only_the_first(battered: Path) -> None:
    with pytest.raises(IncompleteVolume):
        open_volume(battered)
    report = check_input(battered, jobs=2)
    told = {(finding.kind.value, finding.where) for finding in report.findings}
    assert told == {
        ("missing plane", "brain_Z0003.tif"),
        ("cut short", "brain_Z0005.tif"),
        ("odd plane", "brain_Z0007.tif"),
        ("cut short", "brain_Z0017.tif"),
        ("blank", "plane brain_Z0014.tif"),
        ("duplicate", "plane brain_Z0009.tif and plane brain_Z0010.tif"),
    }
    with pytest.raises(
        IncompleteVolume, match=r"brain_Z0003\.tif is missing.* And 3 more: `ecc-px check .*` lists them"
    ):
        report.require_ok()


def test_the_command_prints_a_line_for_each_and_fails(battered: Path, tmp_path: Path) -> None:
    good = hdf5(tmp_path, brain())
    finished = ecc_px("check", battered, good, tmp_path / "nothing.h5")
    lines = finished.stdout.splitlines()
    assert finished.returncode == 1
    assert finished.stderr == ""
    assert len(lines) == 6 + 1 + 1 + 1 + 1 + 1
    assert lines[6] == f"{battered}: 6 things wrong; looked at every voxel."
    assert lines[7] == f"{good}: complete: 20 planes; looked at every voxel."
    assert "there is no such file" in lines[8]
    assert lines[-1] == "1 of 3 inputs are complete."
    alone = ecc_px("check", good)
    assert (alone.returncode, alone.stdout) == (0, lines[7] + "\n")


def test_machines_get_json(battered: Path) -> None:
    finished = ecc_px("check", "--json", "--quick", battered)
    (report,) = json.loads(finished.stdout)
    assert finished.returncode == 1
    assert not report["ok"]
    assert report["looked_at"] == "names, sizes and headers"
    assert [finding["kind"] for finding in report["findings"]] == [
        "missing plane",
        "cut short",
        "odd plane",
        "cut short",
    ]


def test_what_is_allowed_to_miss_is_empty_and_said(tmp_path: Path) -> None:
    folder = planes(tmp_path, brain())
    for number in (4, 5, 11):
        (folder / f"brain_Z{number:04}.tif").unlink()
    with open_volume(folder, allow_missing=True) as volume:
        image = volume.read()[0]
        assert volume.layout.origins["missing planes"] == "3 taken as empty (0): z 4, z 5, z 11"
    expected = blank(brain(), [4, 5, 11])
    assert np.array_equal(image, expected)
    report = check_input(folder, allow_missing=True, jobs=2)
    assert report.ok
    assert report.planes == SHAPE[0]
    assert [warning.sentence.rpartition(": ")[2] for warning in report.warnings] == [
        "planes brain_Z0004.tif to brain_Z0005.tif (2) are missing (found 17 of 20). Treated as empty.",
        "plane brain_Z0011.tif is missing (found 17 of 20). Treated as empty.",
    ]


def test_channels_may_miss_planes_of_each_other_if_allowed(tmp_path: Path) -> None:
    planes(tmp_path, brain(), "brain_C00_Z{:04}.tif")
    folder = planes(tmp_path, brain(seed=1)[:18], "brain_C01_Z{:04}.tif")
    with open_volume(folder, allow_missing=True) as volume:
        assert volume.channels == 2
        assert not volume.read()[1, 18:].any()
        assert np.array_equal(volume.read()[0], brain())
    assert check_input(folder, allow_missing=True, jobs=2).ok


def test_a_copied_channel_is_found(tmp_path: Path) -> None:
    planes(tmp_path, brain(), "brain_C00_Z{:04}.tif")
    folder = planes(tmp_path, brain(seed=1), "brain_C01_Z{:04}.tif")
    tifffile.imwrite(folder / "brain_C01_Z0006.tif", brain()[6])
    (finding,) = check_input(folder, jobs=2).findings
    assert finding.kind == "duplicate"
    assert finding.where == "channel 0, plane brain_C00_Z0006.tif and channel 1, plane brain_C01_Z0006.tif"
    assert check_input(folder, channel="C01", jobs=2).ok


def test_only_the_channel_that_is_asked_for_is_looked_at(tmp_path: Path) -> None:
    image = np.stack([brain(), blank(brain(seed=1), 8)])
    path = ome_zarr(tmp_path, image[0])
    both = hdf5(tmp_path, image, chunks=(1, 8, 32, 32))
    report = check_input(both / "exported_data", axes="czyx", jobs=2)
    assert [finding.where for finding in report.findings] == ["channel 1, plane 8"]
    assert check_input(both, axes="czyx", channel=0, jobs=2).ok
    with pytest.raises(InvalidSetting, match="no channel '2'"):
        check_input(path, channel=2)


def test_a_long_list_ends_with_a_number(tmp_path: Path) -> None:
    folder = tmp_path / "brain"
    folder.mkdir()
    for number in range(0, 600, 2):
        (folder / f"z{number:04}.tif").touch()
    report = check_input(folder, quick=True)
    assert len(report.findings) == 200
    assert report.more == 100
    with pytest.raises(UnreadableVolume, match="And 297 more"):
        report.require_ok()


def test_what_the_caller_says_of_the_voxel_size_is_compared(tmp_path: Path) -> None:
    report = check_input(ome_zarr(tmp_path, brain()), voxel_um=(10, 2, 2), quick=True)
    assert report.ok
    assert "is not the file's 5 × 2 × 2 µm" in report.warnings[0].sentence


def test_zeros_at_the_end_of_a_sound_image_are_no_reason(tmp_path: Path) -> None:
    """A type that we don't read is the reason, not that the image ends in zeros."""
    path = tmp_path / "brain.tif"
    tifffile.imwrite(path, blank(brain().astype(np.float64), slice(10, None)))
    (finding,) = check_input(path).findings
    assert "voxels are float64" in finding.sentence
