"""Logs: for people on a terminal, for systemd's journal, and for each brain."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

SAYS = """
import logging
from pathlib import Path
from ecc_px.service import logs

logs.set_up()
log = logging.getLogger("ecc_px.test")
with logs.brain_log(Path({folder!r}) / "brain.log"):
    log.info("%d cells were found.", 12, extra={{"brain": "PV/mouse\\x1b[31m\\n1"}})
    log.warning("a share was away")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("it failed")
log.info("outside")
logging.getLogger("uvicorn.error").info("chatter")
"""


def said(folder: Path, environment: dict[str, str] | None = None, **streams: object) -> str:
    """What a real process writes to its standard error."""
    kept = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "INVOCATION_ID")}
    process = subprocess.run(
        [sys.executable, "-c", SAYS.format(folder=str(folder))],
        env=kept | {"TZ": "UTC"} | (environment or {}),
        check=True,
        **(streams or {"stderr": subprocess.PIPE}),  # type: ignore[call-overload]
    )
    return (process.stderr or b"").decode()


def test_under_systemd_each_record_is_one_line_of_json(tmp_path: Path) -> None:
    lines = said(tmp_path, {"INVOCATION_ID": "0f"}).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["level"] for record in records] == ["info", "warning", "error", "info"]
    assert records[0]["message"] == "12 cells were found."
    assert records[0]["brain"] == "PV/mouse\x1b[31m\n1"
    assert "ZeroDivisionError" in records[2]["traceback"]
    assert records[0]["time"].endswith("+00:00")
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with path.open("wb") as stream:
        status = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}", "INVOCATION_ID": "0f"}
        said(tmp_path, environment, stderr=stream)
    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<6>", "<4>", "<3>", "<6>"]
    assert json.loads(lines[1][3:])["message"] == "a share was away"


def test_on_a_terminal_people_read_lines(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    said(tmp_path, {"INVOCATION_ID": "0f"}, stderr=theirs)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    first, second, *_ = text.splitlines()
    assert first[8:] == r"  PV/mouse\x1b[31m\n1: 12 cells were found."
    assert first[:8].replace(":", "").isdecimal()
    assert second.endswith("  Warning: a share was away")
    assert "chatter" not in text
    assert "\x1b" not in text


def test_a_brain_has_its_own_log_which_later_tries_go_on_with(tmp_path: Path) -> None:
    said(tmp_path / "PV" / "mouse")
    said(tmp_path / "PV" / "mouse")
    text = (tmp_path / "PV" / "mouse" / "brain.log").read_text()
    assert text.count("12 cells were found.") == 2
    assert text.count("ZeroDivisionError: division by zero") == 2
    assert "outside" not in text
    assert text.startswith("20")


def test_a_brain_log_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = said(tmp_path / "file")
    assert "the brain's log can't be written" in text
    assert "12 cells were found." in text


def test_a_full_disk_ends_a_brain_log_in_silence(tmp_path: Path) -> None:
    (tmp_path / "brain.log").symlink_to("/dev/full")
    text = said(tmp_path)
    assert "outside" in text
    assert "Logging error" not in text
