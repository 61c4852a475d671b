from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_files import noise, write_imagej_tiff, write_nifti
from hypothesis import given
from hypothesis import strategies as st

from ecc_px.errors import InvalidSetting
from ecc_px.volumes import Layout, create_volume, open_volume, resolve_voxel_size
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.voxel_size import micrometres_per, voxel_um_from


@pytest.mark.parametrize(
    ("unit", "um"),
    [("um", 1), ("µm", 1), ("μm", 1), ("\\u00B5m", 1), ("Micron", 1), ("micrometer", 1), ("nm", 1e-3), ("mm", 1e3)],
)
def test_units_of_all_formats_are_known(unit: str, um: float) -> None:
    assert micrometres_per(unit) == um


@pytest.mark.parametrize("unit", [None, "", "pixel", "reference frame", "second"])
def test_what_is_no_length_is_unknown(unit: str | None) -> None:
    assert micrometres_per(unit) is None


def test_a_size_of_zero_or_a_missing_axis_makes_the_voxel_size_unknown() -> None:
    assert voxel_um_from({"z": 5, "y": 2, "x": 2}, "zyx") == (5, 2, 2)
    assert voxel_um_from({"z": 0, "y": 2, "x": 2}, "zyx") is None
    assert voxel_um_from({"y": 2, "x": 2}, "zyx") is None
    assert voxel_um_from({"y": 2, "x": 2}, "yx") == (1, 2, 2)


@given(st.floats(-0.05, 0.05))
def test_more_than_one_per_cent_is_told(tmp_path_factory, difference: float) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "brain.tif"
    if not path.exists():
        write_imagej_tiff(folder, noise((3, 4, 5), "uint8"))
    volume = open_volume(path)
    given_um = (5.0, 2.0 * (1 + difference), 1.5)
    used, warning = resolve_voxel_size(volume, given_um)
    assert used == given_um
    if abs(difference) > 0.0101:
        assert warning is not None
        assert "brain.tif" in warning
    elif abs(difference) < 0.0099:
        assert warning is None


def test_the_file_speaks_where_nobody_else_does(tmp_path: Path) -> None:
    volume = open_volume(write_nifti(tmp_path, noise((3, 4, 5), "uint8")))
    assert resolve_voxel_size(volume, None) == (volume.voxel_um, None)


@pytest.mark.parametrize(
    "given_um",
    [(0, 1, 1), (-1, 2, 3), (float("nan"), 1, 1), (float("inf"), 1, 1), (5.0, 2.0), (5.0, 2.0, 2.0, 1.0), ()],
)
@pytest.mark.parametrize("is_stated", [True, False], ids=["file says", "file is silent"])
def test_a_voxel_size_that_no_voxel_can_have_is_refused(tmp_path: Path, given_um, is_stated: bool) -> None:
    path = tmp_path / "brain.h5"
    with create_volume(path, Layout("zyx", (3, 4, 5), np.dtype("uint8"), (5.0, 2.0, 2.0) if is_stated else None)):
        pass
    with open_volume(path) as volume, pytest.raises(InvalidSetting, match=r"voxel size.*three lengths"):
        resolve_voxel_size(volume, given_um)


@pytest.mark.parametrize("path", [".", "..", "plane/..", "../brain7.stack", "../brain7.stack/."])
def test_a_folder_is_called_by_its_name_however_one_points_to_it(path: str, tmp_path: Path, monkeypatch) -> None:
    here = tmp_path / "brain7.stack"
    (here / "plane").mkdir(parents=True)
    monkeypatch.chdir(here / "plane" if path == ".." else here)
    assert volume_name(Path(path)) == "brain7.stack"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("brain.h5", "brain"),
        ("brain.nii.gz", "brain"),
        ("brain.ome.tif", "brain"),
        ("Brain.OME.TIFF", "Brain"),
        ("brain3.ome.zarr", "brain3"),
        ("brain2/", "brain2"),
        ("brain.2026.v1.tif", "brain.2026.v1"),
        ("brain.v2/", "brain.v2"),
    ],
)
def test_a_volume_is_called_what_its_file_is_called(path: str, name: str) -> None:
    assert volume_name(Path(path)) == name
