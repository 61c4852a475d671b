"""Outputs that appear whole or not at all: a temporary name in the same folder, renamed when finished."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ecc_px.errors import OutputExists, OutputFailed

_REASONS = {
    errno.EEXIST: "there is a file, not a folder",
    errno.ENOTDIR: "there is a file, not a folder",
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk full (your quota is used up)",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "you may not write there",
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
    is_such_a_folder : function of a folder, optional
        Whether a folder at `path` is nothing but an output of the same kind, so that it may be replaced; any other
        folder that holds something is somebody's, and is never removed.
    """

    def __init__(
        self, path: Path, *, overwrite: bool, is_such_a_folder: Callable[[Path], bool] = lambda folder: False
    ) -> None:
        self.path = path
        self._overwrite = overwrite
        self._is_such_a_folder = is_such_a_folder
        self.refuse_existing()
        self._remove_orphans()
        self.temporary = path.with_name(f"{self._prefix}{os.getpid()}-{secrets.token_hex(4)}")

    def refuse_existing(self) -> None:
        if not self._overwrite and os.path.lexists(self.path):
            raise OutputExists(f"{self.path} is already there: pass --overwrite (overwrite=True) to replace it.")
        if self.path.is_dir() and any(self.path.iterdir()) and not self._is_such_a_folder(self.path):
            raise OutputExists(
                f"{self.path} is a folder that holds other things, which --overwrite does not remove: "
                "choose another name for the output."
            )

    @property
    def _prefix(self) -> str:
        # Process numbers mean something on one machine only, and a share may be written to from several.
        return f".{self.path.name}.partial-{platform.node()}-"

    def _remove_orphans(self) -> None:
        """Remove what processes of this machine left that were killed while making the same output."""
        for orphan in self.path.parent.glob(glob.escape(self._prefix) + "*"):
            process = orphan.name.removeprefix(self._prefix).split("-")[0]
            if process.isdecimal() and not _is_running(int(process)):
                _remove(orphan)

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
        _remove(self.temporary)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    """Remove a file or a folder as far as the disk lets us; whoever calls has a better error to tell."""
    if path.is_dir():
        # A library may still be writing a last file into the folder from a thread of its own.
        for _ in range(20):
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                return
            time.sleep(0.05)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


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
def written_whole(
    path: Path, *, overwrite: bool, is_such_a_folder: Callable[[Path], bool] = lambda folder: False
) -> Iterator[Path]:
    """Where to write a file or folder that appears at `path` when the block ends without an error.

    The parameters are those of `PartialOutput`.

    Raises
    ------
    OutputExists, OutputFailed
    """
    with write_errors_named(path):
        output = PartialOutput(path, overwrite=overwrite, is_such_a_folder=is_such_a_folder)
        try:
            yield output.temporary
            output.commit()
        except BaseException:
            output.discard()
            raise


@contextlib.contextmanager
def write_errors_named(path: Path) -> Iterator[None]:
    """Turn what the system raises, on a full disk for example, into a sentence with the path."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, str(error))
        raise OutputFailed(
            f"{path}: it could not be written: {reason}. Mend that or choose another place, and run it again."
        ) from error
