"""The finished block groups of a prediction, on disk: appended to, never changed, and read again after a crash."""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecc_px.errors import OutputFailed

_HEADER = struct.Struct("<4sIQQI")
"""Mark, checksum of the rest of the header, number of the group, bytes that follow, their checksum."""

_MARK = b"pxbg"
_LENGTH = struct.Struct("<Q")
_READ_BYTES = 4 * 2**20


@dataclass(frozen=True)
class GroupFacts:
    """What a block group says of itself.

    Parameters
    ----------
    voxels, computed : int
        Of its cores; the rest was known to be empty.
    without_votes : int
        Voxels that are no numbers, or lie within reach of one.
    dark : int
        Voxels left out by `skip_below`.
    sha256 : tuple of str
        For each export, of the group's decoded voxels: block after block, each (c, z, y, x) in C order.
    """

    voxels: int
    computed: int
    without_votes: int
    dark: int
    sha256: tuple[str, ...]


class Journal:
    """An append-only file of finished block groups.

    A group is finished when `append` has returned: its record is then on the disk. A record that a crash cut short
    is noticed by its checksums when the journal is opened again, and dropped.

    Parameters
    ----------
    path : Path
        Made if it does not exist.

    Raises
    ------
    OSError
        Of the file system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._places: dict[int, tuple[int, int]] = {}
        self.facts: dict[int, GroupFacts] = {}
        self._end = self._scan()
        os.ftruncate(self._file, self._end)

    @property
    def size(self) -> int:
        """Bytes of all records."""
        return self._end

    def __contains__(self, group: int) -> bool:
        return group in self._places

    def __len__(self) -> int:
        return len(self._places)

    def append(self, group: int, facts: GroupFacts, pieces: Sequence[Sequence[bytes]]) -> None:
        """Keep a finished group: for each export, its encoded regions in order. From any thread.

        Raises
        ------
        OSError
            The disk is full, for example; the journal stays as it was.
        """
        about = json.dumps({"facts": asdict(facts), "sizes": [[len(p) for p in ps] for ps in pieces]}).encode()
        parts = [_LENGTH.pack(len(about)), about, *(piece for of_export in pieces for piece in of_export)]
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        size = sum(map(len, parts))
        record = [_header(group, size, checksum), *parts]
        with self._lock:
            begin = self._end
            try:
                at = begin
                for part in record:
                    at += _write_all(self._file, part, at)
            except BaseException:
                os.ftruncate(self._file, begin)
                raise
            self._end = at
        # Outside of the lock: other threads write on while this one waits for the disk.
        os.fdatasync(self._file)
        with self._lock:
            self._places[group] = (begin + _HEADER.size, size)
            self.facts[group] = facts

    def pieces(self, group: int, export: int) -> list[memoryview]:
        """The encoded regions of one export of a finished group."""
        begin, _ = self._places[group]
        head = os.pread(self._file, _LENGTH.size, begin)
        (length,) = _LENGTH.unpack(head)
        sizes = json.loads(os.pread(self._file, length, begin + _LENGTH.size))["sizes"]
        at = begin + _LENGTH.size + length + sum(map(sum, sizes[:export]))
        pieces = []
        for wanted in sizes[export]:
            piece = os.pread(self._file, wanted, at)
            if len(piece) != wanted:
                raise OutputFailed(f"{self.path}: it was cut short while it was read. Begin anew with --restart.")
            pieces.append(memoryview(piece))
            at += wanted
        return pieces

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _scan(self) -> int:
        """Find the finished groups, and where the last whole record ends."""
        total = os.fstat(self._file).st_size
        at = 0
        while at + _HEADER.size <= total:
            header = os.pread(self._file, _HEADER.size, at)
            _, _, group, size, checksum = _HEADER.unpack(header)
            begin = at + _HEADER.size
            if header != _header(group, size, checksum) or begin + size > total:
                break
            if self._checksum(begin, size) != checksum:
                break
            (length,) = _LENGTH.unpack(os.pread(self._file, _LENGTH.size, begin))
            about: dict[str, Any] = json.loads(os.pread(self._file, length, begin + _LENGTH.size))["facts"]
            self._places[group] = (begin, size)
            self.facts[group] = GroupFacts(**{**about, "sha256": tuple(about["sha256"])})
            at = begin + size
        return at

    def _checksum(self, begin: int, size: int) -> int:
        checksum, end = 0, begin + size
        while begin < end:
            piece = os.pread(self._file, min(_READ_BYTES, end - begin), begin)
            if not piece:
                break
            checksum = zlib.crc32(piece, checksum)
            begin += len(piece)
        return checksum


def _header(group: int, size: int, checksum: int) -> bytes:
    rest = struct.pack("<QQI", group, size, checksum)
    return _HEADER.pack(_MARK, zlib.crc32(rest), group, size, checksum)


def _write_all(file: int, data: bytes, at: int) -> int:
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, at)
        at += count
        view = view[count:]
    return len(data)
