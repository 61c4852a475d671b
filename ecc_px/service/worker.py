"""The process that checks brains, or works on one: ``python -m ecc_px.service.worker``, started by the service.

It is told what to do on its standard input, tells what becomes of it in the ledger, and dies with the service.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from ecc_px.errors import LedgerFailed
from ecc_px.service import logs
from ecc_px.service.job import Job, StopWanted
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.patience import patiently
from ecc_px.service.processes import be_humble, die_with, start_of
from ecc_px.service.results import LOG
from ecc_px.volumes.streaming import Progress

BEAT_SECONDS = 5.0
TELL_SECONDS = 1.0
LOST = 3
"""Exit code of a worker whose brain is somebody else's by now."""


class Signals:
    """Whether the service asked for an end."""

    def __init__(self) -> None:
        self.stop_wanted = False
        signal.signal(signal.SIGTERM, self._stop)
        # Ctrl-C on a terminal reaches every process; the service decides what happens.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_wanted = True


class Teller:
    """Tells the ledger how far the work on a brain is, once a second at most.

    Parameters
    ----------
    steps : tuple of str
        Names of what is done one after the other; a new one begins where the voxels done grow less.
    """

    def __init__(self, ledger: Ledger, job: Job, brain: int, signals: Signals, steps: tuple[str, ...]) -> None:
        self._ledger, self._job, self._brain, self._signals = ledger, job, brain, signals
        self._steps = list(steps)
        self._step = self._steps.pop(0)
        self._begun = self._told = time.monotonic()
        self._first: int | None = None
        self._last = 0

    def __call__(self, done: int, total: int) -> None:
        if self._signals.stop_wanted:
            raise StopWanted
        now = time.monotonic()
        if self._first is None or (done < self._last and self._steps):
            if self._first is not None:
                self._step = self._steps.pop(0)
            # What an earlier try had done already says nothing of the speed.
            self._begun, self._first, self._told = now, done, 0.0
        self._last = done
        if now - self._told < TELL_SECONDS and done < total:
            return
        self._told = now
        elapsed = now - self._begun
        speed = (done - self._first) / elapsed if elapsed > 0 and done > self._first else None
        facts: dict[str, Any] = {"step": self._step, "done": done, "total": total, "speed": speed}
        try:
            if self._job.token is None:
                self._ledger.update(self._brain, **facts)
            elif not self._ledger.beat(self._job.token, **facts):
                os._exit(LOST)
        except LedgerFailed:
            # The work goes on; what becomes of it can be told later.
            return


def _beat(ledger: Ledger, token: str) -> None:
    """Show that the process lives, whatever it is doing; end it when nobody waits for it any more."""
    while True:
        time.sleep(BEAT_SECONDS)
        try:
            if not ledger.beat(token):
                os._exit(LOST)
        except LedgerFailed:
            continue


def main() -> int:
    """Do the job that stands on standard input."""
    job = Job.from_json(sys.stdin.read())
    die_with(job.parent)
    signals = Signals()
    be_humble(job.service.nice, idle_io=job.service.idle_io)
    logs.set_up()
    with Ledger(job.ledger) as ledger:
        if job.kind == "check":
            from ecc_px.service.checking import check_brains

            def progress_of(brain: Brain) -> Progress:
                return Teller(ledger, job, brain.id, signals, ("checking",))

            with contextlib.suppress(StopWanted):
                check_brains(job, ledger, progress_of)
            return 0
        assert job.token is not None
        token, myself = job.token, (os.getpid(), start_of(os.getpid()) or 0)
        if not patiently(lambda: ledger.beat(token, process=myself)):
            return LOST
        threading.Thread(target=_beat, args=(ledger, token), daemon=True).start()
        ((number, _),) = job.tasks
        brain = ledger.brain(number)
        assert brain is not None
        own_log = logs.open_brain_log(Path(brain.output) / LOG)
        if own_log is not None and own_log.stream is not None:
            # A crash of a library, too, leaves its trace there.
            faulthandler.enable(own_log.stream)
        from ecc_px.service.processing import process_brain

        process_brain(job, ledger, Teller(ledger, job, number, signals, ("predicting", "finding cells")))
        return 0


if __name__ == "__main__":
    sys.exit(main())
