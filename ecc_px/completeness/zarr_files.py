"""The chunk files of a Zarr array, each by its size: a cut one may read as something, and never as an error.

A chunk that Blosc packed says in its header how long it is; Blosc itself believes that, and decodes whatever lies in
memory behind a chunk that was cut short. Other codecs notice, and are left to the reading.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecc_px.completeness.findings import Finding, Kind
from ecc_px.completeness.fingerprint import belongs_to_image
from ecc_px.volumes.streaming import in_order

_BLOSC_HEADER = 16
"""Bytes of Blosc's header; the last four are the length of the chunk with it."""

_JOBS = 8
"""Threads: most of the time is waiting for the disk."""

_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")


@dataclass(frozen=True)
class CutChunk:
    """A chunk file that is too short: its place in the grid of chunks, and what to say."""

    place: tuple[int, ...]
    finding: Finding


def cut_chunks(array: Path) -> Iterator[CutChunk]:
    """Chunk files of an array's folder that are empty or shorter than they say."""
    fewest = _BLOSC_HEADER if _is_packed_by_blosc(array) else 1

    def look_at(file: tuple[str, os.DirEntry[str]]) -> CutChunk | None:
        name, entry = file
        size, wanted = entry.stat().st_size, fewest
        if fewest == _BLOSC_HEADER <= size:
            wanted = _blosc_length(entry.path)
        if size >= wanted:
            return None
        there = f"{size:,} of {wanted:,} bytes are there" if size else "it is empty"
        sentence = f"{entry.path}: the chunk file was cut short: {there}. Copy it again."
        return CutChunk(_place_of(name), Finding(Kind.cut_short, name, sentence))

    for _, cut in in_order(look_at, _files(str(array), ""), _JOBS):
        if cut is not None:
            yield cut


def _is_packed_by_blosc(array: Path) -> bool:
    """Whether each file is one chunk that Blosc packed last; in a sharded array, checksums guard the index."""
    for name in (".zarray", "zarr.json"):
        if not (array / name).is_file():
            continue
        metadata = json.loads((array / name).read_text(encoding="utf-8"))
        last = (metadata.get("codecs") or [{}])[-1].get("name")
        return "blosc" in ((metadata.get("compressor") or {}).get("id"), last)
    return False


def _blosc_length(path: str) -> int:
    with Path(path).open("rb") as file:
        return int.from_bytes(file.read(_BLOSC_HEADER)[12:], "little")


def _files(folder: str, name: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, f"{name}{entry.name}/")
            elif entry.name not in _METADATA and belongs_to_image(entry.name):
                yield f"{name}{entry.name}", entry


def _place_of(name: str) -> tuple[int, ...]:
    """``c/1/0/2``, ``1/0/2`` and ``1.0.2`` → (1, 0, 2)."""
    return tuple(int(part) for part in name.replace("/", ".").split(".") if part.isdecimal())
