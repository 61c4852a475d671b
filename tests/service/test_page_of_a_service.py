"""The page and the messages of a real service: what the ledger knows is what people see."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from facilities import HandClock, facility_text
from receiver import Receiver

from ecc_px.errors import InvalidSetting
from ecc_px.service.config import read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.page.from_ledger import FromLedger
from ecc_px.service.page.health import problems_of
from ecc_px.service.page.views import BrainView
from ecc_px.service.states import State
from ecc_px.service.watch import SHIFT

ON_THE_WAY = (State.arriving, State.settled, State.checked, State.queued)


class Night:
    """A ledger, a clock that is moved by hand, and the page's source."""

    def __init__(self, folder: Path) -> None:
        path = folder / "facility.toml"
        path.write_text(facility_text(folder))
        self.facility = read_facility(path)
        self.output = self.facility.service.output
        self.output.mkdir()
        self.clock = HandClock()
        self.ledger = Ledger(None, clock=self.clock)
        self.source = FromLedger(self.ledger, self.facility)

    def brain(self, name: str, *states: State, size: int = 1000) -> int:
        """A brain that has gone through some states."""
        folder = self.output / "PV" / name
        folder.mkdir(parents=True)
        brain = self.ledger.see("PV", name, f"/in/{name}", str(folder)).id
        self.ledger.update(brain, bytes=size, files=7)
        for state in states:
            self.ledger.change(brain, state, f"It is {state} now.")
        return brain

    def is_done(self, brain: int, **facts: Any) -> None:
        """A queued brain is done."""
        self.works_on(brain)
        (lease,) = self.ledger.leases()
        usual = {"identity": f"i{brain}", "seconds": 500.0, "voxels": 8000, "cells": 42}
        self.ledger.end(lease.token, State.done, "42 cells were found.", **(usual | facts))

    def works_on(self, brain: int) -> None:
        assert self.ledger.lease(brain, "Its turn.")

    def looked(self) -> None:
        """The service noted that it has just looked."""
        moment = self.clock.moment()
        self.ledger.note(SHIFT, {"begun": self.clock.wall() - 3600, "boot": moment.boot, "looked": moment.seconds})

    def view(self, brain: int) -> BrainView:
        return next(view for view in self.source.service().brains if view.id == brain)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    night = Night(tmp_path)
    yield night
    night.ledger.close()


def test_how_long_a_brain_will_take_is_known_from_those_before(night: Night) -> None:
    for name, seconds in (("a", 400.0), ("b", 500.0), ("c", 9000.0)):
        night.is_done(night.brain(name, *ON_THE_WAY, size=1000), seconds=seconds)
    waiting = night.brain("d", *ON_THE_WAY, size=3000)
    assert night.view(waiting).forecast_s == pytest.approx(1500)
    totals = night.source.service().totals
    assert (totals.brains, totals.voxels, totals.seconds, totals.failures) == (3, 24000, 9900.0, 0)


def test_failures_are_counted_and_stay_so(night: Night) -> None:
    bad = night.brain("a", State.arriving, State.settled, State.quarantined)
    night.source.act(bad, "retry")
    assert night.view(bad).state == "settled"
    assert night.source.service().totals.failures == 1


def test_a_scan_and_a_worker_that_fall_silent_are_noticed_also_when_the_clock_is_set_back(night: Night) -> None:
    brain = night.brain("a", *ON_THE_WAY)
    night.works_on(brain)
    night.looked()
    assert problems_of(night.source.service()) == ()
    night.clock.now -= 3 * 86400
    assert problems_of(night.source.service()) == ()
    night.clock.seconds += 400
    assert [problem[:2] for problem in problems_of(night.source.service())] == ["Th", "a:"]


def test_outputs_are_the_finished_files_and_those_that_are_served_come_first(night: Night) -> None:
    brain = night.brain("a", *ON_THE_WAY)
    folder = night.output / "PV" / "a"
    for name in ("z_cells.csv", "a_probabilities.h5", ".a_probabilities.h5.partial-host-1", "a_thumbnail.jpg"):
        (folder / name).write_text("12345")
    (folder / "out.csv").symlink_to("/etc/hostname")
    (folder / "deeper").mkdir()
    night.is_done(brain)
    view = night.source.brain(brain)
    assert view is not None
    assert [output.path for output in view.outputs] == [
        "PV/a/a_thumbnail.jpg",
        "PV/a/z_cells.csv",
        "PV/a/a_probabilities.h5",
    ]
    assert night.source.thumbnail(brain) == "PV/a/a_thumbnail.jpg"
    assert [change.after for change in view.history][-2:] == ["running", "done"]
    night.ledger.update(brain, output=str(night.output.parent))
    assert night.source.brain(brain).outputs == ()  # type: ignore[union-attr]


def test_what_makes_no_sense_is_refused(night: Night) -> None:
    queued = night.brain("a", *ON_THE_WAY)
    with pytest.raises(InvalidSetting, match="nothing to try again"):
        night.source.act(queued, "retry")
    with pytest.raises(InvalidSetting, match="no such brain"):
        night.source.act(99, "skip")
    offered = night.source.service().actions
    for state in State:
        for action in offered.get(state, ()):
            brain = night.brain(f"{state}-{action}")
            way = {State.stale: (*ON_THE_WAY, State.done, State.stale), State.running: ON_THE_WAY}
            if state in (*ON_THE_WAY, State.seen):
                steps = ON_THE_WAY[: ON_THE_WAY.index(state) + 1] if state is not State.seen else ()
            elif state in (State.late, State.skipped):
                steps = (State.arriving, state)
            elif state in (State.retry, State.quarantined):
                steps = (State.arriving, State.settled, state)
            else:
                steps = way[state]
            for step in steps:
                night.ledger.change(brain, step, "On its way.")
            if state is State.running:
                night.works_on(brain)
            night.source.act(brain, action)


def test_a_service_shows_what_it_does_takes_decisions_and_tells_people(tmp_path: Path, receiver: Receiver) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "mouse_PV.h5").write_text("this is no image")
    facility = tmp_path / "facility.toml"
    more = (
        f'http = "127.0.0.1:{port}"\ntoken = "t"\nscan = "1 s"\n[notify]\nurls = ["{receiver.url}"]\ndigest = "1 s"\n'
    )
    facility.write_text(facility_text(tmp_path, service=more))
    log = (tmp_path / "log").open("wb")
    command = [sys.executable, "-m", "ecc_px", "watch", str(facility)]
    with log, subprocess.Popen(command, stderr=log) as service:
        try:
            (brain,) = _until(lambda: [b for b in _get(port, "/api/brains")["brains"] if b["state"] != "seen"])
            assert (brain["name"], brain["state"]) == ("mouse_PV", "arriving")
            assert _get(port, "/healthz") == {"healthy": True, "problems": []}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            assert _ask(port, "POST", f"/brains/{brain['id']}/release", "token=t", form)[0] == 303
            _until(lambda: _get(port, "/api/brains")["brains"][0]["state"] == "quarantined")
            whole = _get(port, f"/api/brains/{brain['id']}")
            assert "REASON.txt" in [Path(output["path"]).name for output in whole["outputs"]]
            _until(lambda: receiver.got)
            assert "1 set aside" in receiver.got[0]["title"]
            begun = time.monotonic()
            service.send_signal(signal.SIGTERM)
            assert service.wait(30) == 0
            assert time.monotonic() - begun < 15
        finally:
            service.kill()
    text = (tmp_path / "log").read_text()
    assert f"The status page is at http://127.0.0.1:{port}/" in text
    assert "Traceback" not in text
    with pytest.raises(ConnectionRefusedError):
        _get(port, "/healthz")


def _ask(port: int, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _get(port: int, path: str) -> Any:
    return json.loads(_ask(port, "GET", path)[1])


def _until(asked: Callable[[], Any]) -> Any:
    """What is asked for, as soon as it is there."""
    for _ in range(600):
        try:
            if found := asked():
                return found
        except ConnectionRefusedError:
            pass
        time.sleep(0.1)
    raise AssertionError("it never happened")
