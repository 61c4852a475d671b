"""What is summed up about each object: integers only, so that the sums don't depend on how the volume was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ecc_px.cells.ellipsoids import covariances, elongations, volumes
from ecc_px.compiling import kernel
from ecc_px.volumes.volume import VoxelUm

Integers = npt.NDArray[np.int64]

FRACTION = 1 << 16
"""Float32 intensities are summed in units of 1/65536, which makes their sums exact in any order."""

LARGEST_FLOAT = 2.0**24
"""Beyond it float32 can't even tell whole numbers apart, and fixed-point sums could overflow."""

MINIMA = {"first": 1, "component": 1, "raw_min": 1, "lower": 3}
MAXIMA = {"raw_max": 1, "upper": 3}
TOTALS = {
    "beside_excluded": 1,
    "probability_sum": 1,
    "raw_sum": 1,
    "voxels": 1,
    "index_sum": 3,
    "square_sum": 6,
    "weight_sum": 1,
    "weight_index_sum": 3,
}
"""Fields of `Objects`, and how many numbers each has, by how fragments join: to their smallest, largest, or sum."""

WIDTH = MINIMA | MAXIMA | TOTALS
PLACE = {name: sum(list(WIDTH.values())[:k]) for k, name in enumerate(WIDTH)}
"""Column of `Objects.numbers` in which each field begins."""

FIRST_MAXIMUM, FIRST_TOTAL = PLACE["raw_max"], PLACE["beside_excluded"]
NUMBERS = sum(WIDTH.values())

_NEUTRAL = np.zeros(NUMBERS, np.int64)
_NEUTRAL[:FIRST_MAXIMUM], _NEUTRAL[FIRST_MAXIMUM:FIRST_TOTAL] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_FIRST, _COMPONENT, _RAW_MIN, _RAW_MAX = PLACE["first"], PLACE["component"], PLACE["raw_min"], PLACE["raw_max"]


class _Field:
    """A field of `Objects`: (n,) where each object has one number, else (n, numbers)."""

    def __set_name__(self, owner: type, name: str) -> None:
        place, width = PLACE[name], WIDTH[name]
        self._columns: int | slice = place if width == 1 else slice(place, place + width)

    def __get__(self, objects: Objects, owner: type) -> Integers:
        return objects.numbers[:, self._columns]


@dataclass(frozen=True, eq=False)
class Objects:
    """Sums over the voxels of n objects, or of fragments of objects: whole numbers that join in any order.

    Parameters
    ----------
    numbers : (n, NUMBERS) int64
        A row for each object. The fields are views of columns.

    Attributes
    ----------
    first : (n,)
        Smallest raster index ((z · height + y) · width + x in the whole volume): an object's identity.
    component : (n,)
        `first` of the connected component that the object is a part of; of a label image, the label.
    voxels : (n,)
    index_sum : (n, 3)
        Sum of the voxels' z, y and x index in the whole volume.
    square_sum : (n, 6)
        Sum of the products of two indices: zz, yy, xx, zy, zx, yx.
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

    numbers: Integers

    first = _Field()
    component = _Field()
    voxels = _Field()
    index_sum = _Field()
    square_sum = _Field()
    lower = _Field()
    upper = _Field()
    raw_sum = _Field()
    raw_min = _Field()
    raw_max = _Field()
    weight_sum = _Field()
    weight_index_sum = _Field()
    probability_sum = _Field()
    beside_excluded = _Field()

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def neutral(cls, count: int) -> Self:
        """Objects without a voxel, to add voxels to."""
        return cls(np.tile(_NEUTRAL, (count, 1)))

    @classmethod
    def empty(cls) -> Self:
        return cls.neutral(0)

    @classmethod
    def concatenated(cls, parts: Sequence[Self]) -> Self:
        """The objects of all parts, one after the other."""
        return cls(np.concatenate([np.zeros((0, NUMBERS), np.int64), *(p.numbers for p in parts)]))

    def take(self, which: npt.NDArray[Any]) -> Self:
        """The objects at these indices, or where this is True."""
        return type(self)(self.numbers[which])

    def having(self, **fields: npt.ArrayLike) -> Self:
        """The same objects with other numbers in some fields."""
        numbers = self.numbers.copy()
        for name, values in fields.items():
            column = numbers[:, PLACE[name] : PLACE[name] + WIDTH[name]]
            column[:] = np.reshape(values, column.shape)
        return type(self)(numbers)

    def grouped(self, group: npt.NDArray[Any], count: int) -> Self:
        """One object for each group: the fragments of an object put together."""
        joined = self.neutral(count)
        _join_groups(self.numbers, group, joined.numbers)
        return joined

    def completed(self, component: npt.NDArray[Any]) -> Self:
        """Objects of which nothing is missing, each told which component it is a part of.

        A component whose raw voxels are all equal gives no reason to split it: it becomes one object.

        Parameters
        ----------
        component : (n,) int
            Numbers from 0 that are equal for the objects of one component.
        """
        if not len(self):
            return self
        completed = self.numbers.copy()
        count = _complete(completed, component, int(component.max()) + 1)
        return type(self)(completed[:count])

    @property
    def centroid(self) -> npt.NDArray[np.float64]:
        """(n, 3) unweighted centre of mass, as a (z, y, x) voxel index with fraction."""
        return self.index_sum / self.voxels[:, None]

    @property
    def centre(self) -> Integers:
        """(n, 3) voxel nearest to the centroid; halfway, the even one, as ecc has it. Decided in integers."""
        return _nearest_voxels(self.index_sum, self.voxels)

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
        """(n, 6) covariance zz, yy, xx, zy, zx, yx of the voxels' index, each voxel taken for the cube that it is."""
        return covariances(self.voxels, self.index_sum, self.square_sum)

    @property
    def fill(self) -> npt.NDArray[np.float64]:
        """(n,) volume relative to the ellipsoid with the same second moments: about 1 for an ellipsoid."""
        return self.voxels / volumes(self.covariance)

    def elongation(self, size: VoxelUm, *, blur: float = 0.0, flat: bool = False) -> npt.NDArray[np.float64]:
        """(n,) longest over shortest half-axis of the ellipsoid with the same second moments.

        Parameters
        ----------
        size : (z, y, x)
            Length of a voxel along each axis, in any unit.
        blur : float
            Added to the variance along each axis, in voxels.
        flat : bool
            Of the ellipse along y and x.
        """
        return elongations(self.covariance, np.array(size, np.float64), blur, flat)


@kernel()
def _join(part: Any, whole: Any) -> None:
    for k in range(FIRST_MAXIMUM):
        whole[k] = min(whole[k], part[k])
    for k in range(FIRST_MAXIMUM, FIRST_TOTAL):
        whole[k] = max(whole[k], part[k])
    for k in range(FIRST_TOTAL, NUMBERS):
        whole[k] += part[k]


@kernel()
def _join_groups(parts: Any, group: Any, wholes: Any) -> None:
    for n in range(len(parts)):
        _join(parts[n], wholes[group[n]])


@kernel()
def _complete(objects: Any, component: Any, components: int) -> int:
    """Complete objects in place, those of a flat component in the place of the first; how many are left."""
    # Of each component: where its first object stands, its first voxel, and the range of its intensities.
    place = np.full(components, -1, np.int64)
    first, low, high = np.empty(components, np.int64), np.empty(components, np.int64), np.empty(components, np.int64)
    for n in range(len(objects)):
        c = component[n]
        if place[c] < 0:
            place[c], first[c] = n, objects[n, _FIRST]
            low[c], high[c] = objects[n, _RAW_MIN], objects[n, _RAW_MAX]
        else:
            first[c] = min(first[c], objects[n, _FIRST])
            low[c], high[c] = min(low[c], objects[n, _RAW_MIN]), max(high[c], objects[n, _RAW_MAX])
    kept = 0
    for n in range(len(objects)):
        c = component[n]
        objects[n, _COMPONENT] = first[c]
        if low[c] == high[c] and place[c] < n:
            _join(objects[n], objects[place[c]])
            continue
        place[c] = kept
        if kept < n:
            objects[kept] = objects[n]
        kept += 1
    return kept


@kernel()
def _nearest_voxels(index_sum: Any, voxels: Any) -> Any:
    out = np.empty((len(voxels), 3), np.int64)
    for n in range(len(voxels)):
        for axis in range(3):
            below = index_sum[n, axis] // voxels[n]
            rest = 2 * (index_sum[n, axis] - below * voxels[n])
            out[n, axis] = below + (rest > voxels[n] or (rest == voxels[n] and below % 2 == 1))
    return out


def intensity_units(dtype: np.dtype[Any]) -> int:
    """How many units of `Objects.raw_sum` make an intensity of 1."""
    return FRACTION if dtype.kind == "f" else 1


def weight_units(dtype: np.dtype[Any]) -> int:
    """How many units of `Objects.weight_index_sum` make an intensity of 1: fewer, since indices multiply them."""
    return FRACTION >> 8 if dtype.kind == "f" else 1
