"""`ecc-px cells find` on real files."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from ecc_px.cells import COLUMNS, find_cells
from ecc_px.cells.table import FURTHER_COLUMNS
from ecc_px.cli import app
from ecc_px.errors import EccPxError


@pytest.fixture
def brain(tmp_path, blobs):
    """brain.h5 and brain_probabilities.h5 as ilastik writes it: float32, axes zyxc, three classes."""
    probabilities, raw = blobs
    first = probabilities.astype(np.float32) / 255
    exported = np.stack([first, (1 - first) / 2, (1 - first) / 2], axis=-1)
    with h5py.File(tmp_path / "brain_probabilities.h5", "w") as file:
        dataset = file.create_dataset("exported_data", data=exported, chunks=(9, 16, 16, 3))
        tags = [{"key": axis, "typeFlags": 2, "resolution": 0, "description": ""} for axis in "zyxc"]
        dataset.attrs["axistags"] = json.dumps({"axes": tags})
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file.create_dataset("data", data=raw)
    return tmp_path


def find(brain, *options):
    arguments = ["cells", "find", brain / "brain_probabilities.h5", "--raw", brain / "brain.h5", "-o", brain / "out"]
    return CliRunner().invoke(app, [str(a) for a in (*arguments, *options)])


def test_the_table_is_that_of_the_library(brain, tmp_path):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--min-volume", 3, "-j", 2)
    assert done.exit_code == 0, done.output
    cells = find_cells(brain / "brain_probabilities.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), min_volume=3)
    expected = cells.write_csv(tmp_path / "expected.csv").read_bytes()
    assert (brain / "out" / "brain_cells.csv").read_bytes() == expected
    assert f"{len(cells)} cells" in done.stdout
    assert f"{cells.summary.too_small} parts of objects too small" in done.stdout


def test_no_cell_is_a_header_a_warning_and_success(brain):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--threshold", 0.99)
    assert done.exit_code == 0
    assert (brain / "out" / "brain_cells.csv").read_text().splitlines() == [",".join(COLUMNS + FURTHER_COLUMNS)]
    assert "Warning: " in done.stderr
    assert "0 cells" in done.stdout


def test_ecc_probability_dataset_is_read(brain, blobs):
    with h5py.File(brain / "prob_image.h5", "w") as file:
        file.create_dataset("probability", data=blobs[0][..., None], chunks=(9, 16, 16, 1))
    cells = find_cells(brain / "prob_image.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), like="ecc")
    same = find_cells(brain / "brain_probabilities.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), like="ecc")
    assert cells.table.equals(same.table)
    assert len(cells) > 10


def test_an_existing_table_is_refused_before_the_work(brain):
    assert find(brain, "--voxel-um", 7, 6.45, 6.5).exit_code == 0
    with h5py.File(brain / "brain.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((2, 3, 4), np.uint16))  # would be refused by the work
    refused = find(brain, "--voxel-um", 7, 6.45, 6.5)
    assert isinstance(refused.exception, EccPxError)
    assert "--overwrite" in str(refused.exception)


def test_a_missing_voxel_size_is_one_sentence_and_no_output(brain):
    done = subprocess.run(
        [sys.executable, "-m", "ecc_px", "cells", "find", "brain_probabilities.h5", "--raw", "brain.h5", "-o", "out"],
        cwd=brain,
        capture_output=True,
        text=True,
        env=os.environ | {"TERM": "dumb"},
        check=False,
    )
    assert done.returncode == 1
    assert "--voxel-um Z Y X" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (brain / "out").exists()
