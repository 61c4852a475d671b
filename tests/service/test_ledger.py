"""The ledger keeps every brain and every change, whatever kills whoever writes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from facilities import HandClock

from ecc_px.errors import InvalidSetting, LedgerFailed, LedgerInUse
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import FOLLOWS, MEANING, State


@pytest.fixture(params=["file", "memory"])
def ledger(request, tmp_path):
    with Ledger(tmp_path / "state" / "ledger.sqlite" if request.param == "file" else None, clock=HandClock()) as opened:
        yield opened


def queued(ledger, name="m1_PV"):
    brain = ledger.see("PV", name, f"/in/{name}", f"/out/PV/{name}")
    for state in (State.arriving, State.settled, State.checked, State.queued):
        ledger.change(brain.id, state, f"to {state}")
    return brain.id


def test_every_change_is_an_event_with_its_reason(ledger):
    brain = queued(ledger)
    ledger.clock.forward(60)
    lease = ledger.lease(brain, "its turn")
    ledger.end(lease.token, State.done, "12 cells", identity="abc", seconds=60.0, cells=12, warnings=["dark"])
    assert [(event.after, event.why) for event in ledger.events(brain)][-3:] == [
        (State.queued, "to queued"),
        (State.running, "its turn"),
        (State.done, "12 cells"),
    ]
    known = ledger.brain(brain)
    assert (known.state, known.reason, known.cells, known.warnings) == (State.done, "12 cells", 12, ("dark",))
    assert known.since == known.first_seen + 60
    assert ledger.result("abc").cells == 12
    assert ledger.contradictions() == []


def test_brain_is_leased_to_one_worker_and_an_earlier_one_is_not_heard(ledger):
    brain = queued(ledger)
    first = ledger.lease(brain, "its turn")
    assert ledger.lease(brain, "again") is None
    assert ledger.beat(first.token, step="predict", done=1, total=9)
    ledger.end(first.token, State.queued, "it was interrupted")
    second = ledger.lease(brain, "its turn")
    assert not ledger.beat(first.token, done=5)
    assert not ledger.end(first.token, State.done, "late report", identity="x")
    assert ledger.brain(brain).state is State.running
    assert [lease.token for lease in ledger.leases()] == [second.token]


def test_change_that_expects_another_state_does_nothing(ledger):
    brain = queued(ledger)
    assert not ledger.change(brain, State.arriving, "it grew", only_from=[State.settled])
    assert ledger.brain(brain).state is State.queued


def test_impossible_change_is_a_bug(ledger):
    brain = ledger.see("PV", "m1", "/in/m1", "/out/m1")
    with pytest.raises(AssertionError, match="from seen to done"):
        ledger.change(brain.id, State.done, "nonsense")
    assert ledger.contradictions() == []


def test_brain_is_found_by_number_name_route_or_path(ledger):
    brain = queued(ledger, "m1_PV")
    for text in (str(brain), "m1_PV", "PV/m1_PV", "/in/m1_PV", "/in/m1_PV/"):
        assert ledger.find(text).id == brain
    ledger.see("Iba1", "m1_PV", "/in/m1_PV", "/out/Iba1/m1_PV")
    with pytest.raises(InvalidSetting, match="several brains"):
        ledger.find("m1_PV")
    with pytest.raises(InvalidSetting, match="no such brain"):
        ledger.find("m2")


def test_running_brain_is_not_forgotten(ledger):
    brain = queued(ledger)
    ledger.lease(brain, "its turn")
    with pytest.raises(InvalidSetting, match="being worked on"):
        ledger.forget(brain)


def test_latest_events_come_in_their_order(ledger):
    brain = queued(ledger)
    assert [event.after for event in ledger.events(brain, limit=2)] == [State.checked, State.queued]
    last = ledger.events()[-1].id
    ledger.change(brain, State.arriving, "it grew")
    assert [event.why for event in ledger.events(after=last)] == ["it grew"]


def test_every_state_is_explained_and_can_be_left():
    assert set(MEANING) == set(FOLLOWS) == set(State)


def test_second_service_is_refused_until_the_first_is_gone(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = f"from ecc_px.service.ledger import Ledger\nLedger({str(path)!r}).hold()\nprint('held', flush=True)\ninput()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with Ledger(path) as ledger:
        with pytest.raises(LedgerInUse, match=f"process {holder.pid}"):
            ledger.hold()
        holder.kill()
        holder.wait()
        ledger.hold()


def test_ledger_of_a_killed_writer_is_sound(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = f"""
from itertools import count
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State
ledger = Ledger({str(path)!r})
brain = ledger.see("PV", "m", "/in/m", "/out/m").id
for n in count():
    for state in (State.arriving, State.settled, State.checked, State.queued):
        ledger.change(brain, state, f"round {{n}}")
    lease = ledger.lease(brain, "its turn")
    ledger.beat(lease.token, done=n)
    ledger.end(lease.token, State.done, f"round {{n}}", identity=str(n))
"""
    for delay in (0.0, 0.05, 0.11):
        path.unlink(missing_ok=True)
        for left in (path.with_name("ledger.sqlite-wal"), path.with_name("ledger.sqlite-shm")):
            left.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", code])
        while not path.exists() or path.stat().st_size == 0:
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        with Ledger(path) as ledger:
            assert ledger.contradictions() == []


def test_what_is_no_ledger_of_ours_is_refused(tmp_path):
    text, other, later = tmp_path / "text", tmp_path / "other.sqlite", tmp_path / "later.sqlite"
    text.write_text("dear diary, " * 200)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    Ledger(later).close()
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 99")
    for path, words in ((text, "not a database"), (other, "another program"), (later, "later ecc-px")):
        with pytest.raises(LedgerFailed, match=words):
            Ledger(path)
