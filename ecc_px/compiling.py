"""How numba kernels are compiled, and that none outlives a change of its source.

numba keeps compiled kernels on disk and compiles anew when the file of the kernel's own function has changed; it looks
neither at the files of the functions that the kernel calls nor at the options. After an update that would run an old
kernel without a word. So our kernels are kept in a folder that is named after all of their sources.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Cached on disk, without the GIL, strict IEEE arithmetic: a division by zero is infinity and no exception."""

KERNEL_ROOMS = ("filters", "models", "cells")
"""Where kernels may live: a change of any file there, or here, makes all of them be compiled anew."""

PREFIX = "kernels-"


def kernel(**options: Any) -> Callable[[Any], Any]:
    """Decorate a function to be compiled by numba, with `OPTIONS` and further `options` of `numba.njit`."""

    def compiled(function: Any) -> Any:
        with _cached_in(CACHE_FOLDER):
            return numba.njit(**OPTIONS, **options)(function)

    return compiled


def cache_folder(package: Path) -> Path:
    """Where the compiled kernels of a package are kept, named after its kernel sources.

    Below NUMBA_CACHE_DIR if that is set; else beside the package's other compiled files; else, where those can't be
    written, in the user's cache. What an earlier state of the package left beside it is removed.
    """
    name = PREFIX + _digest(package)
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given) / name
    beside = package / "__pycache__"
    with contextlib.suppress(OSError):
        beside.mkdir(exist_ok=True)
        if os.access(beside, os.W_OK):
            for earlier in beside.glob(PREFIX + "*"):
                if earlier.name != name:
                    shutil.rmtree(earlier, ignore_errors=True)
            return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ecc-px" / name


def _digest(package: Path) -> str:
    sources = [package / "compiling.py", *(path for room in KERNEL_ROOMS for path in (package / room).glob("*.py"))]
    digest = hashlib.sha256()
    for source in sorted(path for path in sources if path.is_file()):
        digest.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    # numba asks for the folder when a function is decorated; other packages' kernels stay where they are.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


CACHE_FOLDER = cache_folder(Path(__file__).parent)
