"""Outputs that appear whole or not at all: a temporary name in the same folder, renamed when finished."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from ecc_px.errors import OutputExists, OutputFailed

_FULL = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk full (your quota is used up)",
    errno.EFBIG: "the file is too large for this disk or your limits",
}


class PartialOutput:
    """A file or folder that is being made next to the place where it will appear.

    Parameters
    ----------
    path : Path
        Where the finished output will be.
    overwrite : bool
        Replace what is there. Nothing at `path` is touched before `commit`.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        self.refuse_existing()
        self.temporary = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")

    def refuse_existing(self) -> None:
        if not self._overwrite and os.path.lexists(self.path):
            raise OutputExists(f"{self.path} is already there: pass --overwrite to replace it.")

    def commit(self) -> None:
        """Give the finished output its name, once its bytes are on the disk."""
        _flush_to_disk(self.temporary)
        self.refuse_existing()
        if self.path.is_dir() and not self.path.is_symlink():
            # A folder can't be replaced in one step: the old one steps aside, and comes back on failure.
            aside = self.path.with_name(f".{self.path.name}.replaced-{secrets.token_hex(4)}")
            self.path.rename(aside)
            try:
                self.temporary.replace(self.path)
            except OSError:
                aside.rename(self.path)
                raise
            shutil.rmtree(aside)
        else:
            self.temporary.replace(self.path)

    def discard(self) -> None:
        """Remove what was made."""
        if self.temporary.is_dir():
            shutil.rmtree(self.temporary, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """fsync a file, or every file below a folder: after a power cut, the new name must not hold old bytes."""
    files = [path] if path.is_file() else [child for child in path.rglob("*") if child.is_file()]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def write_errors_named(path: Path) -> Iterator[None]:
    """Turn what the system raises, on a full disk for example, into a sentence with the path."""
    try:
        yield
    except OSError as error:
        reason = _FULL.get(error.errno or 0, str(error))
        raise OutputFailed(f"{path}: it could not be written: {reason}. Nothing was left behind.") from error


@contextlib.contextmanager
def appearing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Where to write an output for now; it gets its name when the block ends without an error, else it is removed."""
    output = PartialOutput(path, overwrite=overwrite)
    try:
        with write_errors_named(path):
            yield output.temporary
            output.commit()
    except BaseException:
        output.discard()
        raise
