"""How numba kernels are compiled, and that none outlives a change of its source.

numba keeps compiled kernels on disk and compiles anew when the file of the kernel's own function has changed; it does
not look at the files of the functions that the kernel calls. After an update that would run an old kernel without a
word. So this module, which every kernel's module imports first, forgets all of them when any of their sources changed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

COMPILE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Cached on disk, without the GIL, strict IEEE arithmetic: a division by zero is infinity and no exception."""

KERNEL_ROOMS = ("filters", "models", "cells")


def forget_stale_kernels(package: Path) -> bool:
    """Delete the compiled kernels of a package whose kernel sources are not those that they were compiled from.

    Returns
    -------
    bool
        Whether the sources had changed.
    """
    stamp = package / "__pycache__" / "kernels.stamp"
    sources = sorted(path for room in KERNEL_ROOMS for path in (package / room).glob("*.py"))
    digest = hashlib.sha256()
    for source in sources:
        status = source.stat()
        digest.update(f"{source.relative_to(package)} {status.st_size} {status.st_mtime_ns}\n".encode())
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return False
    # Where the package can't be written to, numba keeps its kernels elsewhere, and nobody edits the sources.
    with contextlib.suppress(OSError):
        for compiled in package.glob("*/__pycache__/*.nb[ic]"):
            compiled.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())
    return True


forget_stale_kernels(Path(__file__).parent)
