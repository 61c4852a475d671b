"""Which of a folder's files are the planes of a stack, by their names: of which channel, in which order."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.naming import TIFF_SUFFIXES

_NAMED_AT_MOST = 5
"""Missing planes, or tiles, that a message names one by one."""

_CHANNEL = re.compile(r"(?:^|[^a-z])(c|ch|chan|channel)[ _-]?$", re.IGNORECASE)
"""What stands before the number of a channel: ``…_UltraII_C00_xyz-Table Z0000.ome.tif``, ``brain_ch1_0001.tif``."""

_PLANE = re.compile(r"(?:^|[^a-z])(?:z|plane|slice|section)[ _-]?$", re.IGNORECASE)

_TILE = re.compile(r"\[(\d+ x \d+)\]|(?:^|[^a-z])tile[ _-]?(\d+)", re.IGNORECASE)
"""Where in a mosaic an image lies: ``11-14-17_brain_Blaze[00 x 01]_C00_xyz-Table Z0000.ome.tif``, ``Tile3``."""


@dataclass(frozen=True)
class PlaneSeries:
    """The planes of a folder.

    Parameters
    ----------
    planes : for each channel, its files by their running number; None for one that is missing, where that is allowed
    channels : for each channel, what the names call it, such as C00; None where they tell of one only
    """

    planes: tuple[tuple[Path | None, ...], ...]
    channels: tuple[str, ...] | None


@dataclass(frozen=True)
class _NumberedName:
    """A file name cut into the text around its numbers, and the numbers."""

    path: Path
    text: tuple[str, ...]
    digits: tuple[str, ...]

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(digits) for digits in self.digits)


def tiff_files_in(folder: Path) -> list[Path]:
    """The TIFFs of a folder by name, hidden ones left out.

    Raises
    ------
    UnreadableVolume
        There is none.
    """
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in TIFF_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise UnreadableVolume(f"{folder}: there are no TIFF planes in this folder.")
    return found


def series_of(folder: Path, files: Sequence[Path], *, allow_missing: bool = False) -> PlaneSeries:
    """The planes among a folder's files, by channel and by their running number.

    The running number is the one that differs in every name of a channel. A number after C, Ch or Channel that differs,
    too, is the channel. Other numbers (a date, a tile such as ``[00 x 00]``) must stay the same. With `allow_missing`,
    a number that is left out is a plane without a file.

    Raises
    ------
    UnreadableVolume
        A file that does not belong to the series, two files with the same number, more than one stack, tiles.
    IncompleteVolume
        A gap in the running numbers, or a channel that lacks planes which another one has.
    """
    names = [_numbered(path) for path in files]
    if len(names) == 1:
        return PlaneSeries(((names[0].path,),), None)
    _refuse_tiles(folder, names)
    _refuse_strangers(folder, names)
    channel_field = _channel_field(names)
    by_channel: dict[str, list[_NumberedName]] = defaultdict(list)
    for name in sorted(names, key=lambda name: 0 if channel_field is None else name.numbers[channel_field]):
        by_channel[_channel_name(name, channel_field)].append(name)
    field = _running_field(folder, next(iter(by_channel.values())), channel_field)
    for group in by_channel.values():
        if len({name.numbers[field] for name in group}) < len(group):
            # Only a doubled plane can be the reason, and this names it.
            _running_field(folder, group, channel_field)
        group.sort(key=lambda name: name.numbers[field])
        if not allow_missing:
            _refuse_gap(folder, group, field)
    channels = None if channel_field is None else tuple(by_channel)
    if not allow_missing:
        _refuse_unequal(folder, by_channel, field)
        return PlaneSeries(tuple(tuple(name.path for name in group) for group in by_channel.values()), channels)
    of_channels = [{name.numbers[field]: name.path for name in group} for group in by_channel.values()]
    everywhere = sorted(set().union(*of_channels))
    step = min((b - a for a, b in pairwise(everywhere)), default=1)
    numbers = range(everywhere[0], everywhere[-1] + 1, step)
    return PlaneSeries(tuple(tuple(planes.get(number) for number in numbers) for planes in of_channels), channels)


def _numbered(path: Path) -> _NumberedName:
    parts = re.split(r"(\d+)", path.name[: -len(path.suffix)])
    return _NumberedName(path, tuple(parts[::2]), tuple(parts[1::2]))


def _refuse_tiles(folder: Path, names: Sequence[_NumberedName]) -> None:
    tiles = sorted({match.group() for name in names if (match := _TILE.search(name.path.name))})
    if len(tiles) > 1:
        listed = ", ".join(tile.strip(" _-") for tile in tiles[:_NAMED_AT_MOST])
        more = f" and {len(tiles) - _NAMED_AT_MOST} more" if len(tiles) > _NAMED_AT_MOST else ""
        raise UnreadableVolume(
            f"{folder}: it holds {len(tiles)} tiles that are not stitched: {listed}{more}. Stitch them first, or put "
            "each into a folder of its own."
        )


def _refuse_strangers(folder: Path, names: Sequence[_NumberedName]) -> None:
    usual, _ = Counter(name.text for name in names).most_common(1)[0]
    stranger = next((name for name in names if name.text != usual), None)
    if stranger is not None:
        example = next(name for name in names if name.text == usual)
        raise UnreadableVolume(
            f"{folder}: {stranger.path.name} does not belong to the series of {example.path.name}. "
            "Move one of them elsewhere."
        )


def _channel_field(names: Sequence[_NumberedName]) -> int | None:
    """Which number in the names is the channel; None where no channel differs."""
    text = names[0].text
    varying = [field for field, values in enumerate(_columns(names)) if len(set(values)) > 1]
    channels = [field for field in varying if _CHANNEL.search(text[field])]
    if len(channels) != 1:
        return None
    # Planes may be counted by a number after a C, unless another number is the plane's.
    alone = len(varying) == 1 and not any(_PLANE.search(before) for before in text)
    return None if alone else channels[0]


def _channel_name(name: _NumberedName, channel_field: int | None) -> str:
    """What a file's name calls its channel: C00."""
    if channel_field is None:
        return ""
    match = _CHANNEL.search(name.text[channel_field])
    return (match.group(1) if match else "") + name.digits[channel_field]


def _columns(names: Sequence[_NumberedName]) -> list[tuple[int, ...]]:
    return list(zip(*(name.numbers for name in names), strict=True))


def _running_field(folder: Path, names: Sequence[_NumberedName], channel_field: int | None) -> int:
    """Which number in the names of one channel counts the planes."""
    columns = _columns(names)
    if len(names) == 1:
        planes = [field for field, before in enumerate(names[0].text[:-1]) if _PLANE.search(before)]
        return planes[-1] if planes else len(columns) - 1
    varying = [field for field, values in enumerate(columns) if len(set(values)) > 1 and field != channel_field]
    distinct = [field for field in varying if len(set(columns[field])) == len(names)]
    if distinct:
        # A time stamp or a position may vary along with the running number, which counts in even steps.
        return next((field for field in distinct if _is_even(columns[field])), distinct[-1])
    if len(varying) > 1:
        raise UnreadableVolume(
            f"{folder}: more than one number varies in its file names, e.g. {names[0].path.name} and "
            f"{names[-1].path.name}, and none of them is marked as a channel (C00, ch1): a folder may "
            "hold one image only."
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
    if len(numbers) == 1:
        return
    step = min(b - a for a, b in pairwise(numbers))
    missing = sorted(set(range(numbers[0], numbers[-1] + 1, step)) - set(numbers))
    if missing:
        raise IncompleteVolume(
            f"{folder}: plane {_listed(missing)} missing between {names[0].path.name} and {names[-1].path.name} "
            f"(found {len(names):,} of {len(names) + len(missing):,}). Copy it again."
        )


def _refuse_unequal(folder: Path, by_channel: dict[str, list[_NumberedName]], field: int) -> None:
    """Refuse channels of which one has planes that another lacks."""
    has = {channel: {name.numbers[field] for name in group} for channel, group in by_channel.items()}
    everywhere = set().union(*has.values())
    for channel, numbers in has.items():
        missing = sorted(everywhere - numbers)
        if missing:
            raise IncompleteVolume(
                f"{folder}: channel {channel} lacks plane {_listed(missing)}, which another channel has. Copy it again."
            )


def _listed(numbers: Sequence[int]) -> str:
    listed = ", ".join(str(number) for number in numbers[:_NAMED_AT_MOST])
    return listed + (f" and {len(numbers) - _NAMED_AT_MOST} more" if len(numbers) > _NAMED_AT_MOST else "")
