"""Files that belong to an image and lie beside it: the data of BigDataViewer, of which the .xml only tells.

The .xml is not parsed: its data are wanted while it is still being copied, too.
"""

from __future__ import annotations

import re
from pathlib import Path

from ecc_px.volumes.naming import BIGDATAVIEWER_SUFFIXES

_MOST_BYTES = 4 * 2**20
"""Of an .xml that is looked into; thousands of views are described in less."""
_DATA = re.compile(rb"<(hdf5|n5|zarr|path)\b[^>]*>([^<]+)</\1>")
"""The data's name; `path`, where they are divided into several HDF5 files."""


def may_tell_of_data(path: Path) -> bool:
    """Whether a file is of the kind that tells of others, by its name."""
    return path.suffix.lower() in BIGDATAVIEWER_SUFFIXES


def companions_of(path: Path) -> tuple[Path, ...] | None:
    """The data that a BigDataViewer .xml tells of, whether they are there or not; None if it tells of none.

    Raises
    ------
    OSError
    """
    with path.open("rb") as stream:
        text = stream.read(_MOST_BYTES)
    if b"<SpimData" not in text:
        return None
    named = (match[2].decode("utf-8", "replace").strip() for match in _DATA.finditer(text))
    return tuple(dict.fromkeys(path.parent / name for name in named if name)) or None
