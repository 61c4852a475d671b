"""Gaussian smoothing of a tile of a volume: x first, then y, then z, float32 after each pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.borders import grow, reach
from ecc_px.filters.gaussian import HalfKernel
from ecc_px.filters.rows import add_four_pairs, add_pair, pad_row, scale_row

Interval3 = tuple[slice, slice, slice]


def smooth(
    image: npt.NDArray[np.float32],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    taps: HalfKernel | tuple[HalfKernel, HalfKernel, HalfKernel],
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
    taps : half kernel, or one for each of z, y, x
    in_2d : bool
        Smooth each z plane by itself.

    Returns
    -------
    (z, y, x) float32, the voxels `output`.
    """
    along_z, along_y, along_x = taps if isinstance(taps, tuple) else (taps, taps, taps)
    planes = output[0] if in_2d else grow(output[0], len(along_z) - 1, extent[0])
    rows = grow(output[1], len(along_y) - 1, extent[1])
    height = source[1].stop - source[1].start
    corners = (planes.start - source[0].start) * height + rows.start - source[1].start
    y = reach(output[1], rows, extent[1], len(along_y) - 1)
    x = reach(output[2], source[2], extent[2], len(along_x) - 1)
    shape = [side.stop - side.start for side in (planes, output[1], output[2])]
    smoothed = np.empty(shape, np.float32)
    image_rows = image.reshape(-1, image.shape[2])
    used = rows.stop - rows.start
    _smooth_planes(image_rows, corners, height, used, y, x, along_y, along_x, _rows_of(smoothed), shape[0])
    if in_2d:
        return smoothed
    out = np.empty((output[0].stop - output[0].start, *shape[1:]), np.float32)
    z = reach(output[0], planes, extent[0], len(along_z) - 1)
    _smooth_across(_rows_of(smoothed), z, shape[1], along_z, _rows_of(out))
    return out


def _rows_of(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(z, y, x) → (row, x), the same memory."""
    return image.reshape(-1, image.shape[-1])


@kernel()
def _smooth_planes(
    image: Any, first: int, height: int, used: int, y: Any, x: Any, taps_y: Any, taps_x: Any, out: Any, planes: int
) -> None:
    """Smooth planes along x and y, one after the other, so that a plane stays in cache.

    A plane of `image` has `height` rows, of which `used` are read, from row `first` of all on.
    """
    ny, nx = y.place.size - 2 * (taps_y.size - 1), x.place.size - 2 * (taps_x.size - 1)
    padded = np.empty((used, x.place.size), np.float32)
    along_x = np.empty((used, nx), np.float32)
    for k in range(planes):
        # All rows first: a row that was stored a moment ago can't be loaded again, shifted, without a stall.
        for j in range(used):
            pad_row(padded, j, image, first + k * height + j, x)
        for j in range(used):
            smooth_along(along_x, j, padded, j, taps_x, nx)
        for j in range(ny):
            smooth_across(out, k * ny + j, along_x, y.place, j, 1, 0, taps_y, nx)


@kernel()
def _smooth_across(image: Any, z: Any, ny: int, taps: Any, out: Any) -> None:
    """Smooth along z: planes have `ny` rows."""
    nz = z.place.size - 2 * (taps.size - 1)
    for j in range(ny):
        for k in range(nz):
            smooth_across(out, k * ny + j, image, z.place, k, ny, j, taps, image.shape[1])


@kernel()
def smooth_along(out: Any, o: int, padded: Any, row: int, taps: Any, n: int) -> None:
    """Smooth a row along x; `padded` has `radius` more voxels on either side."""
    radius = taps.size - 1
    centre = uintp(radius)
    scale_row(out, o, padded, row, centre, taps[0], n)
    rows = (row, row, row, row)
    j = 1
    while j + 3 <= radius:
        i = uintp(j)
        before = (centre - i, centre - i - uintp(1), centre - i - uintp(2), centre - i - uintp(3))
        after = (centre + i, centre + i + uintp(1), centre + i + uintp(2), centre + i + uintp(3))
        weights = (taps[j], taps[j + 1], taps[j + 2], taps[j + 3])
        add_four_pairs(out, o, padded, rows, rows, before, after, weights, n)
        j += 4
    while j <= radius:
        add_pair(out, o, padded, row, row, centre - uintp(j), centre + uintp(j), taps[j], n)
        j += 1


@kernel()
def smooth_across(
    out: Any, o: int, rows: Any, place: Any, start: int, stride: int, offset: int, taps: Any, n: int
) -> None:
    """Smooth over the rows place[start …] · stride + offset, of which the middle one is the centre."""
    radius = taps.size - 1
    centre = start + radius
    still = uintp(0)
    stills = (still, still, still, still)
    scale_row(out, o, rows, place[centre] * stride + offset, still, taps[0], n)
    j = 1
    while j + 3 <= radius:
        b, a = centre - j, centre + j
        before = (
            place[b] * stride + offset,
            place[b - 1] * stride + offset,
            place[b - 2] * stride + offset,
            place[b - 3] * stride + offset,
        )
        after = (
            place[a] * stride + offset,
            place[a + 1] * stride + offset,
            place[a + 2] * stride + offset,
            place[a + 3] * stride + offset,
        )
        weights = (taps[j], taps[j + 1], taps[j + 2], taps[j + 3])
        add_four_pairs(out, o, rows, before, after, stills, stills, weights, n)
        j += 4
    while j <= radius:
        before_row, after_row = place[centre - j] * stride + offset, place[centre + j] * stride + offset
        add_pair(out, o, rows, before_row, after_row, still, still, taps[j], n)
        j += 1
