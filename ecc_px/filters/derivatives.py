"""Every filter that is made of Gaussian derivatives at one scale, from one sweep over a smoothed tile.

Smoothing, Difference of Gaussians, Gradient Magnitude, Laplacian and Hessian are sums of products of the same few
1-D filters. One sweep computes each 1-D pass once: x first, then y, into a ring of planes that stays in
cache; then z, row by row, straight into the outputs. The order of the axes and the rounding after each pass are
those of fastfilters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ecc_px.filters.borders import reach
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.gaussian import first_derivative_taps, second_derivative_taps, smoothing_taps
from ecc_px.filters.rows import COMPILE, even_row, odd_row, pad_row
from ecc_px.filters.separable import Interval3

RADIUS = 2
"""Every kernel here is written with two taps on either side; shorter ones end in zeros."""

ROWS_PER_STRIP = 16
"""Rows swept together: the ring of planes of a strip of 256 voxels width is 0.6 MB and stays in a core's cache."""

# The products of a y filter and an x filter that the z pass needs; G smooths, D and Q derive once and twice,
# N smooths with the narrow Gaussian of the Difference of Gaussians. The y filter is named first.
GG, GD, DG, DD, GQ, QG, NN = range(7)


class Taps(NamedTuple):
    """Half kernels of radius 2 at one scale."""

    smooth: npt.NDArray[np.float32]
    first: npt.NDArray[np.float32]
    second: npt.NDArray[np.float32]
    narrow: npt.NDArray[np.float32]


class Channels(NamedTuple):
    """The output channel of each filter, -1 where it is not wanted; eigenvalues take consecutive ones."""

    smoothing: int = -1
    laplacian: int = -1
    gradient_magnitude: int = -1
    difference: int = -1
    hessian: int = -1


@dataclass(frozen=True)
class DerivativeScale:
    """Filters at one scale: `sigma` in voxels (at most 1), kernels cut off at `window` standard deviations."""

    sigma: float
    window: float
    narrow_ratio: float
    least_radius: int = 0

    def taps(self) -> Taps:
        s, w = self.sigma, self.window
        return Taps(
            _two_taps(smoothing_taps(s, w, least_radius=self.least_radius)),
            _two_taps(first_derivative_taps(s, w)),
            _two_taps(second_derivative_taps(s, w)),
            _two_taps(smoothing_taps(s * self.narrow_ratio, w, least_radius=self.least_radius)),
        )


def _two_taps(kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    taps = np.zeros(RADIUS + 1, np.float32)
    taps[: len(kernel)] = kernel
    return taps


def filter_derivatives(
    smoothed: npt.NDArray[np.float32],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    scale: DerivativeScale,
    channels: Channels,
    out: npt.NDArray[np.float32],
    *,
    in_2d: bool = False,
) -> None:
    """Write the wanted filters of `smoothed` into their channels of `out`.

    Parameters
    ----------
    smoothed : (z, y, x) float32
        The voxels `source` of a volume of `extent` voxels; mirrored at the volume's border.
    source, output : zyx slices in the volume
        `source` must hold everything within `RADIUS` of `output` (in_2d: along y and x).
    out : (channel, z, y, x) float32
        The voxels `output`.
    """
    y, x = (reach(output[i], source[i], extent[i], RADIUS) for i in (1, 2))
    if in_2d:
        z = reach(output[0], source[0], extent[0], 0)
        _sweep_2d(smoothed, z, y, x, scale.taps(), channels, out)
    else:
        z = reach(output[0], source[0], extent[0], RADIUS)
        _sweep_3d(smoothed, z, y, x, scale.taps(), channels, out)


@njit(**COMPILE)
def _along_x(plane: Any, rows: Any, x: Any, taps: Any, need: Any, padded: Any, out: Any) -> None:
    """Filter the picked rows of a plane along x: `out` is (filter: G D Q N, row, x)."""
    n = out.shape[2]
    for j in range(rows.size):
        pad_row(padded, plane[rows[j]], x)
        b2, b1, c = padded[0:n], padded[1 : 1 + n], padded[2 : 2 + n]
        a1, a2 = padded[3 : 3 + n], padded[4 : 4 + n]
        even_row(out[0, j], b2, b1, c, a1, a2, taps.smooth)
        if need[GD] or need[DD]:
            odd_row(out[1, j], b2, b1, a1, a2, taps.first)
        if need[GQ]:
            even_row(out[2, j], b2, b1, c, a1, a2, taps.second)
        if need[NN]:
            even_row(out[3, j], b2, b1, c, a1, a2, taps.narrow)


@njit(**COMPILE)
def _along_y(rows: Any, height: int, taps: Any, need: Any, out: Any) -> None:
    """Filter `_along_x`'s rows along y: `out` is (product, row, x), and row j is made of rows j … j + 4."""
    g, d, q, w = rows[0], rows[1], rows[2], rows[3]
    for j in range(height):
        even_row(out[GG, j], g[j], g[j + 1], g[j + 2], g[j + 3], g[j + 4], taps.smooth)
        if need[DG]:
            odd_row(out[DG, j], g[j], g[j + 1], g[j + 3], g[j + 4], taps.first)
        if need[QG]:
            even_row(out[QG, j], g[j], g[j + 1], g[j + 2], g[j + 3], g[j + 4], taps.second)
        if need[GD]:
            even_row(out[GD, j], d[j], d[j + 1], d[j + 2], d[j + 3], d[j + 4], taps.smooth)
        if need[DD]:
            odd_row(out[DD, j], d[j], d[j + 1], d[j + 3], d[j + 4], taps.first)
        if need[GQ]:
            even_row(out[GQ, j], q[j], q[j + 1], q[j + 2], q[j + 3], q[j + 4], taps.smooth)
        if need[NN]:
            even_row(out[NN, j], w[j], w[j + 1], w[j + 2], w[j + 3], w[j + 4], taps.narrow)


@njit(**COMPILE)
def _products_needed(channels: Any) -> Any:
    """Which of the products of a y and an x filter the wanted filters use."""
    need = np.zeros(7, np.bool_)
    need[GG] = True
    need[NN] = channels.difference >= 0
    for wanted, products in (
        (channels.gradient_magnitude, (GD, DG)),
        (channels.laplacian, (GQ, QG)),
        (channels.hessian, (GQ, QG)),
        (channels.hessian, (GD, DG)),
    ):
        if wanted >= 0:
            need[products[0]] = True
            need[products[1]] = True
    need[DD] = channels.hessian >= 0
    return need


@njit(**COMPILE)
def _even_across(out: Any, ring: Any, slot: Any, product: int, row: int, taps: Any) -> None:
    """The last pass of a product: an even filter along z over five planes of the ring."""
    even_row(
        out,
        ring[slot[0], product, row],
        ring[slot[1], product, row],
        ring[slot[2], product, row],
        ring[slot[3], product, row],
        ring[slot[4], product, row],
        taps,
    )


@njit(**COMPILE)
def _odd_across(out: Any, ring: Any, slot: Any, product: int, row: int, taps: Any) -> None:
    """The last pass of a product: an odd filter along z."""
    odd_row(
        out,
        ring[slot[0], product, row],
        ring[slot[1], product, row],
        ring[slot[3], product, row],
        ring[slot[4], product, row],
        taps,
    )


@njit(**COMPILE)
def _finish_difference(wide: Any, narrow: Any, out: Any) -> None:
    for x in range(out.size):
        out[x] = wide[x] - narrow[x]


@njit(**COMPILE)
def _finish_magnitude_3d(dx: Any, dy: Any, dz: Any, out: Any) -> None:
    for x in range(out.size):
        out[x] = np.sqrt((dx[x] * dx[x] + dy[x] * dy[x]) + dz[x] * dz[x])


@njit(**COMPILE)
def _finish_magnitude_2d(dx: Any, dy: Any, out: Any) -> None:
    for x in range(out.size):
        out[x] = np.sqrt(dx[x] * dx[x] + dy[x] * dy[x])


@njit(**COMPILE)
def _finish_laplacian_3d(xx: Any, yy: Any, zz: Any, out: Any) -> None:
    for x in range(out.size):
        out[x] = (xx[x] + yy[x]) + zz[x]


@njit(**COMPILE)
def _finish_laplacian_2d(xx: Any, yy: Any, out: Any) -> None:
    for x in range(out.size):
        out[x] = xx[x] + yy[x]


@njit(**COMPILE)
def _sweep_3d(smoothed: Any, z: Any, y: Any, x: Any, taps: Any, channels: Any, out: Any) -> None:
    need = _products_needed(channels)
    slots = 2 * RADIUS + 1
    nz, ny, nx = out.shape[1:]
    strip = min(ROWS_PER_STRIP, ny)
    padded = np.empty(nx + 2 * RADIUS, np.float32)
    rows = np.empty((4, strip + 2 * RADIUS, nx), np.float32)
    ring = np.empty((slots, 7, strip, nx), np.float32)
    held = np.empty(slots, np.int64)
    slot = np.empty(slots, np.int64)
    xx, xy, xz = np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
    yy, yz, zz = np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)

    for top in range(0, ny, strip):
        height = min(strip, ny - top)
        picked = y.place[top : top + height + 2 * RADIUS]
        held[:] = -1
        for k in range(nz):
            for i in range(slots):
                plane = z.place[k + i]
                slot[i] = plane % slots
                if held[slot[i]] != plane:
                    held[slot[i]] = plane
                    _along_x(smoothed[plane], picked, x, taps, need, padded, rows)
                    _along_y(rows, height, taps, need, ring[slot[i]])
            for j in range(height):
                row = top + j
                if channels.smoothing >= 0:
                    _even_across(out[channels.smoothing, k, row], ring, slot, GG, j, taps.smooth)
                if channels.difference >= 0:
                    _even_across(xx, ring, slot, GG, j, taps.smooth)
                    _even_across(yy, ring, slot, NN, j, taps.narrow)
                    _finish_difference(xx, yy, out[channels.difference, k, row])
                if channels.gradient_magnitude >= 0:
                    _even_across(xx, ring, slot, GD, j, taps.smooth)
                    _even_across(yy, ring, slot, DG, j, taps.smooth)
                    _odd_across(zz, ring, slot, GG, j, taps.first)
                    _finish_magnitude_3d(xx, yy, zz, out[channels.gradient_magnitude, k, row])
                if channels.laplacian >= 0 or channels.hessian >= 0:
                    _even_across(xx, ring, slot, GQ, j, taps.smooth)
                    _even_across(yy, ring, slot, QG, j, taps.smooth)
                    _even_across(zz, ring, slot, GG, j, taps.second)
                if channels.laplacian >= 0:
                    _finish_laplacian_3d(xx, yy, zz, out[channels.laplacian, k, row])
                if channels.hessian >= 0:
                    _even_across(xy, ring, slot, DD, j, taps.smooth)
                    _odd_across(xz, ring, slot, GD, j, taps.first)
                    _odd_across(yz, ring, slot, DG, j, taps.first)
                    h = channels.hessian
                    eigenvalues_3x3(xx, xy, xz, yy, yz, zz, out[h, k, row], out[h + 1, k, row], out[h + 2, k, row])


@njit(**COMPILE)
def _sweep_2d(smoothed: Any, z: Any, y: Any, x: Any, taps: Any, channels: Any, out: Any) -> None:
    need = _products_needed(channels)
    nz, ny, nx = out.shape[1:]
    padded = np.empty(nx + 2 * RADIUS, np.float32)
    rows = np.empty((4, ny + 2 * RADIUS, nx), np.float32)
    product = np.empty((7, ny, nx), np.float32)
    for k in range(nz):
        _along_x(smoothed[z.place[k]], y.place, x, taps, need, padded, rows)
        _along_y(rows, ny, taps, need, product)
        for j in range(ny):
            if channels.smoothing >= 0:
                out[channels.smoothing, k, j] = product[GG, j]
            if channels.difference >= 0:
                _finish_difference(product[GG, j], product[NN, j], out[channels.difference, k, j])
            if channels.gradient_magnitude >= 0:
                _finish_magnitude_2d(product[GD, j], product[DG, j], out[channels.gradient_magnitude, k, j])
            if channels.laplacian >= 0:
                _finish_laplacian_2d(product[GQ, j], product[QG, j], out[channels.laplacian, k, j])
            if channels.hessian >= 0:
                h = channels.hessian
                eigenvalues_2x2(product[GQ, j], product[DD, j], product[QG, j], out[h, k, j], out[h + 1, k, j])
