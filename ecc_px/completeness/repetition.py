"""Planes that are the same, voxel for voxel: what a copy gone wrong, or a camera that hung, leaves behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Plane = tuple[int, int, int]
"""Frame, channel, z."""

ReadRows = Callable[[Plane, slice], npt.NDArray[np.generic]]
"""Gives some rows of a plane, as (y, x)."""

NOISE_TURNS = 50
"""Turns in a plane's rows from which on it may be judged."""

NOISE_SHARE = 0.25
"""Of the steps from voxel to voxel, how many turn back: 2/3 in noise, few in smooth or drawn images."""


def repeated(prints: Sequence[tuple[Plane, int]], read: ReadRows, rows: int, band: int) -> list[list[Plane]]:
    """Groups of planes that are equal and have noise, which never comes twice.

    A plane without noise, of a mask or of a drawn image, may be equal to another without any mistake.

    Parameters
    ----------
    prints : sequence of (plane, print)
        Planes with equal prints are looked at; blank ones should not be among them.
    read : function of (plane, rows)
    rows, band : int
        Rows of a plane, and how many to hold at once.
    """
    candidates = defaultdict(list)
    for plane, number in prints:
        candidates[number].append(plane)
    groups = []
    for planes in candidates.values():
        if len(planes) == 1 or not _has_noise(_bands(read, planes[0], rows, band)):
            continue
        same = [planes[0], *(p for p in planes[1:] if _are_equal(read, planes[0], p, rows, band))]
        if len(same) > 1:
            groups.append(same)
    return sorted(groups)


def _bands(read: ReadRows, plane: Plane, rows: int, band: int) -> Iterator[npt.NDArray[np.generic]]:
    for start in range(0, rows, band):
        yield read(plane, slice(start, min(start + band, rows)))


def _are_equal(read: ReadRows, one: Plane, other: Plane, rows: int, band: int) -> bool:
    pairs = zip(_bands(read, one, rows, band), _bands(read, other, rows, band), strict=True)
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def _has_noise(bands: Iterator[npt.NDArray[np.generic]]) -> bool:
    steps = turns = 0
    for part in bands:
        values = part.astype(np.float32)
        direction = np.sign(np.diff(values, axis=1))
        steps += int(np.count_nonzero(direction))
        turns += int(np.count_nonzero(direction[:, 1:] * direction[:, :-1] < 0))
    return turns >= NOISE_TURNS and turns >= NOISE_SHARE * steps
