"""Where an unfinished prediction keeps what it has: a hidden folder beside the output.

    .brain_probabilities.h5.work/
        lock             held by the process that works; its number and machine
        manifest.json    what is made from what: whoever goes on must want exactly the same
        groups           the journal of finished block groups
        attempts         a line for each time that somebody began or went on
        progress.json    how far it is, for anybody who looks

Nothing in it is a result. It is removed when the outputs and their receipts are in place.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ecc_px.errors import UnfinishedWork
from ecc_px.pipeline.journal import Journal
from ecc_px.volumes.partial import written_whole

SECONDS_BETWEEN_REPORTS = 1.0

_SUFFIX = ".work"


def work_path(output: Path) -> Path:
    """The work folder of an output."""
    return output.with_name(f".{output.name}{_SUFFIX}")


def work_folders(place: Path) -> list[Path]:
    """The work folders of an output, or of all outputs in a folder."""
    if work_path(place).is_dir():
        return [work_path(place)]
    return sorted(path for path in place.glob(f".*{_SUFFIX}") if path.is_dir()) if place.is_dir() else []


def output_of(work: Path) -> Path:
    """The output that a work folder belongs to."""
    return work.with_name(work.name.removeprefix(".").removesuffix(_SUFFIX))


class WorkFolder:
    """The work folder of one output, held by this process alone. Use it as a context manager.

    Parameters
    ----------
    output : Path
    restart : bool
        Throw away what an earlier attempt left.

    Raises
    ------
    UnfinishedWork
        Another process is at work on this output.
    OSError
        Of the file system.
    """

    def __init__(self, output: Path, *, restart: bool = False) -> None:
        self.path = work_path(output)
        self.output = output
        self._restart = restart
        self._lock = -1
        self._journal: Journal | None = None

    def __enter__(self) -> Self:
        self._lock = _locked(self.path)
        try:
            if self._restart:
                self._empty()
            self._manifest = _read_json(self.path / "manifest.json")
            self._is_new = self._manifest is None
            if self._is_new:
                # Whatever lies here was begun by nobody who could say what it is.
                self._empty()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_empty = (self._journal is None or not len(self._journal)) and not self._has_scratch()
        if self._journal is not None:
            self._journal.close()
        if kind is not None and self._is_new and is_empty and not self.is_marked():
            self._remove()
        self._let_go()

    @property
    def journal(self) -> Journal:
        """The finished block groups."""
        if self._journal is None:
            self._journal = Journal(self.path / "groups")
            _flush_folder(self.path)
        return self._journal

    @property
    def scratch(self) -> Path:
        """A folder for what is needed until the outputs are in place; removed with the work folder."""
        return self.path / "scratch"

    @property
    def choices(self) -> Mapping[str, Any] | None:
        """What the first attempt chose for all that follow; None in a new folder."""
        return None if self._manifest is None else self._manifest["choices"]

    def settle(self, wanted: Mapping[str, Any], choices: Mapping[str, Any]) -> None:
        """Write down what is to be made, or make sure that it is what was begun.

        Parameters
        ----------
        wanted : mapping
            Everything that the outputs' bytes depend on, by the name that a person knows it by.
        choices : mapping
            What no later attempt may choose otherwise; kept in a new folder, ignored in an old one.

        Raises
        ------
        UnfinishedWork
            Something else was begun here.
        """
        wanted = json.loads(json.dumps(wanted))
        if self._manifest is None:
            self._manifest = {"wanted": wanted, "choices": json.loads(json.dumps(choices))}
            _write_json(self.path / "manifest.json", self._manifest)
            return
        begun = self._manifest["wanted"]
        differing = [name for name in {**begun, **wanted} if begun.get(name) != wanted.get(name)]
        if differing:
            changes = "; ".join(_change(name, begun.get(name), wanted.get(name)) for name in differing)
            raise UnfinishedWork(
                f"{self.output}: an unfinished run for this output was begun otherwise: {changes}. "
                "Run it as it was begun, or pass --restart (restart=True) to begin anew."
            )

    def decided(self, name: str, decide: Callable[[], Any]) -> Any:
        """What the first attempt that came so far decided for all that follow: as JSON, kept in the folder."""
        assert self._manifest is not None
        choices = self._manifest["choices"]
        if name not in choices:
            choices[name] = decide()
            _write_json(self.path / "manifest.json", self._manifest)
        return choices[name]

    def goes_on_with(self, wanted: Mapping[str, Any], *, restart: bool) -> bool:
        """Write down what is to be made; whether an earlier attempt at the same came as far as `mark`.

        Raises
        ------
        UnfinishedWork
            Something else was begun here, and what is in `scratch` would be lost without `restart`.
        """
        try:
            self.settle(wanted, {})
        except UnfinishedWork:
            if self._has_scratch() and not restart:
                raise
            self._empty()
            self.settle(wanted, {})
        return self.is_marked()

    def attempts(self) -> list[dict[str, Any]]:
        """The attempts so far, as each of them noted itself."""
        noted = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.path / "attempts").read_text(encoding="utf-8").splitlines():
                # A crash may have cut a line short.
                with contextlib.suppress(ValueError):
                    noted.append(json.loads(line))
        return noted

    def begin_attempt(self, facts: Mapping[str, Any]) -> None:
        """Note that an attempt begins."""
        with (self.path / "attempts").open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

    def clock(self, stage: str, found: int, total: int) -> ProgressFile:
        """What tells others how far a stage of the work is; `found` of its voxels are there at its beginning."""
        return ProgressFile(self.path / "progress.json", stage, found, total)

    def mark(self) -> None:
        """Say that from now on, outputs in place may be this run's own: one that goes on may replace them."""
        (self.path / "assembling").touch()
        _flush_folder(self.path)

    def is_marked(self) -> bool:
        """Whether an earlier attempt, or this one, began to put outputs in place."""
        return (self.path / "assembling").exists()

    def finish(self) -> None:
        """Remove the folder: the outputs and their receipts are in place."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._remove()

    def _has_scratch(self) -> bool:
        return self.scratch.is_dir() and any(self.scratch.iterdir())

    def _empty(self) -> None:
        for child in self.path.iterdir():
            if child.is_dir():
                shutil.rmtree(child)
            elif child.name != "lock":
                child.unlink()
        self._manifest = None

    def _remove(self) -> None:
        # The manifest first: without it, what is left of a removal that is cut short means nothing.
        with contextlib.suppress(OSError):
            (self.path / "manifest.json").unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _let_go(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class ProgressFile:
    """A small file that says how far the work is, replaced at most once a second. A full disk does not matter here."""

    def __init__(self, path: Path, stage: str, found: int, total: int) -> None:
        self._path = path
        self._facts = {"stage": stage, "found": found, "total": total, "began": time.time(), "process": os.getpid()}
        self._told = -SECONDS_BETWEEN_REPORTS

    def tell(self, done: int, *, total: int | None = None, now: bool = False) -> None:
        """Say that so many voxels are done, and how many there are where that is known only now."""
        if now or time.monotonic() - self._told >= SECONDS_BETWEEN_REPORTS:
            self._told = time.monotonic()
            facts = {**self._facts, "done": done, "told": time.time()}
            if total is not None:
                facts["total"] = total
            with contextlib.suppress(OSError):
                new = self._path.with_suffix(".new")
                new.write_text(json.dumps(facts), encoding="utf-8")
                new.replace(self._path)


def is_at_work(work: Path) -> bool:
    """Whether a process holds a work folder; of another machine, whether its share's locks say so."""
    try:
        file = os.open(work / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _holder_runs(work)
    finally:
        os.close(file)
    return False


def read_progress(work: Path) -> dict[str, Any] | None:
    """What the process at work, or the last one, reported."""
    return _read_json(work / "progress.json")


def _locked(folder: Path) -> int:
    """Make the folder, if need be, and take its lock."""
    while True:
        folder.mkdir(exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                # A share that knows no locks leaves us the number of the process.
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES) or _holder_runs(folder):
                    raise UnfinishedWork(
                        f"{output_of(folder)}: {_holder(folder)} is making it. Wait for it, or stop it first."
                    ) from error
            if _is_same(file, folder / "lock"):
                os.ftruncate(file, 0)
                os.pwrite(file, json.dumps({"process": os.getpid(), "machine": platform.node()}).encode(), 0)
                return file
        except BaseException:
            os.close(file)
            raise
        # Whoever held it has just finished, and removed the folder together with the lock that we waited for.
        os.close(file)


def _is_same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _holder(folder: Path) -> str:
    known = _read_json(folder / "lock") or {}
    return f"process {known.get('process', '?')} on {known.get('machine', 'this machine')}"


def _holder_runs(folder: Path) -> bool:
    known = _read_json(folder / "lock") or {}
    if known.get("machine") != platform.node() or known.get("process") in (None, os.getpid()):
        return False
    try:
        os.kill(int(known["process"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _change(name: str, begun: Any, wanted: Any) -> str:
    """One difference, with both values where a person can read them; of settings, those that differ."""
    if all(isinstance(value, dict) and all(isinstance(v, str) for v in value.values()) for value in (begun, wanted)):
        differing = [key for key in begun | wanted if begun.get(key) != wanted.get(key)]
        return "; ".join(_change(key, begun.get(key), wanted.get(key)) for key in differing)
    values = [_plain(value) for value in (begun, wanted)]
    if any(len(value) > 60 for value in values):
        return f"{name} changed"
    return f"{name} was {values[0]}, now {values[1]}"


def _plain(value: Any) -> str:
    if value is None:
        return "not given"
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with written_whole(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """fsync a folder: after a power cut, a file's name in it is there, too."""
    file = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems of other machines refuse, and there is nothing else to be done.
        with contextlib.suppress(OSError):
            os.fsync(file)
    finally:
        os.close(file)
