"""Where an image is empty and should not be: planes, rows and chunks of nothing among others that have signal.

Pure: a tally in, places out. A camera never gives a whole row of zeros among rows that have signal in the planes
before and after, so that such a row was never written, or was lost. What may be meant so is not told here: the empty
border of a stitched or masked image, whose rows are empty in the neighbouring planes, too; sparse images, where
few voxels are above 0 anyway; a brain that grows dark towards its ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ecc_px.completeness.tally import Tally

DENSE_PLANE = 0.05
"""A plane that has less signal than this is no witness that an empty neighbour lost its own."""

DENSE_ROW = 0.2
"""The same of a row: the edge of a tissue that curves away is empty within fewer planes than a whole plane is."""

DENSE_LAST_ROW = 0.5
"""The same of a row at the end of a stack, where there is a witness on one side only."""

LOST_OF_LAST = 0.05
"""Of what the last plane but one has, how much must be lost from the last where there is an empty border anyway."""

DENSE_FACE = 0.2
"""The same of the face of a chunk that touches an empty one."""

MOST_FACES = 0.9
"""Share of the faces that touch a group of empty chunks which must be witnesses, half as dense as `DENSE_FACE`."""

EXPECTED_VOXELS = 30
"""A row is a witness only if it has so many voxels above 0; fewer may be none by chance."""

Place = Literal["inside", "first", "last", "all"]


@dataclass(frozen=True)
class BlankPlanes:
    """Planes `first` to `last` (included) of which all voxels have the same `value`."""

    first: int
    last: int
    value: float
    place: Place


def blank_planes(tally: Tally, channel: int) -> list[BlankPlanes]:
    """Runs of planes with one value only, and whether they lie inside the stack or at an end of it."""
    readable = np.flatnonzero(~tally.lost)
    low, high = tally.low[channel, readable], tally.high[channel, readable]
    blank = low == high
    runs = []
    for start, stop in _runs(blank):
        # Of two neighbouring blank planes, each may have a value of its own.
        cuts = [start, *(np.flatnonzero(np.diff(low[start:stop])) + start + 1), stop]
        place: Place = "inside"
        if start == 0 and stop == len(blank):
            place = "all"
        elif start == 0 or stop == len(blank):
            place = "first" if start == 0 else "last"
        runs += [
            BlankPlanes(int(readable[a]), int(readable[b - 1]), float(low[a]), place)
            for a, b in pairwise(cuts)
            if b > a
        ]
    return runs


def plane_density(tally: Tally, channel: int) -> npt.NDArray[np.float64]:
    """(z,): share of each plane's voxels that are not 0."""
    share: npt.NDArray[np.float64] = tally.sampled[channel].sum(axis=1) / np.maximum(tally.looked_at.sum(axis=1), 1)
    return share


@dataclass(frozen=True)
class EmptyRows:
    """Rows `start` to `stop` (excluded) of planes `first` to `last` (included) that are 0 and should not be.

    `at_end` says that no plane after them has signal there: it may be an unfinished copy, or a stitched border.
    """

    first: int
    last: int
    start: int
    stop: int
    at_end: bool


def empty_rows(tally: Tally, channel: int) -> list[EmptyRows]:
    """Rows that are empty though the nearest planes have signal in them, before and after (or, at the end, before).

    Planes that are blank as a whole are left to `blank_planes`.
    """
    live = np.flatnonzero(~tally.lost & (tally.low[channel] != tally.high[channel]))
    touched, density = tally.touched[channel, live], tally.density[channel, live]
    voxels = tally.shape[2] * tally.rows_of_band
    if len(live) < 2 or not touched.any() or np.median(density[touched]) < DENSE_ROW:
        return []
    before, after = _nearest_density(touched, density), _nearest_density(touched[::-1], density[::-1])[::-1]
    is_witness = max(DENSE_ROW, EXPECTED_VOXELS / voxels)
    lost = ~touched & (before >= is_witness) & (after >= is_witness)
    found = [
        EmptyRows(int(live[z]), int(live[z]), *_rows(tally, start, stop), at_end=False)
        for z in range(len(live))
        for start, stop in _runs(lost[z])
    ]
    found = _joined(found, {int(a): int(b) for a, b in pairwise(live)})
    tail = _tail_of_last(touched, density)
    if tail is not None:
        found.append(EmptyRows(int(live[-1]), int(live[-1]), *_rows(tally, tail, touched.shape[1]), at_end=True))
    return found


def _tail_of_last(touched: npt.NDArray[np.bool_], density: npt.NDArray[np.float64]) -> int | None:
    """The band from which on the last plane is empty where the plane before it is dense; None where it is not so."""
    filled, before = np.flatnonzero(touched[-1]), np.flatnonzero(touched[-2])
    start, end = int(filled[-1]) + 1, int(before[-1]) + 1
    if start >= end or not touched[-2, start:end].all():
        return None
    witness = density[-2, start:end]
    if end == touched.shape[1] and np.median(witness) >= DENSE_LAST_ROW:
        return start
    is_much = witness.sum() >= LOST_OF_LAST * density[-2].sum()
    return start if is_much and np.median(witness) >= DENSE_ROW else None


def _nearest_density(touched: npt.NDArray[np.bool_], density: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(z, bands): density of the nearest earlier plane that has anything in the band; 0 where there is none."""
    places = np.where(touched, np.arange(len(touched))[:, None], -1)
    nearest = np.maximum.accumulate(places, axis=0)
    return np.where(nearest < 0, 0.0, np.take_along_axis(density, np.maximum(nearest, 0), axis=0))


def _rows(tally: Tally, start: int, stop: int) -> tuple[int, int]:
    return start * tally.rows_of_band, min(stop * tally.rows_of_band, tally.shape[1])


def _joined(found: list[EmptyRows], following: dict[int, int]) -> list[EmptyRows]:
    """The same rows of planes that follow each other as one."""
    joined: dict[tuple[int, int, int], EmptyRows] = {}
    for rows in found:
        before = joined.pop((rows.first, rows.start, rows.stop), None)
        whole = rows if before is None else EmptyRows(before.first, rows.last, rows.start, rows.stop, at_end=False)
        joined[following.get(rows.last, -1), rows.start, rows.stop] = whole
    return sorted(joined.values(), key=lambda rows: (rows.first, rows.start))


@dataclass(frozen=True)
class EmptyChunks:
    """Chunks that touch each other, all of one value, that lie among chunks with signal.

    Parameters
    ----------
    chunks : tuple of (z, y, x)
        Numbers of the chunks.
    value : float
    """

    chunks: tuple[tuple[int, int, int], ...]
    value: float


def empty_chunks(tally: Tally, channel: int, empty: float = 0.0) -> list[EmptyChunks]:
    """Groups of chunks that are empty (0, or what the file has where nothing was written) though those around are not.

    A group is told when chunks with signal lie on both sides of it along two axes, or when nothing else in the image
    is 0 and the group does not reach from one end of the image to the other, as a border would.
    """
    low, high, faces = tally.chunk_low[channel], tally.chunk_high[channel], tally.chunk_faces[channel]
    looked_at = np.isfinite(low)
    blank = looked_at & (low == high) & ((low == 0) | (low == empty))
    if not blank.any() or (blank | ~looked_at).all():
        return []
    nothing_else = bool((low[looked_at & ~blank] > 0).all())
    groups, _ = ndimage.label(blank)
    found = []
    for number, box in enumerate(ndimage.find_objects(groups), 1):
        inside = groups == number
        if nothing_else:
            is_lost = not any(part == slice(0, n) for part, n in zip(box, blank.shape, strict=True) if n > 1)
        else:
            is_lost = _is_enclosed(inside, box, faces)
        if is_lost:
            chunks = tuple((int(z), int(y), int(x)) for z, y, x in np.argwhere(inside))
            found.append(EmptyChunks(chunks, float(low[inside][0])))
    return found


def _is_enclosed(inside: npt.NDArray[np.bool_], box: tuple[slice, ...], faces: npt.NDArray[np.float32]) -> bool:
    """Whether the chunks around a group have signal right up to it, on both sides along two axes.

    One axis is enough where only one has three chunks. Where an image is empty by itself, that ends somewhere inside
    the chunks around, and the faces that touch the group are empty, too.
    """
    long = [axis for axis in range(3) if inside.shape[axis] >= 3]
    sides, touching = 0, []
    for axis in long:
        if box[axis].start == 0 or box[axis].stop == inside.shape[axis]:
            continue
        ahead = faces[np.roll(inside, 1, axis) & ~inside][:, 2 * axis]
        behind = faces[np.roll(inside, -1, axis) & ~inside][:, 2 * axis + 1]
        touching += [ahead, behind]
        sides += int(min(np.median(ahead), np.median(behind)) >= DENSE_FACE)
    if not long or sides < min(2, len(long)):
        return False
    return bool(np.mean(np.concatenate(touching) >= DENSE_FACE / 2) >= MOST_FACES)


def _runs(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(stop)
