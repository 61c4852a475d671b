"""From what was seen while an image was read to sentences: what is wrong, where, and what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.completeness.emptiness import (
    DENSE_PLANE,
    EXPECTED_VOXELS,
    BlankPlanes,
    EmptyChunks,
    EmptyRows,
    blank_planes,
    empty_chunks,
    empty_rows,
)
from ecc_px.completeness.findings import Finding, Kind
from ecc_px.completeness.repetition import Plane, repeated
from ecc_px.completeness.scanning import BLOCK_BYTES, Scan
from ecc_px.completeness.tally import Tally
from ecc_px.completeness.zero_tail import zero_tail, zero_tail_sentence
from ecc_px.volumes.blocks import Region
from ecc_px.volumes.volume import Volume

WIDTH_OF_A_CUT = 0.1
"""Of a row: by how much data must end before those of the row above do, to have been cut within the row."""


@dataclass(frozen=True)
class Seen:
    """An image that was read, and how to speak of it.

    Parameters
    ----------
    volume : Volume
        To look again at places in doubt.
    scan : Scan
    name_of : function of (frame, channel, z)
        What a plane is called.
    file_of : function of (frame, channel, z)
        The file that a plane is in.
    """

    volume: Volume
    scan: Scan
    name_of: Callable[[Plane], str]
    file_of: Callable[[Plane], Path]

    @property
    def channels(self) -> range:
        return range(self.volume.channels)

    def rows(self, plane: Plane, rows: slice) -> npt.NDArray[Any]:
        """Some rows of a plane, (y, x)."""
        frame, channel, z = plane
        region = slice(z, z + 1), rows, slice(0, self.volume.shape[2])
        return self.volume.read(region, frame=frame, channel=channel)[0, 0]

    def planes(self, frame: int, channels: Sequence[int], first: int, last: int) -> str:
        """Plane or planes by name: ``plane 7``, ``time point 3, channel 1, planes 7 to 9 (3)``."""
        inside = self.inside(frame, channels)
        from_, to = (self.name_of((frame, channels[0], z)) for z in (first, last))
        if first == last:
            return f"{inside}plane {from_}"
        return f"{inside}planes {from_} to {to} ({last - first + 1:,})"

    def inside(self, frame: int, channels: Sequence[int]) -> str:
        """Which time point and which channels, where there are several: ``time point 3, channel 1, ``."""
        text = f"time point {frame}, " if self.volume.frames > 1 else ""
        if len(channels) < len(self.channels):
            text += f"channel {', '.join(str(c) for c in channels)}, "
        return text


def judge(seen: Seen, *, allow_missing: bool) -> Iterator[Finding]:
    """Everything that is wrong or odd in an image, in the order of its planes."""
    yield from _unreadable_pieces(seen)
    yield from _empty_stacks(seen)
    for frame in range(seen.volume.frames):
        yield from _blank_planes(seen, frame, allow_missing=allow_missing)
        yield from _empty_rows(seen, frame)
        yield from _empty_chunks(seen, frame)
    yield from _repeated_planes(seen)


def _unreadable_pieces(seen: Seen) -> Iterator[Finding]:
    """A finding for each chunk, but only one for each plane where a plane has several."""
    told = set()
    for failure in seen.scan.failures:
        z, y, x = failure.region
        frame = seen.inside(failure.frame, seen.channels)
        where = f"{frame}z {_span(z)}, y {_span(y)}, x {_span(x)}"
        if z.stop - z.start == 1:
            where = seen.planes(failure.frame, seen.channels, z.start, z.start)
        if where in told:
            continue
        told.add(where)
        file = seen.file_of((failure.frame, 0, z.start))
        zeros = zero_tail(file)
        if zeros:
            sentence = f"{failure.sentence.partition(' Copy')[0]} {zero_tail_sentence(file, zeros)}"
            yield Finding(Kind.zero_filled, where, sentence)
        else:
            yield Finding(Kind.unreadable, where, failure.sentence)


def _empty_stacks(seen: Seen) -> Iterator[Finding]:
    """Channels and time points in which there is nothing."""
    path, frames = seen.volume.path, seen.scan.frames
    empty = np.array([[_is_empty(tally, channel) for channel in seen.channels] for tally in frames])
    if empty.all():
        values = sorted({float(value) for tally in frames for value in tally.low[:, ~tally.lost].flat})
        value = f"{values[0]:g}" if len(values) == 1 else "the same in each plane"
        sentence = (
            f"{path}: the image is empty: every voxel is {value}. It was not written, or its copy is not finished."
        )
        yield Finding(Kind.blank, "everywhere", sentence, is_warning=values != [0.0])
        return
    for channel in np.flatnonzero(empty.all(axis=0)):
        sentence = f"{path}: channel {channel} is empty: every voxel is the same. The others have signal."
        yield Finding(Kind.blank, f"channel {channel}", sentence, is_warning=True)
    blank_frames = np.flatnonzero(empty.all(axis=1))
    with_signal = np.flatnonzero(~empty.all(axis=1))
    for frame in blank_frames:
        sentence = f"{path}: time point {frame} is empty: every voxel is the same. Copy it again."
        is_inside = with_signal[0] < frame < with_signal[-1]
        yield Finding(Kind.blank, f"time point {frame}", sentence, is_warning=not is_inside)


def _is_empty(tally: Tally, channel: int) -> bool:
    readable = ~tally.lost
    return bool(readable.any() and (tally.low[channel, readable] == tally.high[channel, readable]).all())


def _blank_planes(seen: Seen, frame: int, *, allow_missing: bool) -> Iterator[Finding]:
    tally = seen.scan.frames[frame]
    lost: defaultdict[BlankPlanes, list[int]] = defaultdict(list)
    ends: defaultdict[BlankPlanes, list[int]] = defaultdict(list)
    for channel in seen.channels:
        for run in blank_planes(tally, channel):
            if run.place != "all" and _witness(seen, frame, channel, run) >= DENSE_PLANE:
                (lost if run.place == "inside" else ends)[run].append(channel)
    for run, channels in sorted(lost.items(), key=lambda item: item[0].first):
        yield _lost_planes(seen, frame, channels, run, "the planes before and after have signal", allow_missing)
    for run, channels in sorted(ends.items(), key=lambda item: item[0].first):
        where = seen.planes(frame, channels, run.first, run.last)
        others = ~tally.lost
        others[run.first : run.last + 1] = False
        is_nothing_else_0 = bool((tally.low[channels][:, others] > 0).all())
        if is_nothing_else_0 and not _is_stored(seen, frame, channels, run):
            yield _lost_planes(seen, frame, channels, run, "nothing else in the image is empty", allow_missing)
            continue
        end = "beginning" if run.place == "first" else "end"
        sentence = (
            f"{seen.volume.path}: {where}, at the {end}: every voxel is {run.value:g}. "
            "That is right if the image was padded; if not, copy it again."
        )
        yield Finding(Kind.blank, where, sentence, is_warning=True)


def _lost_planes(
    seen: Seen, frame: int, channels: Sequence[int], run: BlankPlanes, why: str, allow_missing: bool
) -> Finding:
    where = seen.planes(frame, channels, run.first, run.last)
    is_stored = _is_stored(seen, frame, channels, run)
    what = f"every voxel is {run.value:g}" if is_stored else "the file has no chunks there"
    advice = (
        "Treated as empty."
        if allow_missing
        else "Copy again, or pass --allow-missing (in a service: allow_missing = true) to take it as empty."
    )
    sentence = f"{seen.volume.path}: {where}: {what}, and {why}. {advice}"
    return Finding(Kind.blank if is_stored else Kind.missing_chunk, where, sentence, is_warning=allow_missing)


def _is_stored(seen: Seen, frame: int, channels: Sequence[int], run: BlankPlanes) -> bool:
    _, rows, columns = seen.volume.shape
    region = slice(run.first, run.last + 1), slice(0, rows), slice(0, columns)
    return any(seen.volume.is_stored(region, frame=frame, channel=channel) for channel in channels)


def _witness(seen: Seen, frame: int, channel: int, run: BlankPlanes) -> float:
    """Share of voxels with another value in the nearest planes that are not blank: the lower of both sides."""
    tally = seen.scan.frames[frame]
    is_live = ~tally.lost & (tally.low[channel] != tally.high[channel])
    before, after = np.flatnonzero(is_live[: run.first]), np.flatnonzero(is_live[run.last + 1 :]) + run.last + 1
    nearest = [int(side[at]) for side, at in ((before, -1), (after, 0)) if len(side)]
    shares = [_share_other_than(seen, (frame, channel, z), run.value) for z in nearest]
    _, rows, columns = seen.volume.shape
    share = min(shares, default=0.0)
    return share if share * rows * columns >= EXPECTED_VOXELS else 0.0


def _share_other_than(seen: Seen, plane: Plane, value: float) -> float:
    """Share of a plane's voxels that are not `value`, from what was sampled, or by reading it again."""
    frame, channel, z = plane
    tally = seen.scan.frames[frame]
    if value == 0:
        return float(tally.sampled[channel, z].sum() / max(1, tally.looked_at[z].sum()))
    _, rows, columns = seen.volume.shape
    band = _rows_at_once(seen)
    other = sum(
        int(np.count_nonzero(seen.rows(plane, slice(y, min(y + band, rows))) != value)) for y in range(0, rows, band)
    )
    return other / (rows * columns)


def _empty_rows(seen: Seen, frame: int) -> Iterator[Finding]:
    tally = seen.scan.frames[frame]
    found = defaultdict(list)
    for channel in seen.channels:
        for rows in empty_rows(tally, channel):
            found[rows].append(channel)
    height = seen.volume.shape[1]
    for rows, channels in sorted(found.items(), key=lambda item: (item[0].first, item[0].start)):
        if rows.at_end and not _is_cut(seen, frame, channels[0], rows):
            continue
        start = rows.start
        inside = f"from y {start:,} on" if rows.stop == height else f"in y {_span(slice(start, rows.stop))}"
        where = seen.planes(frame, channels, rows.first, rows.last)
        witness = "the plane before it has" if rows.at_end else "the planes before and after have"
        sentence = (
            f"{seen.volume.path}: {where}: {inside} every voxel is 0, where {witness} signal. "
            "The file has its length, but its copy is not finished: copy it again."
        )
        yield Finding(Kind.zero_filled, f"{where}, {inside}", sentence)


def _is_cut(seen: Seen, frame: int, channel: int, rows: EmptyRows) -> bool:
    """Whether the data of the last plane end within a row, or at the only empty row of the whole stack.

    A stitched or masked image has borders between rows, and in more than one plane.
    """
    tally = seen.scan.frames[frame]
    live = ~tally.lost & (tally.low[channel] != tally.high[channel])
    live[rows.first] = False
    if tally.touched[channel, live].all():
        return True
    first = max(0, rows.start - tally.rows_of_band - 1)
    above = seen.rows((frame, channel, rows.first), slice(first, rows.start)) != 0
    filled = np.flatnonzero(above.any(axis=1))
    if len(filled) < 2 or filled[-1] == 0:
        return False
    last, before = above[filled[-1]], above[filled[-1] - 1]
    # A shape that ends by itself draws in on both sides.
    at_left, at_right = np.argmax(last) - np.argmax(before), np.argmax(last[::-1]) - np.argmax(before[::-1])
    width = WIDTH_OF_A_CUT * len(last)
    return bool(before.any() and at_left < width < at_right)


def _empty_chunks(seen: Seen, frame: int) -> Iterator[Finding]:
    tally, chunk = seen.scan.frames[frame], seen.scan.frames[frame].chunk
    if chunk is None:
        return
    found = defaultdict(list)
    for channel in seen.channels:
        for group in empty_chunks(tally, channel):
            found[group].append(channel)
    for group, channels in sorted(found.items(), key=lambda item: item[0].chunks):
        is_stored = any(
            seen.volume.is_stored(_region_of(place, chunk, seen.volume.shape), frame=frame, channel=channel)
            for place in group.chunks
            for channel in channels
        )
        where = seen.inside(frame, channels) + _box_text(group, chunk, seen.volume.shape)
        what = "the chunk" if len(group.chunks) == 1 else f"{len(group.chunks):,} chunks"
        if is_stored:
            sentence = f"{what} of nothing but {group.value:g} among others with signal. Copy the image again."
        else:
            sentence = (
                f"{what} missing, lost or never written: those around have signal. Copy the image again, "
                "or write it anew."
            )
        kind = Kind.blank if is_stored else Kind.missing_chunk
        yield Finding(kind, where, f"{seen.volume.path}: {where}: {sentence}")


def _region_of(place: Sequence[int], chunk: Sequence[int], shape: Sequence[int]) -> Region:
    z, y, x = (slice(at * n, min((at + 1) * n, stop)) for at, n, stop in zip(place, chunk, shape, strict=True))
    return z, y, x


def _box_text(group: EmptyChunks, chunk: Sequence[int], shape: Sequence[int]) -> str:
    numbers = np.array(group.chunks)
    low, high = numbers.min(axis=0), numbers.max(axis=0) + 1
    parts = (
        f"{axis} {_span(slice(int(a * size), int(min(b * size, n))))}"
        for axis, a, b, size, n in zip("zyx", low, high, chunk, shape, strict=True)
    )
    return ", ".join(parts)


def _repeated_planes(seen: Seen) -> Iterator[Finding]:
    prints = []
    for frame, tally in enumerate(seen.scan.frames):
        for channel in seen.channels:
            usable = ~tally.lost & (tally.low[channel] != tally.high[channel])
            prints += [((frame, channel, int(z)), int(tally.prints[channel, z])) for z in np.flatnonzero(usable)]
    groups = repeated(prints, seen.rows, seen.volume.shape[1], _rows_at_once(seen))
    in_groups = sum(len(group) for group in groups)
    path = seen.volume.path
    if in_groups > len(prints) // 2:
        sentence = (
            f"{path}: {in_groups:,} of {len(prints):,} planes have another that is the same, voxel for voxel. That is "
            "right if the image was enlarged or a channel doubled; if not, it was not acquired as it should be."
        )
        yield Finding(Kind.duplicate, f"{in_groups:,} planes", sentence, is_warning=True)
        return
    for group in groups:
        names = [seen.planes(frame, [channel], z, z) for frame, channel, z in group]
        listed = " and ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and {len(names) - 3:,} more"
        sentence = (
            f"{path}: {listed} are the same image, voxel for voxel. Camera noise never comes twice: "
            "one was saved or copied in the place of another. Copy them again."
        )
        yield Finding(Kind.duplicate, listed, sentence)


def _rows_at_once(seen: Seen) -> int:
    return max(1, BLOCK_BYTES // (seen.volume.shape[2] * seen.volume.dtype.itemsize))


def _span(part: slice) -> str:
    return f"{part.start:,}:{part.stop:,}"
