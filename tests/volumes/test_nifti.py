from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from foreign_files import noise

from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

IMAGE = noise((5, 6, 7), "int16")


def save(path: Path, stored: np.ndarray, *, slope: tuple[float, float] | None = None, unit: str = "micron") -> Path:
    image = nib.Nifti1Image(stored, np.diag([2.0, 2.0, 5.0, 1.0]))
    image.header.set_xyzt_units(unit)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_slope_turns_stored_numbers_into_float32_values(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    image = nib.Nifti1Image(IMAGE.T, np.eye(4))
    # nibabel divides by the slope when it saves: 0.5 and 10 make even numbers of what is stored.
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, path)
    volume = open_volume(path)
    assert volume.dtype == np.float32
    assert volume.layout.origins["dtype"] == "int16 × 0.5 + 10"
    np.testing.assert_array_equal(volume.read()[0].T, np.asarray(nib.load(path).dataobj).astype("float32"))
    region = (slice(1, 4), slice(2, 3), slice(0, 7))
    np.testing.assert_array_equal(volume.read(region)[0], volume.read()[0][region])


@pytest.mark.parametrize("slope", [(1, 0), (0, 0), (np.nan, np.nan)])
def test_a_slope_that_changes_nothing_keeps_the_type(slope, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", IMAGE.T)
    with path.open("r+b") as raw:
        raw.seek(112)  # scl_slope and scl_inter of NIfTI-1
        raw.write(np.array(slope, "<f4").tobytes())
    volume = open_volume(path)
    assert volume.dtype == np.int16
    np.testing.assert_array_equal(volume.read()[0], IMAGE)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("micron", (5, 2, 2)), ("mm", (5000, 2000, 2000)), ("meter", (5e6, 2e6, 2e6)), ("unknown", None)],
)
def test_voxel_size_needs_a_unit(unit: str, expected, tmp_path: Path) -> None:
    assert open_volume(save(tmp_path / "a.nii", IMAGE.T, unit=unit)).voxel_um == expected


def test_more_dimensions_are_time_and_channels(tmp_path: Path) -> None:
    stored = noise((4, 5, 6, 2, 3), "uint8")
    volume = open_volume(save(tmp_path / "a.nii", stored))
    assert (volume.axes, volume.frames, volume.channels) == ("xyztc", 2, 3)
    np.testing.assert_array_equal(volume.read(frame=1, channel=2)[0], stored[..., 1, 2].T)
    assert open_volume(save(tmp_path / "b.nii", stored[..., 0]), axes="xyzc").channels == 2


def test_an_extent_beyond_nifti_1_is_written_as_nifti_2(tmp_path: Path) -> None:
    image = noise((1, 1, 2, 40_000), "uint8")
    with create_volume(tmp_path / "a.nii.gz", Layout("zyx", image.shape[1:], image.dtype)) as writer:
        writer.write(whole(image.shape[1:]), image)
    assert isinstance(nib.load(tmp_path / "a.nii.gz"), nib.Nifti2Image)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nii.gz").read(), image)
