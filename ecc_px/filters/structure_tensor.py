"""Eigenvalues of the structure tensor: products of the gradient's components, averaged by a Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.borders import Interval3, Reach, grow, reach
from ecc_px.filters.derivatives import RADIUS, DerivativeScale
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.rows import even, odd, pad_row
from ecc_px.filters.separable import pitch_of

REACH = 2 * RADIUS
"""The gradient's radius and the average's."""


def structure_tensor_eigenvalues(
    smoothed: npt.NDArray[np.float32],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    gradient: DerivativeScale,
    average: DerivativeScale,
    out: npt.NDArray[np.float32],
    *,
    in_2d: bool = False,
) -> None:
    """Write the eigenvalues, largest first, into `out`: (3 or, in 2-D, 2; z, y, x) float32, the voxels `output`.

    `smoothed` holds the voxels `source` of a volume of `extent` voxels: everything within `REACH` of `output`
    (in_2d: along y and x). Both the image and the products are mirrored at the volume's border.
    """
    radius_z = 0 if in_2d else RADIUS
    grown = (
        grow(output[0], radius_z, extent[0]),
        grow(output[1], RADIUS, extent[1]),
        grow(output[2], RADIUS, extent[2]),
    )

    def neighbours(target: Interval3, held: Interval3) -> tuple[Reach, Reach, Reach]:
        z = reach(target[0], held[0], extent[0], radius_z)
        y, x = (reach(target[i], held[i], extent[i], RADIUS) for i in (1, 2))
        return z, y, x

    g, d, a = gradient.taps().smooth, gradient.taps().first, average.taps().smooth
    none = np.empty(0, np.float32)
    around = neighbours(grown, source)
    if in_2d:
        components = [_separable(smoothed, *around, none, *taps) for taps in ((g, d), (d, g))]
    else:
        components = [_separable(smoothed, *around, *taps) for taps in ((g, g, d), (g, d, g), (d, g, g))]
    around = neighbours(output, grown)
    tensor = np.stack(
        [
            _separable(components[i] * components[j], *around, none if in_2d else a, a, a)
            for i in range(len(components))
            for j in range(i, len(components))
        ]
    )
    # The solver's vectors know one line of memory; a view with gaps can pass for one, and isn't.
    made = out if out.flags.c_contiguous else np.empty(out.shape, np.float32)
    _eigenvalues_of_rows(tensor.reshape(-1), made.reshape(-1), out.shape[1] * out.shape[2], out.shape[3], in_2d)
    if made is not out:
        out[:] = made


@kernel()
def _filter_row(out: Any, o: Any, rows: Any, five: Any, taps: Any, n: int) -> None:
    """A row from the five at hand; a half kernel with a 0 at its centre is a first derivative's."""
    weights = (taps[0], taps[1], taps[2])
    p0, p1, p2, p3, p4 = five
    if taps[0] == 0:
        for i in range(n):
            x = uintp(i)
            out[o + x] = odd(rows[p0 + x], rows[p1 + x], rows[p3 + x], rows[p4 + x], weights)
    else:
        for i in range(n):
            x = uintp(i)
            out[o + x] = even(rows[p0 + x], rows[p1 + x], rows[p2 + x], rows[p3 + x], rows[p4 + x], weights)


@kernel()
def _separable(image: Any, z: Any, y: Any, x: Any, taps_z: Any, taps_y: Any, taps_x: Any) -> Any:
    """Filter along x, y and z with half kernels of radius 2; without `taps_z`, plane by plane."""
    planes, height, width = image.shape
    ny, nx = y.place.size - 2 * RADIUS, x.place.size - 2 * RADIUS
    memory = image.reshape(-1)
    long, pitch = uintp(pitch_of(x.place.size)), uintp(pitch_of(nx))
    padded = np.empty(height * long, np.float32)
    rows = np.empty(height * pitch, np.float32)
    smoothed = np.empty(planes * ny * pitch, np.float32)
    for k in range(planes):
        for j in range(height):
            pad_row(padded, uintp(j) * long, memory, uintp((k * height + j) * width), x, 0, x.place.size)
        for j in range(height):
            p = uintp(j) * long
            _filter_row(
                rows, uintp(j) * pitch, padded, (p, p + uintp(1), p + uintp(2), p + uintp(3), p + uintp(4)), taps_x, nx
            )
        for j in range(ny):
            _filter_row(smoothed, uintp(k * ny + j) * pitch, rows, _five(y.place, j, pitch, uintp(0)), taps_y, nx)
    if taps_z.size == 0:
        return smoothed.reshape(planes, ny, pitch)[:, :, :nx].copy()
    nz = z.place.size - 2 * RADIUS
    out = np.empty((nz, ny, nx), np.float32)
    out_memory = out.reshape(-1)
    for k in range(nz):
        for j in range(ny):
            five = _five(z.place, k, uintp(ny) * pitch, uintp(j) * pitch)
            _filter_row(out_memory, uintp((k * ny + j) * nx), smoothed, five, taps_z, nx)
    return out


@kernel(forceinline=True)
def _five(place: Any, i: int, stride: Any, offset: Any) -> Any:
    """Where the rows ``place[i]`` … ``place[i + 4]`` begin."""
    return (
        uintp(place[i]) * stride + offset,
        uintp(place[i + 1]) * stride + offset,
        uintp(place[i + 2]) * stride + offset,
        uintp(place[i + 3]) * stride + offset,
        uintp(place[i + 4]) * stride + offset,
    )


@kernel()
def _eigenvalues_of_rows(tensor: Any, out: Any, rows: int, n: int, in_2d: bool) -> None:
    """Elements and eigenvalues each have `rows` rows of `n` voxels."""
    step = uintp(rows * n)
    for row in range(rows):
        first = uintp(row * n)
        if in_2d:
            eigenvalues_2x2(tensor, first, step, out, first, step, n)
        else:
            eigenvalues_3x3(tensor, first, step, out, first, step, n)
