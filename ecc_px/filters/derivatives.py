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

from ecc_px.compiling import kernel
from ecc_px.filters.borders import reach
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.gaussian import first_derivative_taps, second_derivative_taps, smoothing_taps
from ecc_px.filters.rows import even_across, even_along, odd_across, odd_along, pad_row
from ecc_px.filters.separable import Interval3

RADIUS = 2
"""Every kernel here is written with two taps on either side; shorter ones end in zeros."""

ROWS_PER_STRIP = 16
"""Rows swept together: the ring of planes of a strip of 256 voxels width is 0.6 MB and stays in a core's cache."""

# The products of a y filter and an x filter that the z pass needs; G smooths, D and Q derive once and twice,
# N smooths with the narrow Gaussian of the Difference of Gaussians. The y filter is named first.
GG, GD, DG, DD, GQ, QG, NN = range(7)
PRODUCTS = 7

# Rows of the second derivatives, in the order that the eigenvalue solver reads.
XX, XY, XZ, YY, YZ, ZZ = range(6)


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
    image_rows, out_rows = smoothed.reshape(-1, smoothed.shape[2]), out.reshape(-1, out.shape[3], copy=False)
    shape = (out.shape[1], out.shape[2], out.shape[3])
    if in_2d:
        z = reach(output[0], source[0], extent[0], 0)
        _sweep_2d(image_rows, smoothed.shape[1], z, y, x, scale.taps(), channels, shape, out_rows)
    else:
        z = reach(output[0], source[0], extent[0], RADIUS)
        _sweep_3d(image_rows, smoothed.shape[1], z, y, x, scale.taps(), channels, shape, out_rows)


@kernel()
def _products_needed(channels: Any) -> Any:
    """Which of the products of a y and an x filter the wanted filters use."""
    need = np.zeros(PRODUCTS, np.bool_)
    need[GG] = True
    need[NN] = channels.difference >= 0
    need[GD] = need[DG] = channels.gradient_magnitude >= 0 or channels.hessian >= 0
    need[GQ] = need[QG] = channels.laplacian >= 0 or channels.hessian >= 0
    need[DD] = channels.hessian >= 0
    return need


@kernel()
def _along_x(image: Any, first: int, picked: Any, x: Any, taps: Any, need: Any, padded: Any, out: Any) -> None:
    """Filter the picked rows of a plane, which begins at row `first`, along x.

    `out` has the rows of each filter (G, D, Q, N) one after the other, as many as `padded` has.
    """
    n = x.place.size - 2 * RADIUS
    height = padded.shape[0]
    # All rows first: a row that was stored a moment ago can't be loaded again, shifted, without a stall.
    for j in range(picked.size):
        pad_row(padded, j, image, first + picked[j], x)
    for j in range(picked.size):
        even_along(out, j, padded, j, taps.smooth, n)
        if need[GD] or need[DD]:
            odd_along(out, height + j, padded, j, taps.first, n)
        if need[GQ]:
            even_along(out, 2 * height + j, padded, j, taps.second, n)
        if need[NN]:
            even_along(out, 3 * height + j, padded, j, taps.narrow, n)


@kernel()
def _along_y(rows: Any, height: int, used: int, taps: Any, need: Any, out: Any, first: int, pitch: int) -> None:
    """Filter `_along_x`'s rows, `height` of each filter, along y: row j is made of the rows j … j + 4.

    `out` has the rows of each product one after the other, `pitch` apart, from row `first` on.
    """
    n = rows.shape[1]
    for j in range(used):
        g = (j, j + 1, j + 2, j + 3, j + 4)
        d = (height + j, height + j + 1, height + j + 2, height + j + 3, height + j + 4)
        o = first + j
        even_across(out, o + GG * pitch, rows, g, taps.smooth, n)
        if need[DG]:
            odd_across(out, o + DG * pitch, rows, g, taps.first, n)
        if need[QG]:
            even_across(out, o + QG * pitch, rows, g, taps.second, n)
        if need[GD]:
            even_across(out, o + GD * pitch, rows, d, taps.smooth, n)
        if need[DD]:
            odd_across(out, o + DD * pitch, rows, d, taps.first, n)
        if need[GQ]:
            h = 2 * height + j
            even_across(out, o + GQ * pitch, rows, (h, h + 1, h + 2, h + 3, h + 4), taps.smooth, n)
        if need[NN]:
            h = 3 * height + j
            even_across(out, o + NN * pitch, rows, (h, h + 1, h + 2, h + 3, h + 4), taps.narrow, n)


@kernel()
def _sweep_3d(
    image: Any, image_height: int, z: Any, y: Any, x: Any, taps: Any, channels: Any, shape: Any, out: Any
) -> None:
    """All of a tile in 3-D: the rows of `image` and `out` are those of (z, y) and of (channel, z, y)."""
    need = _products_needed(channels)
    nz, ny, nx = shape
    slots = 2 * RADIUS + 1
    strip = min(ROWS_PER_STRIP, ny)
    padded = np.empty((strip + 2 * RADIUS, nx + 2 * RADIUS), np.float32)
    rows = np.empty((4 * len(padded), nx), np.float32)
    ring = np.empty((slots * PRODUCTS * strip, nx), np.float32)
    held = np.empty(slots, np.int64)
    slot = np.empty(slots, np.int64)
    tensor = np.empty((6, nx), np.float32)

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
                    _along_x(image, plane * image_height, picked, x, taps, need, padded, rows)
                    _along_y(rows, len(padded), height, taps, need, ring, slot[i] * PRODUCTS * strip, strip)
            for j in range(height):
                _finish_3d(ring, slot, strip, j, taps, channels, tensor, out, k * ny + top + j, nz * ny)


@kernel()
def _five(slot: Any, strip: int, product: int, j: int) -> Any:
    """Row j of a product in the five planes of the ring."""
    offset = product * strip + j
    pitch = PRODUCTS * strip
    return (
        slot[0] * pitch + offset,
        slot[1] * pitch + offset,
        slot[2] * pitch + offset,
        slot[3] * pitch + offset,
        slot[4] * pitch + offset,
    )


@kernel()
def _finish_3d(
    ring: Any, slot: Any, strip: int, j: int, taps: Any, channels: Any, tensor: Any, out: Any, row: int, pitch: int
) -> None:
    """The pass along z for one row, and what the filters make of it; output channels are `pitch` rows apart."""
    n = ring.shape[1]
    gg, gd, dg = _five(slot, strip, GG, j), _five(slot, strip, GD, j), _five(slot, strip, DG, j)
    if channels.smoothing >= 0:
        even_across(out, channels.smoothing * pitch + row, ring, gg, taps.smooth, n)
    if channels.difference >= 0:
        even_across(tensor, 0, ring, gg, taps.smooth, n)
        even_across(tensor, 1, ring, _five(slot, strip, NN, j), taps.narrow, n)
        o = channels.difference * pitch + row
        for x in range(n):
            out[o, x] = tensor[0, x] - tensor[1, x]
    if channels.gradient_magnitude >= 0:
        even_across(tensor, 0, ring, gd, taps.smooth, n)
        even_across(tensor, 1, ring, dg, taps.smooth, n)
        odd_across(tensor, 2, ring, gg, taps.first, n)
        o = channels.gradient_magnitude * pitch + row
        for x in range(n):
            dx, dy, dz = tensor[0, x], tensor[1, x], tensor[2, x]
            out[o, x] = np.sqrt((dx * dx + dy * dy) + dz * dz)
    if channels.laplacian >= 0 or channels.hessian >= 0:
        even_across(tensor, XX, ring, _five(slot, strip, GQ, j), taps.smooth, n)
        even_across(tensor, YY, ring, _five(slot, strip, QG, j), taps.smooth, n)
        even_across(tensor, ZZ, ring, gg, taps.second, n)
    if channels.laplacian >= 0:
        o = channels.laplacian * pitch + row
        for x in range(n):
            out[o, x] = (tensor[XX, x] + tensor[YY, x]) + tensor[ZZ, x]
    if channels.hessian >= 0:
        even_across(tensor, XY, ring, _five(slot, strip, DD, j), taps.smooth, n)
        odd_across(tensor, XZ, ring, gd, taps.first, n)
        odd_across(tensor, YZ, ring, dg, taps.first, n)
        eigenvalues_3x3(tensor, 0, 1, out, channels.hessian * pitch + row, pitch, n)


@kernel()
def _sweep_2d(
    image: Any, image_height: int, z: Any, y: Any, x: Any, taps: Any, channels: Any, shape: Any, out: Any
) -> None:
    """All of a tile, plane by plane: the rows of `image` and `out` are those of (z, y) and of (channel, z, y)."""
    need = _products_needed(channels)
    nz, ny, nx = shape
    padded = np.empty((ny + 2 * RADIUS, nx + 2 * RADIUS), np.float32)
    rows = np.empty((4 * len(padded), nx), np.float32)
    product = np.empty((PRODUCTS * ny, nx), np.float32)
    tensor = np.empty((3, nx), np.float32)
    for k in range(nz):
        _along_x(image, z.place[k] * image_height, y.place, x, taps, need, padded, rows)
        _along_y(rows, len(padded), ny, taps, need, product, 0, ny)
        for j in range(ny):
            _finish_2d(product, ny, j, channels, tensor, out, k * ny + j, nz * ny)


@kernel()
def _finish_2d(product: Any, height: int, j: int, channels: Any, tensor: Any, out: Any, row: int, pitch: int) -> None:
    """What the filters make of one row of the products; output channels are `pitch` rows apart."""
    gg, gd, dg, dd, gq, qg, nn = (
        j,
        height + j,
        2 * height + j,
        3 * height + j,
        4 * height + j,
        5 * height + j,
        6 * height + j,
    )
    for x in range(product.shape[1]):
        if channels.smoothing >= 0:
            out[channels.smoothing * pitch + row, x] = product[gg, x]
        if channels.difference >= 0:
            out[channels.difference * pitch + row, x] = product[gg, x] - product[nn, x]
        if channels.gradient_magnitude >= 0:
            dx, dy = product[gd, x], product[dg, x]
            out[channels.gradient_magnitude * pitch + row, x] = np.sqrt(dx * dx + dy * dy)
        if channels.laplacian >= 0:
            out[channels.laplacian * pitch + row, x] = product[gq, x] + product[qg, x]
        if channels.hessian >= 0:
            tensor[0, x], tensor[1, x], tensor[2, x] = product[gq, x], product[dd, x], product[qg, x]
    if channels.hessian >= 0:
        eigenvalues_2x2(tensor, 0, 1, out, channels.hessian * pitch + row, pitch, product.shape[1])
