"""Files of the folder of outputs, and no others, for a browser.

A path is opened folder by folder, without following any symbolic link below the folder of outputs, so that nothing
outside can be reached, also when somebody changes folders at the same moment.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SERVED = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".xml": "text/xml; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}
"""Kinds of files that are served. Images as large as a brain are not: a page is no way to fetch them."""

PIECE = 2**18


@dataclass(frozen=True)
class OpenFile:
    """A file that is open for reading: its descriptor belongs to whoever holds this."""

    descriptor: int
    size: int
    modified_ns: int
    media_type: str

    def pieces(self) -> Iterator[bytes]:
        """Its content as long as it was when it was opened; then it is closed."""
        left = self.size
        with os.fdopen(self.descriptor, "rb") as file:
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def open_output(root: Path, path: bytes) -> OpenFile | None:
    """Open a file below the folder of outputs.

    Parameters
    ----------
    root : Path
        The folder of outputs; it may itself be a symbolic link.
    path : bytes
        Relative to `root`, as the file system spells it, already decoded from the address.

    Returns
    -------
    OpenFile or None
        None for whatever must not or cannot be served: a path with `..`, a hidden or unfinished file, a link, a folder,
        a kind that is not in `SERVED`. Why is nobody's business.
    """
    parts = path.split(b"/")
    if b"\0" in path or any(part in (b"", b".", b"..") or part.startswith(b".") for part in parts):
        return None
    media_type = SERVED.get(PurePosixPath(os.fsdecode(parts[-1])).suffix.lower())
    if media_type is None:
        return None
    flags = os.O_RDONLY | os.O_CLOEXEC
    folder = -1
    try:
        folder = os.open(root, flags | os.O_DIRECTORY)
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # A named pipe would keep us waiting for its writer; without blocking it opens, and is then refused.
        descriptor = os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    finally:
        if folder >= 0:
            os.close(folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    return OpenFile(descriptor, status.st_size, status.st_mtime_ns, media_type)
