"""What is summed up about each object: integers only, so that the sums don't depend on how the volume was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FRACTION = 1 << 16
"""Float32 intensities are summed in units of 1/65536, which makes their sums exact in any order."""

LARGEST_FLOAT = 2.0**24
"""Beyond it float32 can't even tell whole numbers apart, and fixed-point sums could overflow."""


@dataclass(frozen=True)
class Objects:
    """Sums over the voxels of n objects.

    Parameters
    ----------
    first : (n,) int64
        Smallest raster index ((z · height + y) · width + x in the whole volume): an object's identity.
    voxels : (n,) int64
    index_sum : (n, 3) int64
        Sum of the voxels' z, y and x index in the whole volume.
    raw_sum : (n,) int64
        Sum of the raw intensities, times `intensity_units` of the raw volume's dtype.
    """

    first: npt.NDArray[np.int64]
    voxels: npt.NDArray[np.int64]
    index_sum: npt.NDArray[np.int64]
    raw_sum: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def empty(cls) -> Self:
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, np.zeros((0, 3), np.int64), nothing)

    @classmethod
    def concatenated(cls, parts: Sequence[Self]) -> Self:
        """The objects of all parts, one after the other."""
        together = [cls.empty(), *parts]
        return cls(*(np.concatenate([getattr(p, f.name) for p in together]) for f in fields(cls)))

    def take(self, which: npt.NDArray[Any]) -> Self:
        """The objects at these indices, or where this is True."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))

    def grouped(self, group: npt.NDArray[Any], count: int) -> Self:
        """One object for each group: the fragments of an object put together."""
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, group, self.first)
        sums = []
        for part in (self.voxels, self.index_sum, self.raw_sum):
            total = np.zeros((count, *part.shape[1:]), np.int64)
            np.add.at(total, group, part)
            sums.append(total)
        return type(self)(first, *sums)

    def in_raster_order(self) -> Self:
        """Sorted by first voxel, the one order that no cut of the volume changes."""
        return self.take(np.argsort(self.first))

    @property
    def centroid(self) -> npt.NDArray[np.float64]:
        """(n, 3) unweighted centre of mass, as a (z, y, x) voxel index with fraction."""
        return self.index_sum / self.voxels[:, None]

    @property
    def centre(self) -> npt.NDArray[np.int64]:
        """(n, 3) voxel nearest to the centroid; halfway, the even one, as ecc has it. Decided in integers."""
        n = self.voxels[:, None]
        below, rest = np.divmod(self.index_sum, n)
        return below + ((2 * rest > n) | ((2 * rest == n) & (below % 2 == 1)))


def intensity_units(dtype: np.dtype[Any]) -> int:
    """How many units of `Objects.raw_sum` make an intensity of 1."""
    return FRACTION if dtype.kind == "f" else 1


def in_units(intensities: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Intensities as the integers that are summed."""
    if intensities.dtype.kind == "f":
        return np.rint(intensities.astype(np.float64) * FRACTION).astype(np.int64)
    return intensities.astype(np.int64)
