"""Is there room on the disk of the results?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ecc_px.service.quantities import size


def free_bytes(folder: Path) -> int:
    """Bytes that can be written where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def taken_by(folder: Path) -> int:
    """Bytes on the disk of everything below a folder: what an unfinished try has written already."""
    taken = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                taken += (Path(place) / name).stat().st_blocks * 512
            except OSError:
                continue
    return taken


def lack_of_room(output: Path, needs: int, keep_free: int) -> str | None:
    """Why there is not enough room, as a sentence; None if there is.

    Parameters
    ----------
    needs : int
        Bytes that are still to be written.
    keep_free : int
        Bytes that must be left.
    """
    free = free_bytes(output)
    if free >= needs + keep_free:
        return None
    return (
        f"{output} has {size(free)} free; the next brain may need {size(needs)} there, and {size(keep_free)} are kept "
        "free. Make room, and it goes on by itself."
    )
