"""What the ledger and the disk know, as views for the page."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ecc_px.errors import InvalidSetting
from ecc_px.service import decisions
from ecc_px.service.config import Facility
from ecc_px.service.ledger import Brain, Event, Ledger
from ecc_px.service.page.files import SERVED
from ecc_px.service.page.pages import THUMBNAILS
from ecc_px.service.page.views import (
    Action,
    Arrival,
    BrainView,
    Change,
    Disk,
    Output,
    ServiceView,
    Totals,
    Work,
)
from ecc_px.service.states import State
from ecc_px.service.watch import SHARE_OF_TIME, SHIFT, SILENT_SECONDS
from ecc_px.version import __version__

LISTED_FILES = 200
"""Files of a brain's results that are shown."""

_DECISIONS: Mapping[Action, Callable[[Ledger, Brain], str]] = {
    "retry": decisions.retry,
    "release": decisions.release,
    "skip": decisions.skip,
    "rerun": decisions.rerun,
}

_ACTIONS: Mapping[str, tuple[Action, ...]] = {
    State.seen: ("release", "skip"),
    State.arriving: ("release", "skip"),
    State.late: ("release", "skip"),
    State.settled: ("skip",),
    State.checked: ("skip",),
    State.queued: ("skip",),
    State.running: ("skip",),
    State.retry: ("retry", "skip"),
    State.quarantined: ("retry", "release", "skip"),
    State.skipped: ("retry", "release"),
    State.stale: ("rerun",),
}
"""What makes sense in which state."""

_WORKED_AT = (State.running, State.settled)
_FINISHED = (State.done, State.stale)


class FromLedger:
    """The page's source in a running service.

    Parameters
    ----------
    ledger : Ledger
        Used from several threads; best one of its own, so that no visitor keeps the service waiting.
    facility : Facility
    """

    def __init__(self, ledger: Ledger, facility: Facility) -> None:
        self._ledger, self._facility = ledger, facility
        self._host = socket.gethostname()
        self._begun = ledger.clock.wall()

    def service(self) -> ServiceView:
        """See `Source.service`."""
        shift: dict[str, Any] = self._ledger.noted(SHIFT, {})
        now = self._ledger.clock.wall()
        brains = self._ledger.brains()
        pace = paces(brains)
        beats = self._beats(now)
        service = self._facility.service
        total = self._ledger.totals()
        return ServiceView(
            now=_moment(now),
            version=__version__,
            host=self._host,
            started=_moment(shift.get("begun") or self._begun),
            scan_every_s=max(service.scan, float(shift.get("look_seconds") or 0.0) / SHARE_OF_TIME),
            last_scan=self._last_scan(shift, now),
            lease_s=SILENT_SECONDS + 60,
            paused=shift.get("paused") or "",
            remarks=tuple(shift.get("problems") or ()),
            disks=self._disks(),
            brains=tuple(view_of(brain, beats.get(brain.id), pace) for brain in brains),
            totals=Totals(total.brains, total.voxels, total.seconds, total.failures),
            actions=_ACTIONS,
        )

    def brain(self, brain_id: int) -> BrainView | None:
        """See `Source.brain`."""
        brain = self._ledger.brain(brain_id)
        if brain is None:
            return None
        return view_of(
            brain,
            self._beats(self._ledger.clock.wall()).get(brain.id),
            paces(self._ledger.brains(*_FINISHED)),
            outputs=self._outputs(brain),
            history=self._ledger.events(brain.id),
        )

    def thumbnail(self, brain_id: int) -> str | None:
        """See `Source.thumbnail`."""
        brain = self._ledger.brain(brain_id)
        if brain is None:
            return None
        return next((output.path for output in self._outputs(brain) if output.name.endswith(THUMBNAILS)), None)

    def act(self, brain_id: int, action: Action) -> None:
        """See `Source.act`."""
        brain = self._ledger.brain(brain_id)
        if brain is None:
            raise InvalidSetting(f"{brain_id}: the ledger knows no such brain; somebody has made it forget it.")
        _DECISIONS[action](self._ledger, brain)

    def _beats(self, now: float) -> dict[int, datetime]:
        """When each worker was last heard of, measured on the clock that never goes back."""
        moment = self._ledger.clock.moment()
        silent = {lease.brain: lease.beat.until(moment) for lease in self._ledger.leases()}
        return {brain: _moment(now - seconds) for brain, seconds in silent.items() if seconds is not None}

    def _last_scan(self, shift: Mapping[str, Any], now: float) -> datetime | None:
        moment = self._ledger.clock.moment()
        if shift.get("looked") is None or shift.get("boot") != moment.boot:
            return None
        return _moment(now - (moment.seconds - float(shift["looked"])))

    def _disks(self) -> tuple[Disk, ...]:
        service = self._facility.service
        try:
            usage = shutil.disk_usage(service.output)
        except OSError:
            return ()
        return (Disk(str(service.output), usage.free, usage.total, service.keep_free),)

    def _outputs(self, brain: Brain) -> tuple[Output, ...]:
        """Finished files in the folder of a brain's results, those that the page serves first."""
        root = os.fspath(self._facility.service.output)
        try:
            with os.scandir(brain.output) as entries:
                found = [
                    Output(os.path.relpath(entry.path, root), entry.stat(follow_symlinks=False).st_size)
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
                ]
        except OSError:
            return ()
        # Results of before the folder of outputs was changed in the configuration lie elsewhere, and are not shown.
        inside = [output for output in found if not output.path.startswith("..")]
        return tuple(sorted(inside, key=lambda o: (Path(o.path).suffix.lower() not in SERVED, o.path))[:LISTED_FILES])


def view_of(
    brain: Brain,
    beat: datetime | None,
    pace: Mapping[str, float],
    *,
    outputs: tuple[Output, ...] = (),
    history: Iterable[Event] = (),
) -> BrainView:
    """A brain of the ledger, for people to look at.

    Parameters
    ----------
    beat : datetime or None
        When its worker was last heard of.
    pace : mapping of route to seconds per byte
        See `paces`.
    """
    state = brain.state
    work = None
    if state in _WORKED_AT and brain.step and brain.total:
        work = Work(brain.step, brain.done or 0, brain.total, brain.speed, brain.seconds_left, beat)
    elif state is State.running:
        work = Work("beginning", 0, 0, heartbeat=beat)
    return BrainView(
        id=brain.id,
        name=brain.name,
        route=brain.route,
        source=brain.source,
        state=state.value,
        since=_moment(brain.since),
        seen=_moment(brain.first_seen),
        reason=brain.reason,
        attempts=brain.attempts,
        next_attempt=_moment(brain.retry_at) if state is State.retry and brain.retry_at is not None else None,
        forecast_s=pace[brain.route] * brain.bytes if brain.route in pace and brain.bytes else None,
        cells=brain.cells if state in _FINISHED else None,
        flags=brain.warnings if state in _FINISHED else (),
        work=work,
        arrival=Arrival(brain.files, brain.expected_planes, brain.bytes) if brain.files else None,
        outputs=outputs,
        history=tuple(
            Change(_moment(event.at), event.before and event.before.value, event.after.value, event.why)
            for event in history
        ),
    )


def paces(brains: Iterable[Brain]) -> dict[str, float]:
    """Seconds of work per byte of raw data, by route: the median of the brains that are done."""
    by_route: dict[str, list[float]] = {}
    for brain in brains:
        if brain.state in _FINISHED and brain.bytes and brain.seconds:
            by_route.setdefault(brain.route, []).append(brain.seconds / brain.bytes)
    return {route: statistics.median(values) for route, values in by_route.items()}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
