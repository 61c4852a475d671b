"""A run that is stopped leaves nothing that looks like a result, and the next one cleans up after it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"


@pytest.fixture
def command(tmp_path):
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = np.random.default_rng(0).integers(0, 4000, (128, 128, 256), np.uint16)
    return [sys.executable, "-m", "ecc_px", "predict", PROJECT, tmp_path / "brain.h5", "-o", tmp_path / "out"]


def stop_in_the_middle(command, how):
    out = command[-1]
    process = subprocess.Popen([*map(str, command), "-j", "1"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out.exists() and any(out.iterdir())):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_killed_run_leaves_no_result_and_the_next_one_removes_its_remains(command):
    out = command[-1]
    code, _ = stop_in_the_middle(command, signal.SIGKILL)
    assert code == -signal.SIGKILL
    remains = list(out.iterdir())
    assert all(path.name.startswith(".brain_probabilities.h5.partial-") for path in remains)
    subprocess.run(command, check=True, capture_output=True)
    assert {path.name for path in out.iterdir()} == {"brain_probabilities.h5", "brain_probabilities.h5.receipt.json"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_stopped_run_cleans_up_and_says_so(command, how):
    code, said = stop_in_the_middle(command, how)
    assert code == 128 + how
    assert "Stopped" in said
    assert "Traceback" not in said
    assert list(command[-1].iterdir()) == []


def test_remains_of_a_run_that_still_goes_on_are_left_alone(tmp_path):
    from ecc_px.volumes.partial import PartialOutput

    first = PartialOutput(tmp_path / "brain.h5", overwrite=False)
    first.temporary.write_bytes(b"being made")
    PartialOutput(tmp_path / "brain.h5", overwrite=False)
    assert first.temporary.exists()
