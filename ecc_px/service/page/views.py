"""What the status page, the API and the metrics show, as plain values: rendering them is a pure function.

Times are aware datetimes. Paths of outputs are relative to the folder of outputs, as strings of the file system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

Action = Literal["retry", "release", "skip", "rerun"]
"""What a person who knows the token may do with a brain."""


@dataclass(frozen=True)
class Change:
    """One row of a brain's history.

    Parameters
    ----------
    at : datetime
    before : str or None
        State until then; None where the brain was first seen.
    after : str
        State since then.
    reason : str
        Why, in a sentence; empty where the states say it all.
    """

    at: datetime
    before: str | None
    after: str
    reason: str = ""


@dataclass(frozen=True)
class Work:
    """What is being done with a brain right now.

    Parameters
    ----------
    step : str
        Such as "predicting".
    done, total : int
        Voxels of this step.
    voxels_per_s, seconds_left : float or None
        None while nobody can tell.
    heartbeat : datetime or None
        When the worker was last heard of.
    """

    step: str
    done: int
    total: int
    voxels_per_s: float | None = None
    seconds_left: float | None = None
    heartbeat: datetime | None = None

    @property
    def share(self) -> float:
        """Part that is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True)
class Arrival:
    """How much of a brain is there.

    Parameters
    ----------
    files : int
    expected : int or None
        How many there will be, where somebody said so.
    bytes : int or None
    """

    files: int
    expected: int | None = None
    bytes: int | None = None

    @property
    def share(self) -> float | None:
        """Part that has come, 0 to 1; None where nobody said how much is to come."""
        return min(1.0, self.files / self.expected) if self.expected else None


@dataclass(frozen=True)
class Output:
    """A file that was made of a brain: its path below the folder of outputs, and its size in bytes."""

    path: str
    bytes: int

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class BrainView:
    """A brain, for people to look at.

    Parameters
    ----------
    id : int
        The ledger's number of it.
    name, route, source : str
        Name of the folder or file that arrived, the route that took it, and the whole path.
    state : str
    since, seen : datetime
        When it came into this state, and when it was seen first.
    reason : str
        Why it is in this state, and what to do; empty where there is nothing to say.
    attempts : int
        Times in a row that something went wrong with it that may pass.
    next_attempt : datetime or None
        When it will be tried again.
    forecast_s : float or None
        How long it is expected to take.
    cells : int or None
        How many were found.
    flags : tuple of str
        What a person should look at.
    work, arrival : optional
        While it is being worked at; while it arrives.
    outputs : tuple of Output
    history : tuple of Change
        Oldest first; may be left empty where only the present is asked for.
    """

    id: int
    name: str
    route: str
    source: str
    state: str
    since: datetime
    seen: datetime
    reason: str = ""
    attempts: int = 0
    next_attempt: datetime | None = None
    forecast_s: float | None = None
    cells: int | None = None
    flags: tuple[str, ...] = ()
    work: Work | None = None
    arrival: Arrival | None = None
    outputs: tuple[Output, ...] = ()
    history: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Disk:
    """Room on the disk of outputs, in bytes; with less than `wanted` free, no brain is begun."""

    path: str
    free: int
    total: int
    wanted: int = 0

    @property
    def low(self) -> bool:
        return self.free < self.wanted


@dataclass(frozen=True)
class Totals:
    """What was done since the ledger was begun: brains, voxels, seconds of work, and attempts that failed."""

    brains: int = 0
    voxels: int = 0
    seconds: float = 0.0
    failures: int = 0


@dataclass(frozen=True)
class ServiceView:
    """The service at one moment.

    Parameters
    ----------
    now : datetime
        The moment.
    version, host : str
    started : datetime
    scan_every_s : float
        Seconds between two scans.
    last_scan : datetime or None
        When the last scan ended; None before the first.
    lease_s : float
        A worker that was not heard of for so long is stuck.
    paused : str
        Why no brain is begun at the moment; empty when nothing is in the way.
    remarks : tuple of str
        What does not stop the service, but somebody should look at: a watched folder that is away, for example.
    disks : tuple of Disk
    brains : tuple of BrainView
    totals : Totals
    actions : mapping of state to the actions that make sense in it
    """

    now: datetime
    version: str
    host: str
    started: datetime
    scan_every_s: float
    last_scan: datetime | None = None
    lease_s: float = 120.0
    paused: str = ""
    remarks: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    brains: tuple[BrainView, ...] = ()
    totals: Totals = Totals()
    actions: Mapping[str, tuple[Action, ...]] = field(default_factory=dict)
