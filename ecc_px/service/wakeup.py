"""Sleeping until it is time for the next look, or until something happens in a watched folder."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from ecc_px.service.config import Watching

_ON_A_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "gluster",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse",
    "pvfs",
    "acfs",
)
"""Beginnings of the names of file systems whose files change without the kernel of this machine knowing."""
_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""Opening and reading are events, too, and we ourselves do that."""


class Waker(FileSystemEventHandler):
    """Wakes whoever waits when something changes directly in one of several folders.

    Parameters
    ----------
    watching : {"auto", "inotify", "polling"}
        "polling": nothing wakes; "auto": events, where the file system is on a disk of this machine.
    """

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        # A signal's handler may write into a pipe at any moment; a lock, it might hold already.
        self._ear, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._observer = Observer()
        self._watched: dict[Path, object] = {}
        if watching != "polling":
            self._observer.start()

    def attend(self, folders: Iterable[Path]) -> list[str]:
        """Listen to these folders and to no others; problems as sentences."""
        if self._watching == "polling":
            return []
        wanted, problems = set(folders), []
        for folder in self._watched.keys() - wanted:
            self._observer.unschedule(self._watched.pop(folder))  # type: ignore[arg-type]
        for folder in wanted - self._watched.keys():
            if not folder.is_dir() or (self._watching == "auto" and is_on_network(folder)):
                continue
            try:
                self._watched[folder] = self._observer.schedule(self, str(folder), recursive=False)
            except OSError as error:
                problems.append(
                    f"{folder}: its events can't be listened to ({error.strerror or error}); it is looked at from time "
                    "to time. More watches: sysctl fs.inotify.max_user_watches."
                )
        return problems

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _CHANGES:
            self._ring(b"f")

    def wake(self) -> None:
        """End the sleep, for another reason than a file; may be called by a signal's handler."""
        self._ring(b"w")

    def sleep(self, seconds: float) -> bool:
        """Wait until somebody wakes us, and say whether a file was the reason."""
        select.select([self._ear], [], [], max(seconds, 0.0))
        heard = b""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self._ear, 4096):
                heard += more
        return b"f" in heard

    def _ring(self, why: bytes) -> None:
        # A full pipe wakes, too.
        with contextlib.suppress(BlockingIOError):
            os.write(self._bell, why)

    def close(self) -> None:
        """Stop listening."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(5)
        os.close(self._ear)
        os.close(self._bell)


def is_on_network(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a folder lies on a file system that others write to without our kernel noticing."""
    best, kind = "", ""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, place, file_system, *_ = line.split(" ")
        # Spaces and the like are written as \040.
        place = place.encode("latin-1", "surrogateescape").decode("unicode_escape") if "\\" in place else place
        if folder.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, file_system
    return kind.startswith(_ON_A_NETWORK)
