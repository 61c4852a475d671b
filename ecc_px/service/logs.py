"""What the service says of what it does: lines for people on a terminal, JSON under systemd, a file for each brain.

A record may carry the brain that it is about: ``log.info("…", extra={"brain": brain.title})``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Levels as syslog numbers them."""

_CHATTY = ("uvicorn", "apprise", "urllib3", "matplotlib", "PIL")
"""Libraries whose everyday messages are of no use to whoever runs the service."""


class ForPeople(logging.Formatter):
    """One line for each record: time, brain, message; with the date where the lines go into a file."""

    def __init__(self, *, dated: bool) -> None:
        super().__init__()
        self._when = "%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone().strftime(self._when)
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.capitalize()}: "
        brain = getattr(record, "brain", None)
        about = f"{brain}: " if brain else ""
        line = _shown(f"{level}{about}{record.getMessage()}")
        return f"{when}  {line}{_trace(self, record)}"


class AsJson(logging.Formatter):
    """One JSON object in each line: time, level, message, logger, process, and brain and traceback where there are any.

    Parameters
    ----------
    with_priority : bool
        Begin lines with the priority, as systemd's journal takes it and cuts it off: ``journalctl -p warning`` then
        finds warnings.
    """

    def __init__(self, *, with_priority: bool = False) -> None:
        super().__init__()
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            "process": record.process,
        }
        brain = getattr(record, "brain", None)
        if brain:
            facts["brain"] = str(brain)
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        # ASCII: a name that is no valid text, or that would confuse a terminal, is spelled out.
        line = json.dumps(facts)
        if self._with_priority:
            priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
            line = f"<{priority}>{line}"
        return line


def set_up(stream: TextIO | None = None, *, environment: Mapping[str, str] | None = None) -> None:
    """Send everything from "info" on to standard error, in the form that suits whoever reads it there.

    Parameters
    ----------
    stream : text file, optional
        Default: standard error.
    environment : mapping, optional
        Default: the process's.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter_for(stream, os.environ if environment is None else environment))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _formatter_for(stream: TextIO, environment: Mapping[str, str]) -> logging.Formatter:
    try:
        status = os.fstat(stream.fileno())
        is_journal = environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
        is_terminal = stream.isatty()
    except (OSError, ValueError):
        is_journal = is_terminal = False
    if is_journal or (environment.get("INVOCATION_ID") and not is_terminal):
        return AsJson(with_priority=is_journal)
    return ForPeople(dated=not is_terminal)


class _BrainFile(logging.FileHandler):
    """A log that ends in silence where the disk is full: that is told elsewhere, and no reason to stop the work."""

    def handleError(self, record: logging.LogRecord) -> None:
        return


def open_brain_log(path: Path) -> logging.FileHandler | None:
    """Append what this process says from now on to a brain's own log, too.

    Returns
    -------
    Handler or None
        To be closed with `close_brain_log`; None where the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _BrainFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        logging.getLogger(__name__).warning("%s: the brain's log can't be written: %s.", path, error.strerror)
        return None
    handler.setFormatter(ForPeople(dated=True))
    logging.getLogger().addHandler(handler)
    return handler


def close_brain_log(handler: logging.Handler | None) -> None:
    """End what `open_brain_log` began."""
    if handler is not None:
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):
            handler.close()


@contextmanager
def brain_log(path: Path) -> Iterator[None]:
    """What is said inside goes into a brain's own log, too."""
    handler = open_brain_log(path)
    try:
        yield
    finally:
        close_brain_log(handler)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return "\n" + _CONTROL_BUT_LINES.sub(_spelled, formatter.formatException(record.exc_info))


def _shown(text: str) -> str:
    """Text that is one line and can't command a terminal: names of folders come from anywhere."""
    return _CONTROL.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
