"""Which brains lie in a watched folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ecc_px.completeness.clutter import belongs_to_image
from ecc_px.service.config import Route
from ecc_px.volumes.companions import companions_of, may_tell_of_data
from ecc_px.volumes.naming import suffix_of, volume_name


@dataclass(frozen=True)
class Candidate:
    """A brain by its place alone.

    Parameters
    ----------
    path : Path
    name : str
        For people and for the folder of its results.
    """

    path: Path
    name: str


def candidates(route: Route) -> list[Candidate]:
    """Everything that matches a route, by name: folders, and files of a format that we read.

    Raises
    ------
    OSError
        The watched folder can't be looked into.
    """
    found: list[Path] = []
    waiting = [(route.watch, route.match.split("/"))]
    while waiting:
        folder, (pattern, *deeper) = waiting.pop()
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            if folder == route.watch:
                raise
            continue
        with entries:
            for entry in entries:
                if not fnmatchcase(entry.name, pattern) or not _is_somebodys(entry.name):
                    continue
                if deeper and entry.is_dir():
                    waiting.append((Path(entry.path), deeper))
                elif not deeper and (entry.is_dir() or suffix_of(Path(entry.name))):
                    found.append(Path(entry.path))
    names: dict[str, Path] = {}
    for path in _without_companions(found):
        above = path.relative_to(route.watch).parts[:-1]
        name = "__".join((*above, volume_name(path)))
        # brain.h5 beside a folder brain: two brains, and two folders of results.
        names["__".join((*above, path.name)) if name in names else name] = path
    return [Candidate(path, name) for name, path in names.items()]


def _without_companions(found: list[Path]) -> list[Path]:
    """Brains in order; an .xml that tells of no data is none, and neither are the data that one tells of."""
    brains, data = set(found), set[Path]()
    for path in found:
        if not may_tell_of_data(path) or path.is_dir():
            continue
        try:
            told = companions_of(path)
        except FileNotFoundError:
            told = None
        if told is None:
            brains.discard(path)
        else:
            data.update(told)
    return sorted(brains - data)


def _is_somebodys(name: str) -> bool:
    """Whether a name is a person's or a microscope's, not one of a system's, a copy's or a storage server's own."""
    return belongs_to_image(name) and not name.startswith(".")
