"""Many millions of objects in little memory: each number in as few bytes as it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import PLACE, Objects

AT_ONCE = 1 << 16
"""Objects that are packed together, and as many as are looked at at a time where all are gone through."""

_NARROWER = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))


@dataclass(frozen=True, eq=False)
class _Column:
    """Whole numbers as what they are above their smallest."""

    least: int
    above: npt.NDArray[Any]

    @classmethod
    def of(cls, values: npt.NDArray[np.int64]) -> Self:
        least, largest = int(values.min()), int(values.max())
        for dtype in _NARROWER:
            if largest - least <= np.iinfo(dtype).max:
                return cls(least, (values - least).astype(dtype))
        return cls(0, values.copy())

    def take(self, which: Any) -> npt.NDArray[np.int64]:
        return self.above[which].astype(np.int64) + self.least


@dataclass(frozen=True, eq=False)
class _Pack:
    """Some objects, column by column of their numbers."""

    columns: list[_Column]
    count: int

    @classmethod
    def of(cls, objects: Objects) -> Self:
        return cls([_Column.of(column) for column in np.ascontiguousarray(objects.numbers.T)], len(objects))

    def take(self, which: Any) -> Objects:
        """The objects at these indices, or in this slice."""
        return Objects(np.stack([column.take(which) for column in self.columns], axis=1))

    def where(self, kept: npt.NDArray[np.bool_]) -> _Pack:
        """The objects that are kept, packed as they are."""
        columns = [_Column(column.least, column.above[kept]) for column in self.columns]
        return _Pack(columns, int(kept.sum()))


class PackedObjects:
    """Objects of which nothing is missing, in the order in which they came; no number of them is lost.

    Objects that are near each other differ little: packed together, 27 numbers take some 70 bytes instead of 216.
    """

    def __init__(self) -> None:
        self._packs: list[_Pack] = []
        self._starts = [0]
        self._loose: list[Objects] = []
        self._loose_count = 0

    def __len__(self) -> int:
        return self._starts[-1] + self._loose_count

    def add(self, objects: Objects) -> None:
        """Take in objects."""
        self._loose.append(objects)
        self._loose_count += len(objects)
        if self._loose_count >= AT_ONCE:
            self._pack()

    def take(self, which: npt.NDArray[np.int64]) -> Objects:
        """The objects of these numbers, in this order; 0 is the one that came first."""
        self._pack()
        order = np.argsort(which, kind="stable")
        ascending = which[order]
        cuts = np.searchsorted(ascending, self._starts)
        parts = [
            self._packs[k].take(ascending[cuts[k] : cuts[k + 1]] - self._starts[k])
            for k in np.flatnonzero(cuts[1:] > cuts[:-1]).tolist()
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return Objects.concatenated(parts).take(back)

    def pieces(self) -> Iterator[Objects]:
        """All objects, some at a time, in the order in which they came."""
        self._pack()
        for pack in self._packs:
            for start in range(0, pack.count, AT_ONCE):
                yield pack.take(slice(start, start + AT_ONCE))

    def keep(self, which: Callable[[Objects], npt.NDArray[np.bool_]]) -> None:
        """Let go of all objects for which this is False; it is asked about some at a time."""
        self._pack()
        for k, pack in enumerate(self._packs):
            starts = range(0, pack.count, AT_ONCE)
            kept = [which(pack.take(slice(start, start + AT_ONCE))) for start in starts]
            self._packs[k] = pack.where(np.concatenate([np.zeros(0, bool), *kept]))
            self._starts[k + 1] = self._starts[k] + self._packs[k].count

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """(n,) one number of every object: a field that has but one."""
        self._pack()
        out = np.empty(len(self), np.int64)
        for pack, start in zip(self._packs, self._starts, strict=False):
            out[start : start + pack.count] = pack.columns[PLACE[name]].take(slice(None))
        return out

    def raster_order(self) -> npt.NDArray[np.int64]:
        """(n,) the objects' numbers, sorted by first voxel: the one order that no cut of the volume changes."""
        return np.argsort(self.column("first"))

    def _pack(self) -> None:
        if self._loose_count:
            self._packs.append(_Pack.of(Objects.concatenated(self._loose)))
            self._starts.append(self._starts[-1] + self._loose_count)
        self._loose, self._loose_count = [], 0
