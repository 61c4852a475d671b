"""`ecc-px convert` and `ecc-px info IMAGE`, as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from ecc_px.volumes import open_volume

IMAGE = np.arange(6 * 20 * 30, dtype="uint16").reshape(6, 20, 30)


def ecc_px(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecc_px", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def brain(tmp_path: Path) -> Path:
    path = tmp_path / "brain.tif"
    metadata = {"axes": "ZYX", "spacing": 5, "unit": "um"}
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path


def test_convert_takes_voxel_size_and_chunks_in_the_order_z_y_x(brain: Path, tmp_path: Path) -> None:
    target = tmp_path / "brain.h5"
    ended = ecc_px("convert", brain, target, "--voxel-um", 4, 3, 2, "--chunks", 2, 10, 15, "--compression", "lzf")
    assert ended.returncode == 0, ended.stderr
    assert "the voxel size given, 4 × 3 × 2 µm (z y x), is not the file's 5 × 2 × 2 µm" in ended.stderr
    with open_volume(target) as volume:
        np.testing.assert_array_equal(volume.read()[0], IMAGE)
        assert volume.voxel_um == (4, 3, 2)
        assert volume.layout.chunks == (2, 10, 15)


def test_convert_refuses_an_existing_target_with_one_sentence(brain: Path, tmp_path: Path) -> None:
    target = tmp_path / "brain.nii.gz"
    target.write_text("something else")
    ended = ecc_px("convert", brain, target)
    assert ended.returncode == 1
    assert f"Error: {target} is already there: pass --overwrite (overwrite=True) to replace it." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert target.read_text() == "something else"
    assert ecc_px("convert", brain, target, "--overwrite").returncode == 0


def test_convert_leaves_nothing_of_a_damaged_source(brain: Path, tmp_path: Path) -> None:
    brain.write_bytes(brain.read_bytes()[:3000])
    ended = ecc_px("convert", brain, tmp_path / "out.h5")
    assert ended.returncode == 1
    assert ended.stderr.count("brain.tif") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["brain.tif"]


def test_info_says_where_each_fact_came_from(brain: Path) -> None:
    shown = ecc_px("info", brain).stdout
    for fact in ("z 6, y 20, x 30", "uint16", "5 × 2 × 2 µm (z y x)", "ImageJ spacing and unit", "ImageJ description"):
        assert fact in shown


def test_info_says_that_the_voxel_size_is_unknown_and_how_to_give_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "brain.tif", IMAGE)
    shown = ecc_px("info", tmp_path / "brain.tif").stdout
    assert "The voxel size is unknown: pass --voxel-um Z Y X" in shown


def test_info_of_what_is_no_image_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "brain.h5").write_text("no HDF5")
    ended = ecc_px("info", tmp_path / "brain.h5")
    assert ended.returncode == 1
    assert ended.stderr.strip() == f"Error: {tmp_path / 'brain.h5'}: it is no HDF5 file, whatever its name says."
