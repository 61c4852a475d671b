"""Whether the service does its work: the scan comes round, and no worker has fallen silent."""

from __future__ import annotations

from datetime import datetime, timedelta

from ecc_px.service.page.views import ServiceView
from ecc_px.service.page.wording import age, duration

GRACE = timedelta(minutes=2)
"""What a scan may take beyond the time between two scans: a sleeping network share is slow to answer."""

MISSED_SCANS = 3
"""Scans that may be missed before the service counts as stuck."""


def problems_of(view: ServiceView) -> tuple[str, ...]:
    """What keeps the service from doing its work, a sentence each; none while all is well.

    A brain that failed, or a full disk, is no such thing: the service has dealt with it.
    """
    problems = []
    longest = timedelta(seconds=MISSED_SCANS * view.scan_every_s) + GRACE
    if _elapsed(view.last_scan or view.started, view.now) > longest:
        last = (
            "no scan has ended yet" if view.last_scan is None else f"the last ended {age(view.last_scan, view.now)} ago"
        )
        problems.append(
            f"The watched folders are not looked at: {last}, and one is due every {duration(view.scan_every_s)}. "
            "Is a network share hanging? Restart the service if it stays so."
        )
    for brain in view.brains:
        beat = brain.work.heartbeat if brain.work else None
        if brain.state == "running" and beat and _elapsed(beat, view.now) > timedelta(seconds=view.lease_s):
            problems.append(
                f"{brain.name}: its worker has been silent for {age(beat, view.now)}. "
                "Restart the service if it stays so; the brain goes on where it stopped."
            )
    return tuple(problems)


def _elapsed(then: datetime, now: datetime) -> timedelta:
    """Time since then; a clock that was set back makes it none."""
    return max(now - then, timedelta())
