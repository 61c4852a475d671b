"""The chunk files of a Zarr array, each by its size: all that were cut short, where the reading ends at the first.

A chunk that Blosc packed says in its header how long it is. Other codecs notice by themselves, and are left to the
reading.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecc_px.completeness.clutter import belongs_to_image
from ecc_px.completeness.findings import Finding, Kind
from ecc_px.volumes.blosc import HEADER_BYTES, stated_length
from ecc_px.volumes.ome_zarr import OmeZarrVolume
from ecc_px.volumes.ome_zarr_store import METADATA
from ecc_px.volumes.streaming import in_order

_JOBS = 8
"""Threads: most of the time is waiting for the disk."""


@dataclass(frozen=True)
class CutChunk:
    """A chunk file that is too short: its place in the grid of chunks, and what to say."""

    place: tuple[int, ...]
    finding: Finding


def cut_chunks(image: OmeZarrVolume) -> Iterator[CutChunk]:
    """Chunk files of an image's array that are empty or shorter than they say."""

    def look_at(file: tuple[str, os.DirEntry[str]]) -> CutChunk | None:
        name, entry = file
        size = entry.stat().st_size
        wanted = _packed_length(entry.path) if image.is_packed_by_blosc else 1
        if size >= wanted:
            return None
        there = f"{size:,} of {wanted:,} bytes are there" if size else "it is empty"
        sentence = f"{entry.path}: the chunk file was cut short: {there}. Copy it again."
        return CutChunk(_place_of(name), Finding(Kind.cut_short, name, sentence))

    for _, cut in in_order(look_at, _files(str(image.array_folder), ""), _JOBS):
        if cut is not None:
            yield cut


def _packed_length(path: str) -> int:
    with Path(path).open("rb") as file:
        return stated_length(file.read(HEADER_BYTES))


def _files(folder: str, name: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, f"{name}{entry.name}/")
            elif entry.name not in METADATA and belongs_to_image(entry.name):
                yield f"{name}{entry.name}", entry


def _place_of(name: str) -> tuple[int, ...]:
    """``c/1/0/2``, ``1/0/2`` and ``1.0.2`` → (1, 0, 2)."""
    return tuple(int(part) for part in name.replace("/", ".").split(".") if part.isdecimal())
