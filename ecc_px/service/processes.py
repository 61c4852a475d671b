"""Processes of this machine: that one dies with its parent, works at low priority, and is known again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IDLE = 3 << 13
"""Class "idle": disks serve everybody else first."""
OOM_SCORE = 500
"""Where memory is short, the kernel ends the work on a brain before anything else of the machine."""


def die_with(parent: int) -> None:
    """Be killed by the kernel when the parent dies, however it dies; at once, if it is dead already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def be_humble(nice: int, *, idle_io: bool) -> None:
    """Take the processor and the disks only when nobody else wants them, as far as the system lets us."""
    with contextlib.suppress(OSError):
        os.nice(nice)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    number = _IOPRIO_SET.get(platform.machine())
    if idle_io and number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(number, 1, 0, _IDLE)


def start_of(process: int) -> int | None:
    """When the kernel started a process, in its own ticks; None if there is no such process (any more)."""
    try:
        facts = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    fields = facts.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def end_for_sure(process: int, start: int, *, patience: float = 10.0) -> bool:
    """Kill exactly this process, and say whether it is gone."""
    deadline = time.monotonic() + patience
    while start_of(process) == start:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
