"""The processes that the service starts: one that checks, and one for each brain that is worked on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from ecc_px.service.failures import Failure
from ecc_px.service.job import Job

_THREAD_LIMITS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Child:
    """A running process and its job; `killed_for` is set where the service had to kill it."""

    job: Job
    process: subprocess.Popen[str]
    is_asked_to_stop: bool = False
    killed_for: Failure | None = None

    @property
    def brain(self) -> int:
        """The brain that is worked on, or the first of those that are checked."""
        return self.job.tasks[0][0]

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it works."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to finish its block and end."""
        if not self.is_asked_to_stop:
            self.is_asked_to_stop = True
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now. What it was in the middle of is gone on with at the next try."""
        self.process.kill()
        self.process.wait()


def start(job: Job) -> Child:
    """Start a process for a job. To be called by the main thread: when the thread that starts it ends, it is killed."""
    environment = dict(os.environ)
    # systemd listens to the service alone.
    environment.pop("NOTIFY_SOCKET", None)
    if job.threads is not None:
        environment |= dict.fromkeys(_THREAD_LIMITS, str(job.threads))
    process = subprocess.Popen(
        [sys.executable, "-m", "ecc_px.service.worker"], stdin=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    try:
        process.stdin.write(job.to_json())
        process.stdin.close()
    except BrokenPipeError:
        # It died at once; its exit code tells.
        pass
    return Child(job, process)
