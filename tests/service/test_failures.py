"""What may pass is tried again after growing pauses; what will not is put into quarantine at once."""

import errno
import signal

import pytest
from facilities import HandClock

from ecc_px.errors import IncompleteVolume, NoRoom, OutputFailed, UnreadableVolume, WorkerDied
from ecc_px.service.config import Service
from ecc_px.service.failures import Kind, consequence, failure_of, failure_of_exit
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (IncompleteVolume("plane Z0003 is missing"), Kind.permanent),
        (caused(UnreadableVolume("damaged"), OSError(errno.EINVAL, "invalid")), Kind.permanent),
        (caused(UnreadableVolume("you may not read it"), PermissionError(errno.EACCES, "denied")), Kind.permanent),
        (caused(UnreadableVolume("the share"), OSError(errno.EIO, "input/output error")), Kind.passing),
        (caused(UnreadableVolume("the share"), OSError(errno.ESTALE, "stale file handle")), Kind.passing),
        (caused(OutputFailed("disk full"), OSError(errno.ENOSPC, "no space")), Kind.output),
        (caused(OutputFailed("read-only"), OSError(errno.EROFS, "read-only")), Kind.output),
        (caused(OutputFailed("not yours"), PermissionError(errno.EACCES, "denied")), Kind.output),
        (NoRoom("12 GB are needed"), Kind.output),
        (MemoryError(), Kind.memory),
        (caused(RuntimeError("thread"), MemoryError()), Kind.memory),
        (WorkerDied("a process was killed"), Kind.memory),
        (ZeroDivisionError("division by zero"), Kind.permanent),
    ],
)
def test_kinds_of_failures(error, kind):
    assert failure_of(error).kind is kind


def test_our_own_bug_says_so():
    assert "This is a bug in ecc-px" in failure_of(KeyError("x")).reason


@pytest.mark.parametrize(
    ("code", "kind"), [(-signal.SIGKILL, Kind.memory), (-signal.SIGSEGV, Kind.passing), (1, Kind.passing)]
)
def test_processes_that_end_without_a_word(code, kind):
    assert failure_of_exit(code).kind is kind


@pytest.fixture
def settled():
    """A ledger with a settled brain."""
    ledger = Ledger(None, clock=HandClock())
    brain = ledger.see("PV", "m1", "/in/m1", "/out/m1")
    for state in (State.arriving, State.settled):
        ledger.change(brain.id, state, f"to {state}")
    return ledger, brain.id


def fail(settled, failure, service):
    ledger, number = settled
    state, why, also = consequence(failure, ledger.brain(number), service, ledger.clock)
    ledger.change(number, state, why, **also)
    brain = ledger.brain(number)
    pause = None if brain.retry_seconds is None else brain.retry_seconds - ledger.clock.seconds
    if state is State.retry:
        ledger.change(number, State.settled, "again")
    return state, pause, brain


def test_pauses_grow_until_it_is_given_up(settled, tmp_path):
    service = Service(tmp_path, tmp_path, retries=3, retry_after=60)
    passing = failure_of_exit(1)
    assert [fail(settled, passing, service)[:2] for _ in range(3)] == [
        (State.retry, 60),
        (State.retry, 240),
        (State.retry, 960),
    ]
    state, _, brain = fail(settled, passing, service)
    assert state is State.quarantined
    assert "given up after 4 tries" in brain.reason


def test_memory_is_halved_each_time(settled, tmp_path):
    service = Service(tmp_path, tmp_path, memory=32 * 10**9)
    killed = failure_of_exit(-signal.SIGKILL)
    assert [fail(settled, killed, service)[2].memory for _ in range(3)] == [16 * 10**9, 8 * 10**9, 4 * 10**9]


def test_full_disk_is_waited_for_without_end(settled, tmp_path):
    service = Service(tmp_path, tmp_path, retries=2)
    full = failure_of(caused(OutputFailed("disk full"), OSError(errno.ENOSPC, "no space")))
    assert {fail(settled, full, service)[0] for _ in range(20)} == {State.retry}
