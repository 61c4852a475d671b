"""A brain from its arrival to its cells, by the very processes that do it in a facility."""

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
import tifffile
from facilities import PROJECT, facility_text
from typer.testing import CliRunner

from ecc_px.cli import app
from ecc_px.service.config import read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.processes import start_of
from ecc_px.service.states import State
from ecc_px.service.watch import SHIFT


def ecc_px(*arguments, check=True):
    command = [sys.executable, "-m", "ecc_px", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def said(*arguments):
    """What a command prints that starts nothing: in this process, which saves a start of the interpreter."""
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 4000, shape, np.uint16)


def write_volume(path, shape=(24, 40, 40), seed=0):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=image(shape, seed), chunks=(8, 20, 20))


@pytest.fixture
def facility(tmp_path):
    """A configuration that takes what has been quiet for a second, of a classifier that may change."""
    (tmp_path / "incoming").mkdir()
    shutil.copy(PROJECT, tmp_path / "PV.ilp")
    text = facility_text(tmp_path, service='scan = "1 s"\nidle_io = false\nnice = 0', complete='quiet = "1 s"')
    path = tmp_path / "facility.toml"
    path.write_text(text.replace(str(PROJECT), str(tmp_path / "PV.ilp")))
    return path


def known(facility):
    with Ledger(read_facility(facility).service.state) as ledger:
        assert ledger.contradictions() == []
        return {brain.name: brain for brain in ledger.brains()}


def test_from_arrival_to_cells_and_stale_with_another_classifier(facility, tmp_path):
    incoming, results = tmp_path / "incoming", tmp_path / "results" / "PV"
    write_volume(incoming / "m1_PV.h5")
    shutil.copy(incoming / "m1_PV.h5", incoming / "m2_PV.h5")
    planes = incoming / "m3_PV"
    planes.mkdir()
    for z, plane in enumerate(image((24, 40, 40), 1)):
        tifffile.imwrite(planes / f"Z{z:04}.tif", plane)
    (planes / "Z0011.tif").write_bytes(b"half")
    (planes / "Z0012.tif").unlink()
    time.sleep(1.2)

    assert "PV/m1_PV: settled" in said("watch", "--once", "--dry-run", facility)
    assert not results.parent.exists()
    assert not (tmp_path / "state").exists()

    finished = ecc_px("watch", "--once", facility, check=False)
    assert finished.returncode == 1, finished.stderr
    assert "PV/m3_PV" in finished.stderr
    brains = known(facility)
    assert {name: brain.state for name, brain in brains.items()} == {
        "m1_PV": State.done,
        "m2_PV": State.done,
        "m3_PV": State.quarantined,
    }
    assert "PV/m1_PV is the same" in brains["m2_PV"].reason or "PV/m1_PV, the same content" in brains["m2_PV"].reason
    assert brains["m2_PV"].output == str(results / "m1_PV")
    assert not list((results / "m2_PV").glob("*.h5"))
    reason = (results / "m3_PV" / "REASON.txt").read_text()
    assert "Z0011.tif" in reason
    assert "ecc-px service retry 'PV/m3_PV'" in reason
    assert {path.name for path in (results / "m1_PV").iterdir()} == {
        "m1_PV_probabilities.h5",
        "m1_PV_probabilities.h5.receipt.json",
        "m1_PV_cells.csv",
        "m1_PV_cells.csv.receipt.json",
        "m1_PV_overview.png",
        "m1_PV_report.html",
        "m1_PV_thumbnail.jpg",
        "brain.json",
        "brain.log",
    }
    assert json.loads((results / "m1_PV" / "brain.json").read_text())["cells"] == brains["m1_PV"].cells

    # Another classifier, and the damaged planes are copied again.
    with h5py.File(tmp_path / "PV.ilp", "a") as project:
        project.attrs["touched"] = 1
    for z, plane in enumerate(image((24, 40, 40), 1)):
        tifffile.imwrite(planes / f"Z{z:04}.tif", plane)
    time.sleep(1.2)
    ecc_px("watch", "--once", facility)
    brains = known(facility)
    assert {name: brain.state for name, brain in brains.items()} == {
        "m1_PV": State.stale,
        "m2_PV": State.stale,
        "m3_PV": State.done,
    }
    assert "the classifier PV.ilp is another one; doing it again would take about" in brains["m1_PV"].reason
    assert not (results / "m3_PV" / "REASON.txt").exists()

    assert "2 brains" in said("service", "rerun", "--stale", "--dry-run", "-f", facility)
    assert "is queued" in said("service", "rerun", "m1_PV", "-f", facility)
    assert known(facility)["m1_PV"].state is State.queued
    assert len(said("service", "log", "m1_PV", "-f", facility).splitlines()) > 8


@pytest.fixture
def running(facility, tmp_path):
    """A service in the middle of a brain."""
    write_volume(tmp_path / "incoming" / "m1_PV.h5", (128, 256, 256))
    started = subprocess.Popen(
        [sys.executable, "-m", "ecc_px", "watch", str(facility)], stderr=subprocess.PIPE, text=True
    )
    # However busy the machine is.
    deadline = time.monotonic() + 600
    state = read_facility(facility).service.state
    while not (
        state.exists() and any(b.state is State.running and (b.done or 0) > 0 for b in known(facility).values())
    ):
        assert started.poll() is None, started.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield started
    if started.poll() is None:
        started.kill()
    started.communicate()


def worker_of(facility):
    with Ledger(read_facility(facility).service.state) as ledger:
        (lease,) = ledger.leases()
        return lease


def test_service_that_is_asked_to_stop_does_so_in_order_and_keeps_the_work(running, facility):
    running.send_signal(signal.SIGTERM)
    assert running.wait(300) == 0
    brain = known(facility)["m1_PV"]
    assert brain.state is State.queued
    # One that was too slow, and was killed, has another reason.
    assert "stopped in order" in brain.reason
    assert any(Path(brain.output).glob(".*"))


def test_worker_dies_with_a_service_that_is_killed(running, facility):
    lease = worker_of(facility)
    running.kill()
    running.wait()
    deadline = time.monotonic() + 60
    while start_of(lease.process) == lease.process_start:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert known(facility)["m1_PV"].state is State.running


def test_brain_that_is_skipped_is_stopped_and_a_new_configuration_is_taken(running, facility):
    state = read_facility(facility).service.state
    lease = worker_of(facility)
    assert "skipped and stopped" in said("service", "skip", "m1_PV", "-f", facility)
    facility.write_text(facility.read_text().replace('scan = "1 s"', 'scan = "7 s"'))
    running.send_signal(signal.SIGHUP)
    second = ecc_px("watch", facility, check=False)
    assert second.returncode == 1
    assert f"process {running.pid}" in second.stderr
    deadline = time.monotonic() + 300
    while start_of(lease.process) == lease.process_start:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while True:
        with Ledger(read_facility(facility).service.state) as ledger:
            if ledger.noted(SHIFT)["scan"] == 7:
                break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    facility.write_text("nonsense = [")
    running.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    running.send_signal(signal.SIGTERM)
    assert running.wait(300) == 0
    assert "the configuration is not taken" in running.stderr.read()
    with Ledger(state) as left:
        assert left.find("m1_PV").state is State.skipped
