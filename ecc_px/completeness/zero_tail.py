"""The zeros at the end of a file whose room was reserved and whose copy was never finished."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

FEWEST = 4096
"""Zeros at the end from which on they tell something. HDF5 may leave 2 KiB unused that it took for its tables."""

_STEP = 2**20


def zero_tail(path: Path) -> int:
    """How many bytes at the end of a file are 0; 0 for a folder, and for fewer than `FEWEST`."""
    if not path.is_file():
        return 0
    with path.open("rb", buffering=0) as file:
        size = end = os.fstat(file.fileno()).st_size
        while end > 0:
            start = max(0, end - _STEP)
            filled = np.flatnonzero(np.frombuffer(os.pread(file.fileno(), end - start, start), np.uint8))
            if len(filled):
                end = start + int(filled[-1]) + 1
                break
            end = start
    return size - end if size - end >= FEWEST else 0


def zero_tail_sentence(path: Path, zeros: int) -> str:
    """What to say of a file that can't be read and ends in zeros."""
    size = path.stat().st_size
    what = "it has its length, but all of it is" if zeros == size else f"its last {zeros:,} of {size:,} bytes are"
    return f"{path}: {what} zeros: its copy is not finished. Copy it again."
