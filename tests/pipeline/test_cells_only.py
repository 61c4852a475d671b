"""A run that keeps no probability image finds the same cells, to the byte, and leaves nothing of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px import load_classifier, open_volume
from ecc_px.errors import InvalidSetting, UnfinishedWork
from ecc_px.pipeline.cells_only import least_votes
from ecc_px.pipeline.run import run

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
VOXEL_UM = (4.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(PROJECT)


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    rng = np.random.default_rng(0)
    image = rng.normal(300, 40, (40, 60, 60))
    grid = np.indices(image.shape).transpose(1, 2, 3, 0)
    for centre in rng.uniform(4, 36, (60, 3)) * (1, 1.5, 1.5):
        image += 1500 * np.exp(-np.square((grid - centre) / 1.6).sum(axis=-1) / 2)
    path = tmp_path_factory.mktemp("brain") / "brain.h5"
    with h5py.File(path, "w") as file:
        file["data"] = image.clip(0, 65535).astype(np.uint16)
    return path


@pytest.mark.parametrize(
    ("dtype", "cells"),
    [
        ("float32", {"split": "none"}),
        ("float32", {"split": "auto"}),
        ("uint8", {"split": "maxima", "threshold": 0.4}),
        ("uint16", {"split": "distance", "class_": "2", "threshold": 0.1}),
        ("uint8", {"like": "ecc"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())),
)
def test_table_is_that_of_a_run_which_keeps_the_image(dtype, cells, classifier, brain, tmp_path):
    tables = []
    for keep in (True, False):
        with open_volume(brain) as volume:
            made = run(
                classifier,
                volume,
                tmp_path / str(keep),
                voxel_um=VOXEL_UM,
                jobs=2,
                keep_probabilities=keep,
                prediction={"dtype": dtype, "block": (16, 32, 32)},
                cells=cells,
            )
        tables.append(made.cells.path.read_bytes())
    assert len(tables[0].splitlines()) > 5
    assert tables[0] == tables[1]
    left = sorted(path.name for path in (tmp_path / "False").iterdir())
    assert left == ["brain_cells.csv", "brain_cells.csv.receipt.json"]
    assert not made.prediction.outputs
    receipt = json.loads((tmp_path / "False" / "brain_cells.csv.receipt.json").read_text())
    assert receipt["prediction"]["classifier"]["sha256"] == classifier.sha256


def test_votes_are_counted_where_more_than_background_is_possible(classifier):
    assert least_votes(classifier, "float32", {}) == 26
    assert least_votes(classifier, "float32", {"split": "none"}) == 26
    assert least_votes(classifier, "float32", {"split": "none", "threshold": 0.1}) == 11
    assert least_votes(classifier, "uint8", {"like": "ecc", "threshold": 0.5}) == 50


def test_settings_of_an_image_that_is_not_kept_are_refused(classifier, brain, tmp_path):
    with open_volume(brain) as volume, pytest.raises(InvalidSetting, match=r"leave out --format \(file_format=\), or"):
        run(
            classifier,
            volume,
            tmp_path / "out",
            voxel_um=VOXEL_UM,
            keep_probabilities=False,
            prediction={"file_format": "ome-zarr"},
        )
    assert not (tmp_path / "out").exists()


def test_a_killed_run_goes_on_where_it_was(classifier, brain, tmp_path):
    code = (
        "import sys, time; from ecc_px import load_classifier, open_volume; from ecc_px.pipeline.run import run\n"
        "def tell(done, total): print(done, flush=True); time.sleep(0.3 if done else 0)\n"
        f"run(load_classifier({str(PROJECT)!r}), open_volume({str(brain)!r}), {str(tmp_path / 'out')!r}, jobs=1,"
        f" voxel_um={VOXEL_UM}, keep_probabilities=False, progress=tell,"
        " prediction={'block': (8, 32, 32)}, cells={'split': 'none'})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) == 0:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def go_on(out, voxel_um=VOXEL_UM, restart=False, split="none"):
        with open_volume(brain) as volume:
            return run(
                classifier,
                volume,
                out,
                voxel_um=voxel_um,
                keep_probabilities=False,
                prediction={"block": (8, 32, 32), "restart": restart},
                cells={"split": split},
            )

    with pytest.raises(UnfinishedWork, match=r"voxel_um was .* or pass --restart"):
        go_on(tmp_path / "out", voxel_um=(4.0, 4.0, 4.0))
    with pytest.raises(UnfinishedWork, match=r"split was none, now maxima"):
        go_on(tmp_path / "out", split="maxima")
    shutil.copytree(tmp_path / "out", tmp_path / "anew")
    assert go_on(tmp_path / "anew", voxel_um=(4.0, 4.0, 4.0), restart=True).prediction.found == 0
    made = go_on(tmp_path / "out")
    assert made.prediction.found > 0
    assert made.cells.path.read_bytes() == go_on(tmp_path / "undisturbed").cells.path.read_bytes()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
