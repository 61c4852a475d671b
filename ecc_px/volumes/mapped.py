"""A part of a file as an array to write to."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

RESIDENT_BYTES = 32 * 2**20
"""Written to a map before its pages are let go."""


def reserve(file: IO[bytes], size: int) -> None:
    """Take a file's room on the disk. Writing to a map where the disk is full kills the process instead."""
    if size:
        os.posix_fallocate(file.fileno(), 0, size)


def mapped(
    file: Path | IO[bytes],
    dtype: npt.DTypeLike,
    shape: Sequence[int],
    *,
    offset: int,
    order: Literal["C", "F"] = "C",
) -> np.memmap[Any, Any]:
    """The array at `offset` of a file whose room is reserved. Threads may write to parts that don't overlap."""
    return np.memmap(file, dtype, "r+", offset, tuple(shape), order)


class PagesLetGo:
    """Keeps what is written to a map from counting as this process's memory: every so often, its pages are let go.

    They stay in the system's cache of files, from which they go to the disk; nothing written is lost.

    Parameters
    ----------
    array : np.memmap
        As `mapped` makes it.
    every : int
        Bytes that may count in between.
    """

    def __init__(self, array: np.memmap[Any, Any], every: int = RESIDENT_BYTES) -> None:
        self._array = array
        self._every = every
        self._written = 0
        self._lock = threading.Lock()

    def wrote(self, piece: npt.NDArray[Any]) -> None:
        """Say that a piece of the array was written. From any thread."""
        run = piece.shape[-1 if self._array.flags.c_contiguous else 0] * piece.itemsize
        with self._lock:
            # Of every page that a run of voxels touches, all counts.
            self._written += piece.nbytes // max(run, 1) * (run + mmap.PAGESIZE)
            if self._written < self._every:
                return
            self._written = 0
        base = self._array.base
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            # Of a shared map of a file: whoever touches a page again gets what was written there.
            base.madvise(mmap.MADV_DONTNEED)
