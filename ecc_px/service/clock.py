"""What time it is, in two ways: for people, and for measuring how long something lasts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Moment:
    """A point of the clock that never goes back; comparable between processes, until the machine is started again.

    Parameters
    ----------
    boot : str
        Which start of the machine it belongs to.
    seconds : float
    """

    boot: str
    seconds: float

    def until(self, later: Moment) -> float | None:
        """Seconds to a later moment; None if the machine was started again between them."""
        return later.seconds - self.seconds if self.boot == later.boot else None


class Clock(Protocol):
    """Both times; tests have a clock of their own, which they set."""

    def wall(self) -> float:
        """Seconds since 1970, as the machine believes; it may be set back."""

    def moment(self) -> Moment:
        """For measuring durations."""


class SystemClock:
    """The machine's clocks. Linux counts the seconds of `time.monotonic` since it was started, for all processes."""

    def __init__(self) -> None:
        self._boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "unknown"

    def wall(self) -> float:
        return time.time()

    def moment(self) -> Moment:
        return Moment(self._boot, time.monotonic())
