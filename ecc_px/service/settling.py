"""When is a brain complete? The rule, without files and without a clock."""

from __future__ import annotations

from dataclasses import dataclass

from ecc_px.service.config import Complete
from ecc_px.service.expectation import Expectation
from ecc_px.service.quantities import duration
from ecc_px.service.states import State

STEADY = 10.0
"""Seconds without a change that even a marker or the last plane must have behind it: it may still be growing, and a
copying program that goes by the alphabet brings the marker before the planes."""
GAPS_OF_PACE = 20
"""Usual pauses between planes that are waited for, where that is longer than the quiet time."""
MOST_PATIENCE = 10
"""Quiet times that are waited for at most."""


@dataclass(frozen=True)
class Arrived:
    """What is known of a brain on its way.

    Parameters
    ----------
    files, planes : int
    has_marker : bool
    unchanged : float
        Seconds since a change was last seen.
    pace : float or None
        Median seconds between files.
    longest_gap : float
        Longest pause, s, after which something came.
    expected : Expectation or None
    is_released : bool
        Somebody said to take it as it is.
    missing : tuple of str
        Files that others of the brain tell of, and that are not there.
    """

    files: int
    planes: int
    has_marker: bool
    unchanged: float
    pace: float | None
    longest_gap: float
    expected: Expectation | None
    is_released: bool = False
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether a brain is arriving, late or settled, why, and after how many seconds that may be another, if nothing
    changes; None: it will not."""

    state: State
    why: str
    next_look: float | None = None


def judge(arrived: Arrived, complete: Complete, late: float) -> Verdict:
    """Whether a brain is complete.

    Parameters
    ----------
    complete : Complete
        What is asked for; any of it is enough.
    late : float
        Seconds without a change after which an incomplete brain is late.
    """
    if arrived.is_released and arrived.files:
        return Verdict(State.settled, "Somebody released it: it is taken as it is.")
    missing = _missing(arrived)
    proof = _proof(arrived, complete)
    if proof is not None and arrived.unchanged >= STEADY:
        return Verdict(State.settled, proof)
    waits = [STEADY - arrived.unchanged] if proof is not None else []
    if arrived.files and complete.quiet is not None and not missing:
        needed = quiet_needed(complete.quiet, arrived.pace, arrived.longest_gap)
        if arrived.unchanged >= needed:
            return Verdict(State.settled, f"Nothing has changed for {duration(needed)}.")
        waits.append(needed - arrived.unchanged)
    if arrived.unchanged >= late and proof is None:
        return Verdict(State.late, f"Nothing has come for {duration(late)}, and {missing or _hope(arrived, complete)}.")
    if proof is None:
        waits.append(late - arrived.unchanged)
    return Verdict(State.arriving, f"Its files are coming in; {_hope(arrived, complete)}.", min(waits))


def quiet_needed(quiet: float, pace: float | None, longest_gap: float) -> float:
    """Seconds of quiet after which nothing more is expected, of planes that come at a pace.

    >>> quiet_needed(600, 2.0, 30), quiet_needed(600, 60.0, 30), quiet_needed(600, 2.0, 500)
    (600, 1200.0, 1000)
    """
    patience = max(GAPS_OF_PACE * (pace or 0), 2 * longest_gap)
    return max(quiet, min(patience, MOST_PATIENCE * quiet))


def _proof(arrived: Arrived, complete: Complete) -> str | None:
    """What says that it is complete, without waiting for quiet."""
    if not arrived.files:
        return None
    if complete.marker is not None and arrived.has_marker:
        return f"{complete.marker} is there."
    if arrived.expected is not None and arrived.planes >= arrived.expected.all:
        return f"All {arrived.expected.all:,} planes are there."
    return None


def _missing(arrived: Arrived) -> str:
    """What is known to be missing; empty if nothing is."""
    if not arrived.files:
        return "it is empty"
    if arrived.missing:
        return f"{', '.join(arrived.missing[:3])} is not there"
    if arrived.expected is not None and 0 < arrived.planes < arrived.expected.least:
        return (
            f"only {arrived.planes:,} of {arrived.expected.least:,} planes are there: let the rest come, or release it "
            "to have it taken as it is"
        )
    return ""


def _hope(arrived: Arrived, complete: Complete) -> str:
    """What would end the waiting."""
    ways = [] if complete.marker is None else [f"the marker {complete.marker}"]
    if arrived.expected is not None:
        ways.append(f"{arrived.expected.all:,} planes")
    if complete.quiet is not None and (arrived.expected is None or arrived.planes >= arrived.expected.least):
        ways.append(f"{duration(complete.quiet)} of quiet, or more where planes come slowly")
    return "it waits for " + (" or ".join(ways) or "planes whose metadata say how many there are")
