"""From the configuration to a running service, and its end: signals, systemd, the command line's two ways to run it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from ecc_px.errors import EccPxError, LedgerFailed
from ecc_px.service import systemd
from ecc_px.service.beside import Companion
from ecc_px.service.config import Facility, read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State
from ecc_px.service.wakeup import Waker
from ecc_px.service.watch import Watch

log = logging.getLogger(__name__)

LEDGER_PAUSE = 10.0
"""Seconds until the next attempt, while the ledger can't be written."""
FAILED_PAUSE = 30.0
_COMING = (State.seen, State.arriving, State.late)
_TO_DO = (State.settled, State.checked, State.queued, State.running)


class _Asked:
    """What signals asked for."""

    def __init__(self, waker: Waker) -> None:
        self.to_stop = False
        self.to_reload = False
        self._waker = waker

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.to_stop = True
        self._waker.wake()

    def reload(self, number: int, frame: FrameType | None) -> None:
        self.to_reload = True
        self._waker.wake()


def serve(
    path: Path, *, once: bool = False, companions: Sequence[Callable[[Ledger, Facility], Companion]] = ()
) -> list[str]:
    """Run the service until a signal asks for its end.

    Parameters
    ----------
    path : Path
        facility.toml.
    once : bool
        Take what is complete now, by the times of its files, and end when that is done.
    companions : functions of (ledger, facility)
        Make what runs beside the service; what their `tick` raises is logged and stops nothing.

    Returns
    -------
    list of str
        Titles of the brains that went into quarantine or wait for another try; with `once` only.

    Raises
    ------
    InvalidSetting, LedgerFailed, LedgerInUse
    """
    facility = read_facility(path)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(facility.service.state))
        ledger.hold()
        waker = Waker(facility.service.watching)
        stack.callback(waker.close)
        asked = stack.enter_context(_signals(waker))
        watch = Watch(ledger, facility, trusts_times=once)
        watch.begin()
        beside = [make(ledger, facility) for make in companions]
        for companion in beside:
            stack.callback(companion.close)
        first_event = ledger.events(limit=1)[-1].id if ledger.events(limit=1) else 0
        systemd.notify("READY=1", f"STATUS=Watching {len(facility.routes)} routes")
        log.info("watching for %s", ", ".join(f"{route.watch}/{route.match}" for route in facility.routes))
        _loop(watch, waker, asked, beside, once=once)
        systemd.notify("STOPPING=1")
        watch.finish()
        log.info("stopped; what was not finished goes on at the next start")
        if not once:
            return []
        failed = {event.brain for event in ledger.events(after=first_event)}
        states = (State.quarantined, State.retry)
        return [brain.title for brain in ledger.brains(*states) if brain.id in failed]


def _loop(watch: Watch, waker: Waker, asked: _Asked, beside: Sequence[Companion], *, once: bool) -> None:
    woken, is_ledger_well = False, True
    while not asked.to_stop:
        if asked.to_reload:
            asked.to_reload = False
            _reload(watch, beside)
        try:
            pause = watch.step(woken=woken)
            for problem in waker.attend(_folders_to_hear(watch)):
                log.warning(problem)
            if not is_ledger_well:
                log.info("the ledger can be written again")
            is_ledger_well = True
        except LedgerFailed as error:
            # What could not be written down has not happened; the next step finds it again.
            if is_ledger_well:
                log.error(str(error))
            is_ledger_well, pause = False, LEDGER_PAUSE
        except Exception:
            # Whatever is wrong with one thing, the others may be well; the next step tries all of them again.
            log.exception("this is a bug in ecc-px; please report it")
            pause = FAILED_PAUSE
        for companion in beside:
            try:
                companion.tick()
            except Exception:
                log.exception("%s failed; the brains are not concerned", type(companion).__name__)
        systemd.notify("WATCHDOG=1")
        if once and is_ledger_well and not watch.is_busy and _is_all_done(watch):
            return
        woken = waker.sleep(pause)


def _is_all_done(watch: Watch) -> bool:
    left = [brain for brain in watch.ledger.brains(*_TO_DO) if watch.facility.route(brain.route)]
    if watch.is_paused:
        log.error("it ends with brains waiting for room on the disk")
        return True
    return not left


def _folders_to_hear(watch: Watch) -> list[Path]:
    """The watched folders, and the brains that are coming in."""
    coming = [Path(brain.source) for brain in watch.ledger.brains(*_COMING)]
    return list(dict.fromkeys([route.watch for route in watch.facility.routes] + coming))


def _reload(watch: Watch, beside: Sequence[Companion]) -> None:
    systemd.notify("RELOADING=1")
    try:
        watch.reload(read_facility(watch.facility.path))
        for companion in beside:
            companion.reload(watch.facility)
    except EccPxError as error:
        log.error("the configuration is not taken, and the one before holds: %s", error)
    systemd.notify("READY=1")


@contextmanager
def _signals(waker: Waker) -> Iterator[_Asked]:
    asked = _Asked(waker)
    handlers = {signal.SIGTERM: asked.stop, signal.SIGINT: asked.stop, signal.SIGHUP: asked.reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
