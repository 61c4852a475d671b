"""A file that HDF5 may write to when the disk is full."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any


class UnfailingFile(io.RawIOBase):
    """A new file, in the form of h5py's `fileobj` driver, whose writes never fail: the first error is kept.

    HDF5 can't recover from a write that fails: it keeps its unwritten pieces, tries again whenever it is called, and
    takes the process down when it ends. It is therefore told that all went well; whoever uses it must ask `error`
    after each write, and throw the file away once there is one.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._position = 0

    def raise_error(self) -> None:
        """Raise the first error that there was."""
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        elif whence == os.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = os.preadv(self._descriptor, [view], self._position)
        view[count:] = bytes(len(view) - count)
        self._position += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        written = len(rest)
        try:
            while len(rest) and self.error is None:
                count = os.pwrite(self._descriptor, rest, self._position)
                self._position += count
                rest = rest[count:]
        except OSError as error:
            self.error = error
        return written

    def truncate(self, size: int | None = None) -> int:
        end = self._position if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self._descriptor, end)
        except OSError as error:
            self.error = error
        return end

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
