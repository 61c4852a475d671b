"""Eigenvalues of the structure tensor: products of the gradient's components, averaged by a Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ecc_px.filters.borders import Reach, grow, reach
from ecc_px.filters.derivatives import RADIUS, DerivativeScale
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.rows import COMPILE, even_row, odd_row, pad_row
from ecc_px.filters.separable import Interval3

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
    tensor = [
        _separable(components[i] * components[j], *around, none if in_2d else a, a, a)
        for i in range(len(components))
        for j in range(i, len(components))
    ]
    if in_2d:
        _eigenvalues_2d(*tensor, out)
    else:
        _eigenvalues_3d(*tensor, out)


@njit(**COMPILE)
def _filter_row(out: Any, b2: Any, b1: Any, c: Any, a1: Any, a2: Any, taps: Any) -> None:
    """A half kernel with a 0 at its centre is a first derivative's."""
    if taps[0] == 0:
        odd_row(out, b2, b1, a1, a2, taps)
    else:
        even_row(out, b2, b1, c, a1, a2, taps)


@njit(**COMPILE)
def _separable(image: Any, z: Any, y: Any, x: Any, taps_z: Any, taps_y: Any, taps_x: Any) -> Any:
    """Filter along x, y and z with half kernels of radius 2; without `taps_z`, plane by plane."""
    ny, nx = y.place.size - 2 * RADIUS, x.place.size - 2 * RADIUS
    padded = np.empty(nx + 2 * RADIUS, np.float32)
    rows = np.empty((image.shape[1], nx), np.float32)
    planes = np.empty((image.shape[0], ny, nx), np.float32)
    b2, b1, c = padded[0:nx], padded[1 : 1 + nx], padded[2 : 2 + nx]
    a1, a2 = padded[3 : 3 + nx], padded[4 : 4 + nx]
    for k in range(image.shape[0]):
        for j in range(image.shape[1]):
            pad_row(padded, image[k, j], x)
            _filter_row(rows[j], b2, b1, c, a1, a2, taps_x)
        for j in range(ny):
            i = y.place[j : j + 5]
            _filter_row(planes[k, j], rows[i[0]], rows[i[1]], rows[i[2]], rows[i[3]], rows[i[4]], taps_y)
    if taps_z.size == 0:
        return planes
    nz = z.place.size - 2 * RADIUS
    out = np.empty((nz, ny, nx), np.float32)
    for k in range(nz):
        i = z.place[k : k + 5]
        for j in range(ny):
            _filter_row(
                out[k, j],
                planes[i[0], j],
                planes[i[1], j],
                planes[i[2], j],
                planes[i[3], j],
                planes[i[4], j],
                taps_z,
            )
    return out


@njit(**COMPILE)
def _eigenvalues_2d(xx: Any, xy: Any, yy: Any, out: Any) -> None:
    for k in range(out.shape[1]):
        for j in range(out.shape[2]):
            eigenvalues_2x2(xx[k, j], xy[k, j], yy[k, j], out[0, k, j], out[1, k, j])


@njit(**COMPILE)
def _eigenvalues_3d(xx: Any, xy: Any, xz: Any, yy: Any, yz: Any, zz: Any, out: Any) -> None:
    for k in range(out.shape[1]):
        for j in range(out.shape[2]):
            eigenvalues_3x3(
                xx[k, j],
                xy[k, j],
                xz[k, j],
                yy[k, j],
                yz[k, j],
                zz[k, j],
                out[0, k, j],
                out[1, k, j],
                out[2, k, j],
            )
