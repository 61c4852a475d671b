"""Before a prediction its input is checked; what was found, or let pass, is in the receipt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
from damaged_inputs import brain, cut, planes, zero_from

from ecc_px.classifiers import load_classifier
from ecc_px.completeness import check_input
from ecc_px.errors import IncompleteVolume
from ecc_px.pipeline import predict
from ecc_px.volumes import open_volume

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"


def predicted(folder: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecc_px", "predict", str(PROJECT), str(folder), "-o", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def receipt_in(out: Path) -> dict[str, Any]:
    receipt: dict[str, Any] = json.loads((out / "brain_probabilities.h5.receipt.json").read_text())
    return receipt


def test_a_plane_that_was_half_copied_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    folder, out = planes(tmp_path, brain()), tmp_path / "out"
    zero_from(folder / "brain_Z0008.tif", 0.5)
    finished = predicted(folder, out)
    assert finished.returncode == 1
    assert "brain_Z0008.tif: from y 48 on every voxel is 0" in finished.stderr
    assert list(out.iterdir()) == []
    assert predicted(folder, out, "--no-check").returncode == 0
    assert receipt_in(out)["check"] is None


def test_a_folder_that_cannot_be_opened_tells_all_that_is_wrong(tmp_path: Path) -> None:
    folder = planes(tmp_path, brain())
    (folder / "brain_Z0003.tif").unlink()
    cut(folder / "brain_Z0012.tif")
    finished = predicted(folder, tmp_path / "out")
    assert "brain_Z0003.tif is missing" in finished.stderr
    assert "brain_Z0012.tif: the plane was cut short" in finished.stderr


def test_missing_planes_that_are_allowed_are_in_the_warning_and_the_receipt(tmp_path: Path) -> None:
    folder, out = planes(tmp_path, brain()), tmp_path / "out"
    (folder / "brain_Z0008.tif").unlink()
    finished = predicted(folder, out, "--allow-missing")
    assert finished.returncode == 0, finished.stderr
    sentence = "plane brain_Z0008.tif is missing (found 19 of 20). Treated as empty."
    assert f"Warning: {folder}: {sentence}" in finished.stderr
    receipt = receipt_in(out)
    assert receipt["input"]["origins"]["missing planes"] == "1 taken as empty (0): z 8"
    assert receipt["check"]["ok"]
    assert receipt["check"]["fingerprint"].startswith("sha256:")
    assert any(sentence in warning for warning in receipt["warnings"])
    with h5py.File(out / "brain_probabilities.h5") as file:
        assert file["exported_data"].shape[0] == 20


def test_a_run_that_goes_on_does_not_check_again(tmp_path: Path) -> None:
    folder, classifier, checks = planes(tmp_path, brain()), load_classifier(PROJECT), []

    def check() -> Any:
        checks.append(1)
        return check_input(folder, jobs=2)

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"jobs": 1, "block": (8, 48, 48)}
    with open_volume(folder) as volume:
        with pytest.raises(KeyboardInterrupt):
            predict(classifier, volume, tmp_path / "out", check=check, progress=stop, **settings)
        predict(classifier, volume, tmp_path / "out", check=check, **settings)
    assert len(checks) == 1
    assert receipt_in(tmp_path / "out")["check"]["ok"]


def test_a_failed_check_leaves_nothing(tmp_path: Path) -> None:
    image = brain().copy()
    image[6] = 0
    folder = planes(tmp_path, image)
    with pytest.raises(IncompleteVolume, match="Z0006"):
        predict(PROJECT, folder, tmp_path / "out", check=lambda: check_input(folder, jobs=2))
    assert list((tmp_path / "out").iterdir()) == []
