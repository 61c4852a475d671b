"""What is summed up about each object: integers only, so that the sums don't depend on how the volume was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ecc_px.volumes.volume import VoxelUm

Integers = npt.NDArray[np.int64]

FRACTION = 1 << 16
"""Float32 intensities are summed in units of 1/65536, which makes their sums exact in any order."""

LARGEST_FLOAT = 2.0**24
"""Beyond it float32 can't even tell whole numbers apart, and fixed-point sums could overflow."""

SQUARES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""The products of indices in `Objects.square_sum`: zz, yy, xx, zy, zx, yx."""


SMALLEST_OF_PARTS = ("first", "component", "lower", "raw_min")
LARGEST_OF_PARTS = ("upper", "raw_max")
"""How fragments join: by the smallest or the largest of these fields, and by the sum of all others."""

WIDTH = {"index_sum": (3,), "square_sum": (6,), "lower": (3,), "upper": (3,), "weight_index_sum": (3,)}
"""Numbers of a field for each object, where it is not one."""


@dataclass(frozen=True)
class Objects:
    """Sums over the voxels of n objects, or of fragments of objects: whole numbers that join in any order.

    Parameters
    ----------
    first : (n,)
        Smallest raster index ((z · height + y) · width + x in the whole volume): an object's identity.
    component : (n,)
        `first` of the connected component that the object is a part of; of a label image, the label.
    voxels : (n,)
    index_sum : (n, 3)
        Sum of the voxels' z, y and x index in the whole volume.
    square_sum : (n, 6)
        Sum of the products of two indices, see `SQUARES`.
    lower, upper : (n, 3)
        Bounding box: smallest and largest z, y and x index.
    raw_sum, raw_min, raw_max : (n,)
        Raw intensities, times `intensity_units` of the raw volume's dtype.
    weight_sum : (n,)
    weight_index_sum : (n, 3)
        Sum of the raw intensity, and of intensity × index, times `weight_units`.
    probability_sum : (n,)
        Sum of the probabilities, in the units of the image that they come from.
    beside_excluded : (n,)
        Voxels with a face on the excluded region.
    """

    first: Integers
    component: Integers
    voxels: Integers
    index_sum: Integers
    square_sum: Integers
    lower: Integers
    upper: Integers
    raw_sum: Integers
    raw_min: Integers
    raw_max: Integers
    weight_sum: Integers
    weight_index_sum: Integers
    probability_sum: Integers
    beside_excluded: Integers

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def neutral(cls, count: int) -> Self:
        """Objects without a voxel, to add voxels to."""
        return cls(*(np.full((count, *WIDTH.get(f.name, ())), _joining(f.name)[1], np.int64) for f in fields(cls)))

    @classmethod
    def empty(cls) -> Self:
        return cls.neutral(0)

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
        joined = self.neutral(count)
        for f in fields(self):
            _joining(f.name)[0].at(getattr(joined, f.name), group, getattr(self, f.name))
        return joined

    def completed(self, component: npt.NDArray[Any]) -> Self:
        """Objects of which nothing is missing, each told which component it is a part of.

        A component whose raw voxels are all equal gives no reason to split it: it becomes one object.

        Parameters
        ----------
        component : (n,) int
            Numbers that are equal for the objects of one component.
        """
        if not len(self):
            return self
        number = np.unique(component, return_inverse=True)[1]
        whole = self.grouped(number, int(number.max()) + 1)
        of_component = replace(self, component=whole.first[number])
        flat = (whole.raw_min == whole.raw_max)[number]
        lead = np.unique(number, return_index=True)[1][number]
        kept, group = np.unique(np.where(flat, lead, np.arange(len(self))), return_inverse=True)
        return of_component if len(kept) == len(self) else of_component.grouped(group, len(kept))

    @property
    def centroid(self) -> npt.NDArray[np.float64]:
        """(n, 3) unweighted centre of mass, as a (z, y, x) voxel index with fraction."""
        return self.index_sum / self.voxels[:, None]

    @property
    def centre(self) -> Integers:
        """(n, 3) voxel nearest to the centroid; halfway, the even one, as ecc has it. Decided in integers."""
        n = self.voxels[:, None]
        below, rest = np.divmod(self.index_sum, n)
        return below + ((2 * rest > n) | ((2 * rest == n) & (below % 2 == 1)))

    def weighted_centroid(self, background: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[np.float64]:
        """(n, 3) centre of mass weighted by intensity above the background, as a (z, y, x) voxel index with fraction.

        Where nothing is above the background, the unweighted one.

        Parameters
        ----------
        background : (n,) float64
            Raw units.
        dtype
            The raw volume's.
        """
        units = weight_units(dtype)
        weight = self.weight_sum / units - background * self.voxels
        moment = self.weight_index_sum / units - background[:, None] * self.index_sum
        has_weight = weight > 1e-9 * np.abs(background * self.voxels)
        weighted = moment / np.where(has_weight, weight, 1)[:, None]
        return np.where(has_weight[:, None], np.clip(weighted, self.lower, self.upper), self.centroid)

    @property
    def covariance(self) -> npt.NDArray[np.float64]:
        """(n, 3, 3) covariance of the voxels' z, y and x index, each voxel taken for the cube that it is."""
        mean = self.centroid
        out = np.empty((len(self), 3, 3))
        for k, (i, j) in enumerate(SQUARES):
            out[:, i, j] = out[:, j, i] = self.square_sum[:, k] / self.voxels - mean[:, i] * mean[:, j] + (i == j) / 12
        return out

    @property
    def fill(self) -> npt.NDArray[np.float64]:
        """(n,) volume relative to the ellipsoid with the same second moments: about 1 for an ellipsoid."""
        return self.voxels / (4 / 3 * np.pi * np.sqrt(5**3 * np.linalg.det(self.covariance)))

    def elongation(self, voxel_um: VoxelUm) -> npt.NDArray[np.float64]:
        """(n,) longest over shortest half-axis of the ellipsoid with the same second moments, lengths in µm."""
        um = np.array(voxel_um)
        spread = np.linalg.eigvalsh(self.covariance * um[:, None] * um)
        return np.sqrt(spread[:, 2] / spread[:, 0])


def _joining(name: str) -> tuple[np.ufunc, int]:
    """How a field of fragments joins, and the number that changes nothing."""
    if name in SMALLEST_OF_PARTS:
        return np.minimum, int(np.iinfo(np.int64).max)
    if name in LARGEST_OF_PARTS:
        return np.maximum, int(np.iinfo(np.int64).min)
    return np.add, 0


def intensity_units(dtype: np.dtype[Any]) -> int:
    """How many units of `Objects.raw_sum` make an intensity of 1."""
    return FRACTION if dtype.kind == "f" else 1


def weight_units(dtype: np.dtype[Any]) -> int:
    """How many units of `Objects.weight_index_sum` make an intensity of 1: fewer, since indices multiply them."""
    return FRACTION >> 8 if dtype.kind == "f" else 1


def in_units(intensities: npt.NDArray[Any]) -> Integers:
    """Intensities as the integers that are summed."""
    if intensities.dtype.kind == "f":
        return np.rint(intensities.astype(np.float64) * FRACTION).astype(np.int64)
    return intensities.astype(np.int64)
