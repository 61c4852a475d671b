"""A run that is stopped leaves nothing that looks like a result, and the same command goes on with it."""

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


def holds_a_group(journal):
    """Whether the first record of the journal is there whole: a header of 28 bytes says how many follow."""
    if not journal.exists():
        return False
    with journal.open("rb") as file:
        return journal.stat().st_size >= 28 + int.from_bytes(file.read(24)[16:], "little") > 28


def stop_in_the_middle(command, how):
    out = command[-1]
    journal = out / ".brain_probabilities.h5.work" / "groups"
    process = subprocess.Popen([*map(str, command), "-j", "1"], stderr=subprocess.PIPE, text=True)
    # The kernels may have to be compiled first, on a machine that does other things, too.
    deadline = time.monotonic() + 300
    while not holds_a_group(journal):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def undisturbed(command, folder):
    subprocess.run([*command[:-1], folder], check=True, capture_output=True)
    return (folder / "brain_probabilities.h5").read_bytes()


def test_killed_run_leaves_no_result_and_the_same_command_goes_on_to_the_same_bytes(command, tmp_path):
    out = command[-1]
    code, _ = stop_in_the_middle(command, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert {path.name for path in out.iterdir()} == {".brain_probabilities.h5.work"}
    looked = subprocess.run([*command[:3], "progress", out], check=True, capture_output=True, text=True)
    assert "brain_probabilities.h5: predicting" in looked.stdout
    assert "stopped; the same command goes on" in looked.stdout
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "finished by an earlier run" in done.stdout
    assert {path.name for path in out.iterdir()} == {"brain_probabilities.h5", "brain_probabilities.h5.receipt.json"}
    assert (out / "brain_probabilities.h5").read_bytes() == undisturbed(command, tmp_path / "undisturbed")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_stopped_run_says_that_the_same_command_goes_on(command, how):
    code, said = stop_in_the_middle(command, how)
    assert code == 128 + how
    assert "Stopped" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert {path.name for path in command[-1].iterdir()} == {".brain_probabilities.h5.work"}


def test_remains_of_a_run_that_still_goes_on_are_left_alone(tmp_path):
    from ecc_px.volumes.partial import PartialOutput

    first = PartialOutput(tmp_path / "brain.h5", overwrite=False)
    first.temporary.write_bytes(b"being made")
    PartialOutput(tmp_path / "brain.h5", overwrite=False)
    assert first.temporary.exists()
