"""A brain that was begun is gone on with; where that is not possible any more, it is begun anew by itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from facilities import facility_text

from ecc_px.completeness import fingerprint
from ecc_px.pipeline.work_folder import work_folders
from ecc_px.service.config import read_facility
from ecc_px.service.job import Job, StopWanted
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.processing import process_brain
from ecc_px.service.states import State


class Night:
    """A brain that waits, and a service that works on it."""

    def __init__(self, folder: Path) -> None:
        (folder / "facility.toml").write_text(facility_text(folder))
        self.facility = read_facility(folder / "facility.toml")
        source = folder / "incoming" / "m1_PV.h5"
        source.parent.mkdir()
        with h5py.File(source, "w") as file:
            file["data"] = np.random.default_rng(0).integers(0, 4000, (32, 300, 40), np.uint16)
        self.output = folder / "results" / "m1_PV"
        self.output.mkdir(parents=True)
        self.path = folder / "ledger.sqlite"
        self.ledger = Ledger(self.path)
        self.number = self.ledger.see("PV", "m1_PV", str(source), str(self.output)).id
        for state in (State.arriving, State.settled, State.checked, State.queued):
            self.ledger.change(self.number, state, f"to {state}", fingerprint=fingerprint(source))

    def work(self, stop_after: int | None = None) -> Brain:
        lease = self.ledger.lease(self.number, "its turn")
        assert lease is not None

        def progress(done: int, total: int) -> None:
            self.begun_at.append(done)
            if stop_after is not None and done >= stop_after:
                raise StopWanted

        self.begun_at: list[int] = []
        (route,) = self.facility.routes
        tasks = ((self.number, route),)
        job = Job(
            "run", self.facility.path, self.path, os.getpid(), self.facility.service, tasks, lease.token, threads=1
        )
        process_brain(job, self.ledger, progress)
        brain = self.ledger.brain(self.number)
        assert brain is not None
        return brain


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def stopped(night: Night) -> Path:
    assert night.work(stop_after=1).state is State.queued
    (manifest,) = [work / "manifest.json" for work in work_folders(night.output) if "probabilities" in work.name]
    return manifest


def test_a_stopped_brain_is_gone_on_with(night: Night) -> None:
    stopped(night)
    assert night.work().state is State.done
    assert night.begun_at[0] > 0


def test_a_brain_that_another_version_began_is_begun_anew(night: Night) -> None:
    manifest = stopped(night)
    content = json.loads(manifest.read_text())
    content["wanted"]["the program"]["ecc-px"] = "0.0.1"
    manifest.write_text(json.dumps(content))
    brain = night.work()
    assert brain.state is State.done, brain.reason
    assert night.begun_at[0] == 0
    assert work_folders(night.output) == []
    receipt = json.loads((night.output / "m1_PV_probabilities.h5.receipt.json").read_text())
    assert [attempt["found_voxels"] for attempt in receipt["attempts"]] == [0]
