"""Which of a folder's files are the planes of one stack, in which order, and whether one is missing."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.naming import TIFF_SUFFIXES

_NAMED_AT_MOST = 5
"""Missing planes that a message names one by one."""


@dataclass(frozen=True)
class _NumberedName:
    """A file name cut into the text around its numbers, and the numbers."""

    path: Path
    text: tuple[str, ...]
    numbers: tuple[int, ...]


def planes_in(folder: Path) -> list[Path]:
    """The TIFF planes of a folder by their running number.

    The running number is the one that differs in every name; other numbers (a date, a tile such as ``[00 x 00]``,
    a channel) must stay the same. Files that are no TIFF, and hidden ones, are ignored.

    Raises
    ------
    UnreadableVolume
        No TIFF, a file that does not belong to the series, two files with the same number, more than one stack.
    IncompleteVolume
        A gap in the running numbers.
    """
    names = [
        _numbered(path)
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in TIFF_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not names:
        raise UnreadableVolume(f"{folder}: there are no TIFF planes in this folder.")
    if len(names) == 1:
        return [names[0].path]
    _refuse_strangers(folder, names)
    field = _running_field(folder, names)
    names.sort(key=lambda name: name.numbers[field])
    _refuse_gap(folder, names, field)
    return [name.path for name in names]


def _numbered(path: Path) -> _NumberedName:
    parts = re.split(r"(\d+)", path.name[: -len(path.suffix)])
    return _NumberedName(path, tuple(parts[::2]), tuple(int(digits) for digits in parts[1::2]))


def _refuse_strangers(folder: Path, names: Sequence[_NumberedName]) -> None:
    usual, _ = Counter(name.text for name in names).most_common(1)[0]
    stranger = next((name for name in names if name.text != usual), None)
    if stranger is not None:
        example = next(name for name in names if name.text == usual)
        raise UnreadableVolume(
            f"{folder}: {stranger.path.name} does not belong to the series of {example.path.name}. "
            "Move one of them elsewhere."
        )


def _running_field(folder: Path, names: Sequence[_NumberedName]) -> int:
    """Which number in the names counts the planes."""
    columns = list(zip(*(name.numbers for name in names), strict=True))
    varying = [field for field, values in enumerate(columns) if len(set(values)) > 1]
    distinct = [field for field in varying if len(set(columns[field])) == len(names)]
    if distinct:
        # A time stamp or a position may vary along with the running number, which counts in even steps.
        return next((field for field in distinct if _is_even(columns[field])), distinct[-1])
    if len(varying) > 1:
        raise UnreadableVolume(
            f"{folder}: more than one number varies in its file names, e.g. {names[0].path.name} and "
            f"{names[-1].path.name}: a folder may hold the planes of one channel and one tile only."
        )
    by_numbers = defaultdict(list)
    for name in names:
        by_numbers[name.numbers].append(name.path.name)
    twice = next(paths for paths in by_numbers.values() if len(paths) > 1)
    raise UnreadableVolume(f"{folder}: {' and '.join(twice)} are the same plane. Move one of them elsewhere.")


def _is_even(numbers: Sequence[int]) -> bool:
    ordered = sorted(numbers)
    return len({b - a for a, b in pairwise(ordered)}) == 1


def _refuse_gap(folder: Path, names: Sequence[_NumberedName], field: int) -> None:
    numbers = [name.numbers[field] for name in names]
    step = min(b - a for a, b in pairwise(numbers))
    missing = sorted(set(range(numbers[0], numbers[-1] + 1, step)) - set(numbers))
    if missing:
        listed = ", ".join(str(number) for number in missing[:_NAMED_AT_MOST])
        more = f" and {len(missing) - _NAMED_AT_MOST} more" if len(missing) > _NAMED_AT_MOST else ""
        raise IncompleteVolume(
            f"{folder}: plane {listed}{more} missing between {names[0].path.name} and {names[-1].path.name} "
            f"(found {len(names):,} of {len(names) + len(missing):,}). Copy it again."
        )
