"""A part of a file as an array to write to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt


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
