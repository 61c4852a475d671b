"""What the names in a folder of planes say: which plane each file is, and which are missing, doubled or strange."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ecc_px.completeness.clutter import belongs_to_image
from ecc_px.completeness.findings import Finding, Kind
from ecc_px.volumes.naming import TIFF_SUFFIXES, ZARR_SUFFIXES, suffix_of

_CHANNEL = re.compile(r"(?:^|[^a-z])(?:c|ch|chan|channel)[ _-]?$", re.IGNORECASE)
"""What stands before the number of a channel."""

_TILE = re.compile(r"(?:\[|tile[ _-]?|(?:\[[^\]]*) x )$", re.IGNORECASE)
"""What stands before the number of a tile: ``[00 x 01]``, ``tile 3``."""

_UNFINISHED = re.compile(
    r"^\.?(?P<name>.*\.(?:tiff?|btf|tf[28]))(?:\.[A-Za-z0-9]{6}|~|\.(?:tmp|temp|part|partial|crdownload|filepart))$",
    re.IGNORECASE,
)
"""Copies under way: robocopy's and browsers' endings, rsync's ``.name.tif.Xy12ab``."""


@dataclass(frozen=True)
class NumberedFile:
    """A file name cut into the text around its numbers, and the numbers."""

    path: Path
    text: tuple[str, ...]
    digits: tuple[str, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(digits) for digits in self.digits)

    def with_number(self, field: int, number: int) -> str:
        """What the file would be called with another number in one place."""
        width = len(self.digits[field]) if self.digits[field].startswith("0") or number == 0 else 0
        digits = [*self.digits]
        digits[field] = f"{number:0{width}}"
        return "".join(a + b for a, b in zip(self.text, [*digits, ""], strict=True)) + self.path.suffix


@dataclass(frozen=True)
class Channel:
    """The planes of one channel: running number → file."""

    name: str
    planes: dict[int, Path]


@dataclass(frozen=True)
class FolderNames:
    """What a folder's names say.

    Parameters
    ----------
    channels : tuple of Channel
        One, without a name, where names have no channel number; none where the names can't be understood.
    findings : tuple of Finding
    """

    channels: tuple[Channel, ...]
    findings: tuple[Finding, ...]


def read_names(folder: Path) -> FolderNames:
    """Understand the names of a folder of TIFF planes."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    findings: list[Finding] = []
    files = [_numbered(folder / name) for name in names if _is_plane(name)]
    if not files:
        nothing = Finding(Kind.missing_plane, str(folder), f"{folder}: there are no TIFF planes in this folder.")
        return FolderNames((), (nothing,))
    usual, _ = Counter(file.text for file in files).most_common(1)[0]
    example = next(file for file in files if file.text == usual)
    findings += [
        Finding(
            Kind.stranger,
            file.path.name,
            f"{file.path}: it does not belong to the series of {example.path.name}. Move it elsewhere.",
        )
        for file in files
        if file.text != usual
    ]
    channels, more = _channels_of(folder, [file for file in files if file.text == usual])
    return FolderNames(channels, (*findings, *more))


def is_folder_of_planes(folder: Path) -> bool:
    """Whether a folder is read as a folder of TIFF planes."""
    if suffix_of(folder) in ZARR_SUFFIXES:
        return False
    with os.scandir(folder) as entries:
        return any(_is_plane(entry.name) and entry.is_file() for entry in entries)


def _is_plane(name: str) -> bool:
    return belongs_to_image(name) and name.lower().endswith(TIFF_SUFFIXES)


def _numbered(path: Path) -> NumberedFile:
    parts = re.split(r"(\d+)", path.name[: -len(path.suffix)])
    return NumberedFile(path, tuple(parts[::2]), tuple(parts[1::2]))


def unfinished_copies(folder: Path) -> Iterator[Finding]:
    """Planes of which there is only a copy under way."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    there = set(names)
    for name in names:
        match = _UNFINISHED.match(name)
        if match and match["name"] not in there and not _is_plane(name):
            yield Finding(
                Kind.cut_short,
                match["name"],
                f"{folder / name}: the copy of {match['name']} is not finished. Wait for it, or copy it again.",
            )


def _channels_of(folder: Path, files: Sequence[NumberedFile]) -> tuple[tuple[Channel, ...], list[Finding]]:
    if len(files) == 1:
        return (Channel("", {0: files[0].path}),), []
    columns = list(zip(*(file.numbers for file in files), strict=True))
    varying = [field for field, values in enumerate(columns) if len(set(values)) > 1]
    tiles = [field for field in range(len(columns)) if _TILE.search("".join(files[0].text[: field + 1]))]
    if set(tiles) & set(varying):
        different = sorted({tuple(file.digits[field] for field in tiles) for file in files})
        listed = ", ".join(" x ".join(tile) for tile in different[:3]) + (", …" if len(different) > 3 else "")
        sentence = (
            f"{folder}: it holds {len(different)} tiles ({listed}) that nobody has stitched. Stitch them into one "
            "image first, or move each tile to a folder of its own."
        )
        return (), [Finding(Kind.unstitched, str(folder), sentence)]
    channel_fields = [field for field in varying if _CHANNEL.search(files[0].text[field])]
    others = [field for field in varying if field not in channel_fields]
    if len(channel_fields) != 1 or not others:
        return _one_channel(folder, files, varying, columns)
    by_channel = defaultdict(list)
    for file in files:
        by_channel[file.digits[channel_fields[0]]].append(file)
    findings: list[Finding] = []
    channels: list[Channel] = []
    for digits, of_channel in sorted(by_channel.items(), key=lambda item: int(item[0])):
        planes, more = _one_channel(
            folder, of_channel, others, list(zip(*(f.numbers for f in of_channel), strict=True))
        )
        findings += more
        channels += [Channel(digits, channel.planes) for channel in planes]
    return tuple(channels), findings + list(_unequal(folder, channels, findings))


def _one_channel(
    folder: Path, files: Sequence[NumberedFile], varying: Sequence[int], columns: Sequence[tuple[int, ...]]
) -> tuple[tuple[Channel, ...], list[Finding]]:
    """The planes of one channel, in which only the running number varies, or others along with it."""
    distinct = [field for field in varying if len(set(columns[field])) == len(files)]
    if len(files) == 1:
        return (Channel("", {files[0].numbers[varying[-1]]: files[0].path}),), []
    if not varying:
        twice = f"{folder}: {files[0].path.name} and {files[1].path.name} are the same plane. Move one elsewhere."
        return (), [Finding(Kind.duplicate, files[1].path.name, twice)]
    if not distinct and len(varying) > 1:
        sentence = (
            f"{folder}: more than one number varies in its file names, e.g. {files[0].path.name} and "
            f"{files[-1].path.name}: a folder may hold the planes of one tile only."
        )
        return (), [Finding(Kind.other, str(folder), sentence)]
    # A time stamp or a position may vary along with the running number, which counts in even steps, but for gaps.
    field = max(distinct, key=lambda f: (_share_of_usual_step(columns[f]), f)) if distinct else varying[-1]
    planes: dict[int, Path] = {}
    findings = []
    for file in files:
        number = file.numbers[field]
        if number in planes:
            sentence = f"{folder}: {planes[number].name} and {file.path.name} are the same plane. Move one elsewhere."
            findings.append(Finding(Kind.duplicate, file.path.name, sentence))
        planes.setdefault(number, file.path)
    planes = dict(sorted(planes.items()))
    findings += _gaps(folder, files[0], field, list(planes))
    return (Channel("", planes),), findings


def _share_of_usual_step(numbers: Sequence[int]) -> float:
    steps = Counter(b - a for a, b in pairwise(sorted(numbers)))
    return steps.most_common(1)[0][1] / steps.total()


def _gaps(folder: Path, example: NumberedFile, field: int, numbers: Sequence[int]) -> Iterator[Finding]:
    """A finding for each run of numbers that is left out."""
    if len(numbers) < 2:
        return
    step = Counter(b - a for a, b in pairwise(numbers)).most_common(1)[0][0]
    total = (numbers[-1] - numbers[0]) // step + 1
    for before, after in pairwise(numbers):
        missing = range(before + step, after, step)
        if not missing:
            continue
        first, last = (example.with_number(field, number) for number in (missing[0], missing[-1]))
        where = first if len(missing) == 1 else f"{first} to {last}"
        subject = f"plane {where} is" if len(missing) == 1 else f"planes {where} ({len(missing):,}) are"
        sentence = (
            f"{folder}: {subject} missing (found {len(numbers):,} of {total:,}). "
            "Copy again, or pass --allow-missing (in a service: allow_missing = true) to treat it as empty."
        )
        yield Finding(Kind.missing_plane, where, sentence)


def _unequal(folder: Path, channels: Sequence[Channel], earlier: Sequence[Finding]) -> Iterator[Finding]:
    """Channels that lack planes which others have; a gap inside a channel has been told already."""
    every = {number for channel in channels for number in channel.planes}
    for channel in channels:
        inner = range(min(channel.planes), max(channel.planes) + 1)
        missing = sorted(number for number in every - set(channel.planes) if number not in inner)
        if missing:
            listed = ", ".join(str(number) for number in missing[:5]) + (", …" if len(missing) > 5 else "")
            sentence = (
                f"{folder}: channel {channel.name} has {len(channel.planes):,} planes, all channels together have "
                f"{len(every):,}: plane {listed} missing. Copy it again."
            )
            yield Finding(Kind.unequal_channels, f"channel {channel.name}", sentence)
