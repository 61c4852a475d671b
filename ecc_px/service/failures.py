"""What went wrong: will it pass by itself, or must somebody do something?"""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ecc_px.errors import EccPxError, NoRoom, OutputFailed, WorkerDied
from ecc_px.service.clock import Clock
from ecc_px.service.config import Service
from ecc_px.service.ledger import Brain
from ecc_px.service.quantities import duration, size
from ecc_px.service.states import State

LONGEST_PAUSE = 6 * 3600.0
PAUSE_GROWS = 4
LEAST_MEMORY = 256 * 2**20
"""Bytes below which it makes no sense to try with less."""


class Kind(StrEnum):
    """How a failure is met."""

    passing = "passing"
    memory = "memory"
    output = "output"
    permanent = "permanent"


_CLOSED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})
"""Why nothing can be written: a full or read-only disk, permissions. Somebody mends that without telling us."""
_PERMANENT = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.EFBIG,
        errno.EINVAL,
        errno.EACCES,
        errno.EPERM,
    }
)
"""What another try meets again, or, with EINVAL, a damaged file that points nowhere. Everything else, such as EIO or
ESTALE, is a disk or a share that may come back."""


@dataclass(frozen=True)
class Failure:
    """What went wrong, as a sentence, and how it is met."""

    kind: Kind
    reason: str


def failure_of(error: BaseException) -> Failure:
    """What an exception means."""
    if any(isinstance(cause, MemoryError) for cause in _chain(error)):
        return Failure(Kind.memory, "The memory was not enough.")
    if isinstance(error, NoRoom):
        return Failure(Kind.output, str(error))
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            if cause.errno in _CLOSED and isinstance(error, OutputFailed):
                return Failure(Kind.output, str(error))
            if cause.errno not in _PERMANENT:
                return Failure(Kind.passing, str(error))
    if isinstance(error, WorkerDied):
        return Failure(Kind.memory, str(error))
    if isinstance(error, EccPxError):
        return Failure(Kind.permanent, str(error))
    return Failure(
        Kind.permanent,
        f"{type(error).__name__}: {error}. This is a bug in ecc-px; please report it with the brain's log.",
    )


def failure_of_exit(code: int) -> Failure:
    """What it means that the process that worked on a brain ended with a code, without a word."""
    if code == -signal.SIGKILL:
        return Failure(Kind.memory, "The process that worked on it was killed, most likely because memory was short.")
    if code < 0:
        return Failure(Kind.passing, f"The process that worked on it crashed ({signal.Signals(-code).name}).")
    return Failure(Kind.passing, f"The process that worked on it ended with code {code}, without saying why.")


def consequence(failure: Failure, brain: Brain, service: Service, clock: Clock) -> tuple[State, str, dict[str, Any]]:
    """What becomes of a brain after a failure: its state, the reason, and other columns of the ledger."""
    if failure.kind is Kind.permanent:
        return State.quarantined, failure.reason, {"attempts": 0}
    # A disk is mended by people or by time, not by trying: that does not count.
    attempts = brain.attempts + (failure.kind is not Kind.output)
    if attempts > service.retries:
        tries = f"after {attempts} tries" if attempts > 1 else "and it is not tried again"
        return State.quarantined, f"{failure.reason} It was given up {tries}.", {"attempts": 0}
    pause = min(service.retry_after * PAUSE_GROWS ** max(attempts - 1, 0), LONGEST_PAUSE)
    due = clock.moment()
    also: dict[str, Any] = {
        "attempts": attempts,
        "retry_boot": due.boot,
        "retry_seconds": due.seconds + pause,
        "retry_at": clock.wall() + pause,
    }
    why = f"{failure.reason} It is tried again in {duration(pause)}"
    if failure.kind is Kind.memory:
        also["memory"] = max((brain.memory or service.memory or _memory_of_machine()) // 2, LEAST_MEMORY)
        why += f", with {size(also['memory'])} of memory"
    if failure.kind is not Kind.output:
        why += f" (try {attempts} of {service.retries})"
    return State.retry, why + ".", also


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that caused it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _memory_of_machine() -> int:
    with open("/proc/meminfo", encoding="ascii") as facts:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in facts if line.startswith("MemTotal"))
