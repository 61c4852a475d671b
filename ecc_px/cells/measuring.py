"""Intensity and background of objects, as ecc defines them, from the raw voxels around their centres.

Every cube is clipped at the border of the volume, never at that of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import Objects, intensity_units
from ecc_px.compiling import kernel
from ecc_px.errors import InvalidSetting

IntensityMode = Literal["obj_mean", "max", "local_mean"]


@dataclass(frozen=True)
class Measuring:
    """How an object's intensity and background are measured.

    Parameters
    ----------
    intensity : "obj_mean", "max" or "local_mean"
        Mean over the object's voxels, or maximum or mean over the cube around its centre.
    local_max_rad : int
        Half-width in voxels of the cube for `max` and `local_mean`; 1 is 3 × 3 × 3.
    local_min_rad : int
        Half-width in voxels of the cube for the background; 4 is 9 × 9 × 9.
    local_min_percentile : float
        Percentile of the raw voxels in that cube, the object's and excluded ones included, that is the background.
    """

    intensity: IntensityMode = "obj_mean"
    local_max_rad: int = 1
    local_min_rad: int = 4
    local_min_percentile: float = 5.0

    def __post_init__(self) -> None:
        if self.intensity not in get_args(IntensityMode):
            raise InvalidSetting(f"intensity {self.intensity!r}: choose one of {', '.join(get_args(IntensityMode))}.")
        for name, radius in (("local_max_rad", self.local_max_rad), ("local_min_rad", self.local_min_rad)):
            if radius < 0:
                raise InvalidSetting(f"{name} {radius}: a half-width in voxels is 0 or more.")
        if not 0 <= self.local_min_percentile <= 100:
            raise InvalidSetting(
                f"local_min_percentile {self.local_min_percentile:g}: a percentile from 0 to 100 is needed."
            )

    @property
    def reach(self) -> int:
        """Voxels around a centre that are looked at."""
        return max(self.local_min_rad, 0 if self.intensity == "obj_mean" else self.local_max_rad)


@dataclass(frozen=True)
class Intensities:
    """What was measured of n objects, in raw units: `signal` and `background`, (n,) float64 each."""

    signal: npt.NDArray[np.float64]
    background: npt.NDArray[np.float64]


def measure(raw: npt.NDArray[Any], objects: Objects, corner: npt.NDArray[np.int64], how: Measuring) -> Intensities:
    """Measure objects whose cubes lie in a piece of the raw volume.

    Parameters
    ----------
    raw : (z, y, x)
        All voxels within `how.reach` of every object's centre, as far as the volume goes.
    objects : Objects
    corner : (3,) int64
        The piece's place in the volume.
    how : Measuring
    """
    centres = objects.centre - corner
    background = _percentiles(raw, centres, how.local_min_rad, how.local_min_percentile)
    if how.intensity == "obj_mean":
        signal = objects.raw_sum / (objects.voxels * intensity_units(raw.dtype))
    elif how.intensity == "max":
        signal = _maxima(raw, centres, how.local_max_rad)
    else:
        signal = _means(raw, centres, how.local_max_rad)
    return Intensities(signal, background)


@kernel()
def _cube(raw: Any, centre: Any, radius: int) -> Any:
    z, y, x = centre
    return raw[
        max(z - radius, 0) : z + radius + 1, max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1
    ]


@kernel()
def _percentiles(raw: Any, centres: Any, radius: int, percentile: float) -> Any:
    """Percentile of the cube around each centre, interpolated linearly as `numpy.percentile` does."""
    out = np.empty(len(centres))
    depth, height, width = raw.shape
    side = 2 * radius + 1
    values = np.empty(min(side, depth) * min(side, height) * min(side, width))
    for i in range(len(centres)):
        n = 0
        for value in _cube(raw, centres[i], radius).flat:
            values[n] = value
            n += 1
        rank = percentile / 100 * (n - 1)
        below = int(rank)
        low = _select(values, n, below)
        high = values[below + 1 : n].min() if below + 1 < n else low
        weight = rank - below
        out[i] = low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)
    return out


@kernel()
def _select(values: Any, n: int, k: int) -> Any:
    """The k-th smallest of the first n values; afterwards, those behind it are not smaller (Hoare's quickselect).

    `numpy.partition` does the same, and takes numba ten seconds to compile.
    """
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@kernel()
def _maxima(raw: Any, centres: Any, radius: int) -> Any:
    out = np.empty(len(centres))
    for i in range(len(centres)):
        out[i] = _cube(raw, centres[i], radius).max()
    return out


@kernel()
def _means(raw: Any, centres: Any, radius: int) -> Any:
    out = np.empty(len(centres))
    for i in range(len(centres)):
        cube = _cube(raw, centres[i], radius)
        total = 0.0  # exact for integers, and always added up in the same order
        for value in cube.flat:
            total += value
        out[i] = total / cube.size
    return out
