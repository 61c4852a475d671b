"""Intensity and background of objects, from the raw voxels around their centres.

Every box is clipped at the border of the volume, never at that of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ecc_px.cells.centring import Centring
from ecc_px.cells.objects import Objects, intensity_units
from ecc_px.compiling import kernel
from ecc_px.errors import InvalidSetting
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import VoxelUm

IntensityMode = Literal["obj_mean", "max", "local_mean"]
BackgroundMode = Literal["shell", "percentile"]

SHELL_UM = 30.0
"""Edge of the box in which a cell's background is looked for."""

LEAST_FREE = 0.02
"""Share of that box that must be free of cells for their mean to be the background."""

CROWDED_PERCENTILE = 5.0
"""Of the box, objects included, where less than that is free."""


@dataclass(frozen=True)
class Measuring:
    """How an object's intensity and background are measured.

    Parameters
    ----------
    intensity : "obj_mean", "max" or "local_mean"
        Mean over the object's voxels, or maximum or mean over the cube around its centre.
    local_max_rad : int
        Half-width in voxels of the cube for `max` and `local_mean`; 1 is 3 × 3 × 3.
    background : "shell" or "percentile"
        Mean of the voxels that belong to no object, in a box of 30 µm around the centre; or ecc's percentile of a
        cube, the object's own voxels and excluded ones included.
    local_min_rad : int
        Half-width in voxels of the cube for the percentile; 4 is 9 × 9 × 9.
    local_min_percentile : float
    centring : Centring, optional
        How the middle of an object is found; default: it is the weighted centroid.
    """

    intensity: IntensityMode = "obj_mean"
    local_max_rad: int = 1
    background: BackgroundMode = "shell"
    local_min_rad: int = 4
    local_min_percentile: float = 5.0
    centring: Centring | None = None

    def __post_init__(self) -> None:
        for name, choice, known in (
            ("intensity", self.intensity, get_args(IntensityMode)),
            ("background", self.background, get_args(BackgroundMode)),
        ):
            if choice not in known:
                raise InvalidSetting(f"{name} {choice!r}: choose one of {', '.join(known)}.")
        for name, radius in (("local_max_rad", self.local_max_rad), ("local_min_rad", self.local_min_rad)):
            if radius < 0:
                raise InvalidSetting(f"{name} {radius}: a half-width in voxels is 0 or more.")
        if not 0 <= self.local_min_percentile <= 100:
            raise InvalidSetting(
                f"local_min_percentile {self.local_min_percentile:g}: a percentile from 0 to 100 is needed."
            )

    def background_reach(self, voxel_um: VoxelUm) -> Shape:
        """Half-width in voxels of the box that the background is measured in."""
        if self.background == "percentile":
            return (self.local_min_rad,) * 3
        z, y, x = (max(1, int(SHELL_UM / 2 / size + 0.5)) for size in voxel_um)
        return z, y, x

    def reach(self, voxel_um: VoxelUm) -> Shape:
        """Voxels around a centre that are looked at."""
        cube = 0 if self.intensity == "obj_mean" else self.local_max_rad
        window = (0, 0, 0) if self.centring is None else self.centring.reach
        z, y, x = (max(cube, *halves) for halves in zip(self.background_reach(voxel_um), window, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Intensities:
    """What was measured of n objects.

    Parameters
    ----------
    signal, background : (n,) float64
        Raw units.
    shift : (n, 3) float32
        From the weighted centroid to the object's middle, in voxels along z, y, x.
    """

    signal: npt.NDArray[np.float64]
    background: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float32]

    @classmethod
    def zeros(cls, count: int) -> Intensities:
        """To be filled in."""
        return cls(np.zeros(count), np.zeros(count), np.zeros((count, 3), np.float32))

    def take(self, which: npt.NDArray[Any]) -> Intensities:
        """Those of the objects at these indices, or where this is True."""
        return Intensities(self.signal[which], self.background[which], self.shift[which])

    def put(self, which: npt.NDArray[np.int64], measured: Intensities) -> None:
        """Fill in those of the objects at these indices."""
        self.signal[which], self.background[which] = measured.signal, measured.background
        self.shift[which] = measured.shift


def measure(
    raw: npt.NDArray[Any],
    free: npt.NDArray[np.bool_] | None,
    objects: Objects,
    corner: npt.NDArray[np.int64],
    how: Measuring,
    voxel_um: VoxelUm,
) -> Intensities:
    """Measure objects whose boxes lie in a piece of the raw volume.

    Parameters
    ----------
    raw : (z, y, x)
        All voxels within `how.reach` of every object's centre, as far as the volume goes.
    free : (z, y, x) bool
        Voxels that belong to no object; needed for the background "shell".
    objects : Objects
    corner : (3,) int64
        The piece's place in the volume.
    how : Measuring
    voxel_um : (z, y, x) µm
    """
    centres = objects.centre - corner
    half = how.background_reach(voxel_um)
    if free is not None:
        background = _means_of_free(raw, free, centres, half)
    else:
        background = _percentiles(raw, centres, half, how.local_min_percentile)
    if how.intensity == "obj_mean":
        signal = objects.raw_sum / (objects.voxels * intensity_units(raw.dtype))
    elif how.intensity == "max":
        signal = _maxima(raw, centres, (how.local_max_rad,) * 3)
    else:
        signal = _means(raw, centres, (how.local_max_rad,) * 3)
    if how.centring is None:
        return Intensities(signal, background, np.zeros((len(objects), 3), np.float32))
    return Intensities(signal, background, how.centring.shifts(raw, objects, corner, background))


def measured_voxels(
    free: npt.NDArray[np.bool_] | None, centres: npt.NDArray[np.int64], shape: Shape, how: Measuring, voxel_um: VoxelUm
) -> Iterator[Any]:
    """Indices, into a piece of `shape` voxels, of all that `measure` looks at; `centres` count from its corner."""
    cube: Shape = (how.local_max_rad,) * 3
    for centre in centres:
        box = _clipped(centre, how.background_reach(voxel_um), shape)
        if free is None or np.count_nonzero(free[box]) <= LEAST_FREE * free[box].size:
            yield box
        else:
            yield tuple(side.start + at for side, at in zip(box, np.nonzero(free[box]), strict=True))
        if how.intensity != "obj_mean":
            yield _clipped(centre, cube, shape)


def _clipped(centre: npt.NDArray[np.int64], half: Shape, shape: Shape) -> Region:
    z, y, x = (slice(max(int(c) - h, 0), min(int(c) + h + 1, n)) for c, h, n in zip(centre, half, shape, strict=True))
    return z, y, x


@kernel()
def _box(image: Any, centre: Any, half: Any) -> Any:
    z, y, x = centre
    d, h, w = half
    return image[max(z - d, 0) : z + d + 1, max(y - h, 0) : y + h + 1, max(x - w, 0) : x + w + 1]


@kernel()
def _voxels_of_box(image: Any, half: Any) -> int:
    """Voxels of the largest box that `_box` can give."""
    depth, height, width = image.shape
    return min(2 * half[0] + 1, depth) * min(2 * half[1] + 1, height) * min(2 * half[2] + 1, width)


@kernel()
def _means_of_free(raw: Any, free: Any, centres: Any, half: Any) -> Any:
    """Mean of the free voxels of the box around each centre; where hardly any are, a low percentile of the box."""
    out = np.empty(len(centres))
    values = np.empty(_voxels_of_box(raw, half))
    for i in range(len(centres)):
        box, is_free = _box(raw, centres[i], half), _box(free, centres[i], half)
        total, n = 0.0, 0  # exact for integers, and always added up in the same order
        for z in range(box.shape[0]):
            for y in range(box.shape[1]):
                for x in range(box.shape[2]):
                    # Adding 0 changes nothing, and is quicker than a branch that no processor can foresee.
                    total += np.float64(box[z, y, x]) if is_free[z, y, x] else 0.0
                    n += is_free[z, y, x]
        out[i] = total / n if n > LEAST_FREE * box.size else _percentile(box, CROWDED_PERCENTILE, values)
    return out


@kernel()
def _percentiles(raw: Any, centres: Any, half: Any, percentile: float) -> Any:
    out = np.empty(len(centres))
    values = np.empty(_voxels_of_box(raw, half))
    for i in range(len(centres)):
        out[i] = _percentile(_box(raw, centres[i], half), percentile, values)
    return out


@kernel()
def _percentile(box: Any, percentile: float, values: Any) -> float:
    """Interpolated linearly as `numpy.percentile` does; `values` is memory to work in."""
    n = 0
    for value in box.flat:
        values[n] = value
        n += 1
    rank = percentile / 100 * (n - 1)
    below = int(rank)
    low = _select(values, n, below)
    high = values[below + 1 : n].min() if below + 1 < n else low
    weight = rank - below
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)


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
def _maxima(raw: Any, centres: Any, half: Any) -> Any:
    out = np.empty(len(centres))
    for i in range(len(centres)):
        out[i] = _box(raw, centres[i], half).max()
    return out


@kernel()
def _means(raw: Any, centres: Any, half: Any) -> Any:
    out = np.empty(len(centres))
    for i in range(len(centres)):
        cube = _box(raw, centres[i], half)
        total = 0.0  # exact for integers, and always added up in the same order
        for value in cube.flat:
            total += value
        out[i] = total / cube.size
    return out
