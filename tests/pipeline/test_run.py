"""What would stop the second step of a brain stops the first: no hours of work for nothing."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px import load_classifier, open_volume
from ecc_px.errors import EccPxError
from ecc_px.pipeline.run import run

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
VOXEL_UM = (7.0, 6.45, 6.45)


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(PROJECT)


@pytest.fixture
def brain(tmp_path):
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = np.random.default_rng(0).integers(0, 4000, (20, 30, 30), np.uint16)
    with open_volume(tmp_path / "brain.h5") as volume:
        yield volume


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cells": {"threshold": 1.5}}, "threshold"),
        ({"cells": {"class_": "vessel"}}, "no class 'vessel'"),
        ({"cells": {"min_volume": 10, "max_volume": 5}}, "volume"),
        ({"voxel_um": (0, 1, 1)}, "voxel size"),
        ({"voxel_um": None}, "--voxel-um"),
        ({"prediction": {"exports": ("segmentation",)}}, "probabilities"),
        ({"prediction": {"dtype": "int8"}}, "int8"),
    ],
)
def test_impossible_settings_of_either_step_are_refused_before_any_work(settings, words, classifier, brain, tmp_path):
    with pytest.raises(EccPxError, match=words):
        run(classifier, brain, tmp_path / "out", **{"voxel_um": VOXEL_UM, **settings})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", ["brain_probabilities.h5", "brain_cells.csv", "brain_overview.png"])
def test_any_output_that_is_there_is_refused_before_any_work(there, classifier, brain, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / there).write_bytes(b"precious")
    with pytest.raises(EccPxError, match="already there"):
        run(classifier, brain, out, voxel_um=VOXEL_UM, also_written=[out / "brain_overview.png"])
    assert [path.name for path in out.iterdir()] == [there]


def test_movie_is_refused(classifier, tmp_path):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["data"] = np.zeros((2, 20, 30, 30), np.uint16)
    with open_volume(tmp_path / "movie.h5", axes="tzyx") as movie, pytest.raises(EccPxError, match="2 time points"):
        run(classifier, movie, tmp_path / "out", voxel_um=VOXEL_UM)
    assert not (tmp_path / "out").exists()


def test_both_results_have_receipts_with_all_settings(classifier, brain, tmp_path):
    made = run(classifier, brain, tmp_path / "out", voxel_um=VOXEL_UM, cells={"threshold": 0.6})
    assert made.prediction.probabilities.exists()
    receipt = json.loads((tmp_path / "out" / "brain_cells.csv.receipt.json").read_text())
    assert receipt["settings"]["threshold"] == 0.6
    assert receipt["settings"]["connectivity"] == 26
    assert receipt["raw"]["origins"]["image"].startswith("/data")
