"""Gaussian smoothing of a tile of a volume: x first, then y, then z, float32 after each pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ecc_px.filters.borders import grow, reach
from ecc_px.filters.gaussian import HalfKernel
from ecc_px.filters.rows import COMPILE, add_four_pairs, add_pair, pad_row, scale_row

Interval3 = tuple[slice, slice, slice]


def smooth(
    image: npt.NDArray[np.float32],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    taps: HalfKernel,
    *,
    in_2d: bool = False,
) -> npt.NDArray[np.float32]:
    """Gaussian smoothing, mirrored at the volume's border.

    Parameters
    ----------
    image : (z, y, x) float32
        The voxels `source` of a volume of `extent` voxels.
    source, output : zyx slices in the volume
        `source` must hold `output` and everything within the kernel's radius of it.
    taps : half kernel
    in_2d : bool
        Smooth each z plane by itself.

    Returns
    -------
    (z, y, x) float32, the voxels `output`.
    """
    radius = len(taps) - 1
    planes = output[0] if in_2d else grow(output[0], radius, extent[0])
    rows = grow(output[1], radius, extent[1])
    smoothed = _smooth_planes(
        image,
        slice(planes.start - source[0].start, planes.stop - source[0].start),
        slice(rows.start - source[1].start, rows.stop - source[1].start),
        reach(output[1], rows, extent[1], radius),
        reach(output[2], source[2], extent[2], radius),
        taps,
    )
    return smoothed if in_2d else _smooth_across(smoothed, reach(output[0], planes, extent[0], radius), taps)


@njit(**COMPILE)
def _smooth_row(out: Any, image: Any, column: int, index: Any, start: int, taps: Any) -> None:
    """out = Σ taps[j] · (row before + row after); the rows are image[index[…], column]."""
    radius = taps.size - 1
    before = after = start + radius
    scale_row(out, image[index[before], column], taps[0])
    j = 1
    while j + 3 <= radius:
        add_four_pairs(
            out,
            image[index[before - j], column],
            image[index[after + j], column],
            image[index[before - j - 1], column],
            image[index[after + j + 1], column],
            image[index[before - j - 2], column],
            image[index[after + j + 2], column],
            image[index[before - j - 3], column],
            image[index[after + j + 3], column],
            taps[j],
            taps[j + 1],
            taps[j + 2],
            taps[j + 3],
        )
        j += 4
    while j <= radius:
        add_pair(out, image[index[before - j], column], image[index[after + j], column], taps[j])
        j += 1


@njit(**COMPILE)
def _smooth_along(out: Any, padded: Any, taps: Any) -> None:
    """The same along a row: `padded` has `radius` more voxels than `out` on either side."""
    n = out.size
    radius = taps.size - 1
    scale_row(out, padded[radius : radius + n], taps[0])
    j = 1
    while j + 3 <= radius:
        b, a = radius - j, radius + j
        add_four_pairs(
            out,
            padded[b : b + n],
            padded[a : a + n],
            padded[b - 1 : b - 1 + n],
            padded[a + 1 : a + 1 + n],
            padded[b - 2 : b - 2 + n],
            padded[a + 2 : a + 2 + n],
            padded[b - 3 : b - 3 + n],
            padded[a + 3 : a + 3 + n],
            taps[j],
            taps[j + 1],
            taps[j + 2],
            taps[j + 3],
        )
        j += 4
    while j <= radius:
        b, a = radius - j, radius + j
        add_pair(out, padded[b : b + n], padded[a : a + n], taps[j])
        j += 1


@njit(**COMPILE)
def _smooth_planes(image: Any, planes: slice, rows: slice, y: Any, x: Any, taps: Any) -> Any:
    """Smooth `planes` of the image along x and y, of which `rows` are read; a plane stays in cache."""
    radius = taps.size - 1
    nz, ny, nx = planes.stop - planes.start, y.place.size - 2 * radius, x.place.size - 2 * radius
    out = np.empty((nz, ny, nx), np.float32)
    along_x = np.empty((rows.stop - rows.start, 1, nx), np.float32)
    padded = np.empty(nx + 2 * radius, np.float32)
    for k in range(nz):
        plane = image[planes.start + k]
        for j in range(rows.stop - rows.start):
            pad_row(padded, plane[rows.start + j], x)
            _smooth_along(along_x[j, 0], padded, taps)
        for j in range(ny):
            _smooth_row(out[k, j], along_x, 0, y.place, j, taps)
    return out


@njit(**COMPILE)
def _smooth_across(image: Any, z: Any, taps: Any) -> Any:
    """Smooth along z."""
    radius = taps.size - 1
    nz = z.place.size - 2 * radius
    ny, nx = image.shape[1:]
    out = np.empty((nz, ny, nx), np.float32)
    for j in range(ny):
        for k in range(nz):
            _smooth_row(out[k, j], image, j, z.place, k, taps)
    return out
