"""What lies at a brain's path right now: how many files, how large, and whether anything is another than before."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from ecc_px.completeness.clutter import CLUTTER, belongs_to_image
from ecc_px.volumes.companions import companions_of, may_tell_of_data
from ecc_px.volumes.naming import TIFF_SUFFIXES

PACE_FILES = 200
"""Latest files whose times tell how quickly files come."""

_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True)
class Look:
    """What lay at a path.

    Parameters
    ----------
    files : int
        That belong to an image; hidden, temporary and vendors' files do not.
    bytes : int
        Of these.
    planes : int
        TIFF files directly in a folder.
    first_plane : Path or None
        By name.
    names : frozenset of str
        Everything directly in a folder.
    pace : float or None
        Median seconds between the latest files.
    newest : float
        When the latest file was changed or came here, as the disk says, in seconds since 1970. A copying program can
        set a file's own time, but not this one.
    signature : str
        Of the names, sizes and times of all files, temporary ones included.
    missing : tuple of str
        Files that others of the brain tell of, and that are not there.
    """

    files: int
    bytes: int
    planes: int
    first_plane: Path | None
    names: frozenset[str]
    pace: float | None
    newest: float
    signature: str
    missing: tuple[str, ...] = ()


def look_at(path: Path) -> Look | None:
    """Look at a file, or at everything below a folder; None if nothing is there.

    What vanishes while it is looked at is left out; the next look will differ.

    Raises
    ------
    OSError
        The disk or the share does not answer, or we may not look.
    """
    try:
        status = path.stat()
    except OSError as error:
        if error.errno in _VANISHED:
            return None
        raise
    if stat.S_ISDIR(status.st_mode):
        return _look_below(path)
    signature = _signature([f"{status.st_size} {status.st_mtime_ns}"])
    alone = Look(1, status.st_size, 0, None, frozenset(), None, status.st_ctime, signature)
    return _with_companions(path, alone) if may_tell_of_data(path) else alone


def _with_companions(path: Path, alone: Look) -> Look:
    """A file and the data that it tells of."""
    data = [(companion, look_at(companion)) for companion in companions_of(path) or ()]
    there = [look for _, look in data if look is not None]
    return Look(
        alone.files + sum(look.files for look in there),
        alone.bytes + sum(look.bytes for look in there),
        0,
        None,
        frozenset(),
        None,
        max([alone.newest, *(look.newest for look in there)]),
        _signature([alone.signature, *(f"{companion} {look and look.signature}" for companion, look in data)]),
        tuple(companion.name for companion, look in data if look is None),
    )


def _look_below(folder: Path) -> Look:
    lines: list[str] = []
    times: list[float] = []
    planes: list[str] = []
    names: list[str] = []
    size, newest = 0, 0.0
    waiting = [(str(folder), "", True)]
    while waiting:
        place, prefix, counts = waiting.pop()
        try:
            entries = os.scandir(place)
        except OSError as error:
            if error.errno in _VANISHED:
                continue
            raise
        with entries:
            for entry in entries:
                name = entry.name
                lower = name.lower()
                if lower in CLUTTER:
                    # No sign that the brain changes: looking at a folder leaves such files in it.
                    continue
                if not prefix:
                    names.append(name)
                is_plane = lower.endswith(TIFF_SUFFIXES)
                # Most names are planes', and there may be hundreds of thousands: they need no further question.
                belongs = counts and ((is_plane and lower[0] not in ".~") or belongs_to_image(name))
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, f"{prefix}{name}/", belongs))
                        continue
                    status = entry.stat()
                except OSError as error:
                    if error.errno in _VANISHED:
                        continue
                    raise
                lines.append(f"{prefix}{name} {status.st_size} {status.st_mtime_ns}")
                newest = max(newest, status.st_ctime)
                if belongs:
                    times.append(status.st_mtime)
                    size += status.st_size
                    if is_plane and not prefix:
                        planes.append(name)
    first = folder / min(planes) if planes else None
    return Look(len(times), size, len(planes), first, frozenset(names), _pace(times), newest, _signature(lines))


def _pace(times: Sequence[float]) -> float | None:
    latest = sorted(times)[-PACE_FILES:]
    if len(latest) < 3:
        return None
    return median_low(later - earlier for earlier, later in pairwise(latest))


def _signature(lines: list[str]) -> str:
    """Of lines in any order."""
    lines.sort()
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()
