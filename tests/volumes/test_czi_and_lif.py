"""Formats that another package reads for us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from foreign_files import VOXEL_UM, czi_file, lif_file, noise, write_czi, write_lif
from pylibCZIrw import czi

from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes import open_volume

IMAGE = noise((6, 30, 37), "uint16")


@pytest.mark.parametrize(
    ("write", "package", "extra"), [(write_czi, "pylibCZIrw", "czi"), (write_lif, "liffile", "lif")]
)
def test_without_the_package_the_error_says_how_to_get_it(write, package: str, extra: str, tmp_path: Path) -> None:
    path = write(tmp_path, IMAGE)
    program = f"import sys; sys.modules[{package!r}] = None; from ecc_px.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", program, "info", str(path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert f"needs the package {package}" in ended.stderr
    assert f"pip install 'ecc-px[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_scene_of_several_is_named_behind_the_path(tmp_path: Path) -> None:
    path = czi_file(tmp_path / "brain.czi", IMAGE[None, None], scenes=2)
    with pytest.raises(UnreadableVolume, match=r"it holds 2 scenes \(0, 1\): say which behind the path"):
        open_volume(path)
    with open_volume(path / "1") as volume:
        assert volume.name == "brain"
        assert volume.shape == (6, 30, 37)
        np.testing.assert_array_equal(volume.read()[0], IMAGE[:, ::-1])
        np.testing.assert_array_equal(
            volume.read((slice(2, 3), slice(4, 9), slice(5, 37)))[0], IMAGE[2:3, ::-1][:, 4:9, 5:]
        )
    with pytest.raises(InvalidSetting, match="it has no scene '2'"):
        open_volume(path / "2")


def test_tiles_of_a_mosaic_are_laid_where_the_stage_was(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for x in (0, 20):
            file.write(np.ascontiguousarray(IMAGE[0][:, x : x + 20]), location=(1000 + x, 500), plane={"Z": 0, "C": 0})
    with open_volume(tmp_path / "a.czi") as volume:
        assert (volume.shape, volume.voxel_um) == ((1, 30, 37), None)
        np.testing.assert_array_equal(volume.read()[0, 0], IMAGE[0])


def test_colour_is_refused(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        file.write(np.zeros((8, 9, 3), "uint8"), plane={"Z": 0, "C": 0})
    with pytest.raises(UnreadableVolume, match="its pixels are Bgr24"):
        open_volume(tmp_path / "a.czi")


def test_an_image_of_several_in_a_lif_is_named_behind_the_path(tmp_path: Path) -> None:
    image = IMAGE[None, :, None]
    path = lif_file(tmp_path / "brain.lif", {"overview": image[:, :1], "brain 3": image})
    with pytest.raises(UnreadableVolume, match=r"it holds 2 images \(overview, brain 3\): say which behind the path"):
        open_volume(path)
    for inner in ("brain 3", "1"):
        with open_volume(path / inner) as volume:
            assert volume.voxel_um == pytest.approx(VOXEL_UM)
            np.testing.assert_array_equal(volume.read()[0], IMAGE)
    with open_volume(path / "overview") as flat:
        assert flat.shape == (1, 30, 37)
    with pytest.raises(InvalidSetting, match="no single image 'other'; it has overview, brain 3"):
        open_volume(path / "other")


def test_a_lif_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_lif(tmp_path, IMAGE)
    os.truncate(path, path.stat().st_size - 1000)
    with pytest.raises(IncompleteVolume, match=r"brain\.lif: the file was cut short: .* Series001 reaches to"):
        open_volume(path)
