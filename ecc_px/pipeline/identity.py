"""What a result is made from, told so that a change is noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecc_px.completeness import fingerprint
from ecc_px.version import __version__
from ecc_px.volumes import Volume
from ecc_px.volumes.channel_view import ChannelView

ENCODERS = ("h5py", "imagecodecs", "tifffile", "zarr")
"""Libraries whose version may change the bytes of a file that says the same."""


def describe_source(volume: Volume) -> dict[str, Any]:
    """A volume as it lies on the disk and as it is read: equal again only if nobody touched it."""
    layout = volume.layout
    return {
        "fingerprint": fingerprint(volume.path),
        "files": file_state(volume.path),
        "axes": layout.axes,
        "shape": list(layout.stored_shape),
        "dtype": str(layout.dtype),
        "origins": layout.origins,
    }


def reading_options(volume: Volume) -> dict[str, Any]:
    """How `open_volume` is to be called to get the same image of the file again."""
    if isinstance(volume, ChannelView):
        inner, channel = volume.opening.arguments[:2]
        return reading_options(inner) | {"channel": channel}
    known = ("axes", "inner_path", "level", "allow_missing")
    return {name: value for name, value in volume.opening.options.items() if name in known and value}


def versions() -> dict[str, str]:
    """What makes the bytes."""
    return {"ecc-px": __version__} | {name: version(name) for name in ENCODERS}


def file_state(path: Path) -> str:
    """A digest of the names, sizes and times of a file or of all files below a folder."""
    digest = hashlib.sha256()
    for name, status in _files(path):
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if not path.is_dir():
        yield path.name, path.stat()
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            file = Path(folder) / name
            yield file.relative_to(path).as_posix(), file.stat()
