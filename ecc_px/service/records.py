"""What the ledger knows, as plain values: brains, changes of their state, leases, results."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields

from ecc_px.service.clock import Moment
from ecc_px.service.states import State


@dataclass(frozen=True)
class Brain:
    """What the ledger knows of a brain. Times are seconds since 1970.

    Parameters
    ----------
    id : int
    route, name : str
        Together they name a brain for people: ``PV/mouse_17_PV``.
    source, output : str
        Where its raw data are, and the folder of its results, log and reason file.
    state, reason, since
        What it is, the last change's reason as a sentence, and when that was.
    first_seen : float
    files, bytes, planes, expected_planes
        Of the raw data when they were last looked at; None: nobody said how many planes there will be.
    signature : str or None
        Of names, sizes and times of the raw data; another one means that something changed.
    changed_boot, changed_seconds, longest_gap
        When that was last seen to change, on the clock that never goes back; and the longest pause before that, s.
    is_released : bool
        Somebody said to take it as it is.
    place : int or None
        In the queue; smallest first.
    needs : int or None
        Bytes on the output's disk that its results will take, while they are made.
    fingerprint, classifier, settings, identity : str or None
        Hashes of the content, of the classifier, of the settings, and of the three together.
    attempts : int
        Times that something passing went wrong in a row.
    retry_boot, retry_seconds, retry_at
        When it is tried again, on both clocks.
    memory : int or None
        Bytes that it may use now, where less than what the configuration allows.
    step, done, total, speed
        What is being done, voxels done and in all, and voxels per second.
    seconds : float
        Of work until now, pauses and interruptions left out.
    voxels : int
        Of its image; 0 before it is done.
    cells : int or None
    warnings : tuple of str
    """

    id: int
    route: str
    name: str
    source: str
    output: str
    state: State
    reason: str
    since: float
    first_seen: float
    files: int
    bytes: int
    planes: int
    expected_planes: int | None
    signature: str | None
    changed_boot: str | None
    changed_seconds: float | None
    longest_gap: float
    is_released: bool
    place: int | None
    needs: int | None
    fingerprint: str | None
    classifier: str | None
    settings: str | None
    identity: str | None
    attempts: int
    retry_boot: str | None
    retry_seconds: float | None
    retry_at: float | None
    memory: int | None
    step: str | None
    done: int | None
    total: int | None
    speed: float | None
    seconds: float
    voxels: int
    cells: int | None
    warnings: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name for people."""
        return f"{self.route}/{self.name}"

    @property
    def seconds_left(self) -> float | None:
        """Of the step that is being done; None where nobody can know."""
        if self.state is not State.running or not self.speed or self.total is None or self.done is None:
            return None
        return (self.total - self.done) / self.speed


@dataclass(frozen=True)
class Event:
    """A change of a brain's state; `before` is None where the brain was first seen, and both are the same where
    only the reason changed."""

    id: int
    brain: int
    route: str
    name: str
    at: float
    before: State | None
    after: State
    why: str


@dataclass(frozen=True)
class Lease:
    """That a process works on a brain; it shows that it lives by beating.

    Parameters
    ----------
    brain : int
    token : str
        Known to that process alone; what it reports is taken only while the lease is its own.
    process, process_start : int or None
        Its number, and when the kernel started it, because numbers are used again.
    beat : Moment
    """

    brain: int
    token: str
    process: int | None
    process_start: int | None
    beat: Moment


@dataclass(frozen=True)
class FinishedResult:
    """Results that were made once and are not made again."""

    identity: str
    brain: int
    route: str
    name: str
    output: str
    finished: float
    seconds: float
    voxels: int
    cells: int | None


@dataclass(frozen=True)
class Totals:
    """What has been done since the ledger was begun: results, their voxels and seconds; and what went wrong.

    Parameters
    ----------
    brains, voxels, seconds
        Of finished results that are remembered.
    failures : int
        Times that a brain went into quarantine, or had to be tried again.
    """

    brains: int
    voxels: int
    seconds: float
    failures: int


COLUMNS = tuple(field.name for field in fields(Brain))
"""Of the table of brains."""


def brain_of(row: sqlite3.Row) -> Brain:
    """A brain from its row."""
    columns = {name: row[name] for name in COLUMNS}
    columns["state"] = State(columns["state"])
    columns["is_released"] = bool(columns["is_released"])
    columns["warnings"] = tuple(json.loads(columns["warnings"]))
    return Brain(**columns)
