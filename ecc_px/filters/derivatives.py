"""Every filter that is made of Gaussian derivatives at one scale, from one sweep over a smoothed tile.

Smoothing, Difference of Gaussians, Gradient Magnitude, Laplacian and Hessian are sums of products of the same few
1-D filters. One sweep computes each 1-D pass once: x first, then y, into a ring of planes that stays in
cache; then z, row by row, straight into the outputs. The order of the axes and the rounding after each pass are
those of fastfilters.

The sweep's own rows have a fixed distance in memory, `PITCH`, so that the rows which a loop reads lie at fixed
distances from a few places: with a place of its own for each, a loop would spend its registers, and its time, on
places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.borders import reach
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.gaussian import first_derivative_taps, second_derivative_taps, smoothing_taps
from ecc_px.filters.rows import even, odd, pad_row
from ecc_px.filters.separable import Interval3

RADIUS = 2
"""Every kernel here is written with two taps on either side; shorter ones end in zeros."""

ROWS_PER_STRIP = 16
WIDTH = 256
"""Rows, and voxels of a row, that are swept together: the ring of planes of a strip has 0.6 MB and stays in cache."""

PITCH = WIDTH + 16
"""Between rows: 4 voxels more than are padded, and never a multiple of 4096 bytes, after which a cache begins again."""

# Rows of what the x filters make of a row: G smooths, D and Q derive once and twice, N smooths with the narrow
# Gaussian of the Difference of Gaussians.
G, D, Q, N = (np.uintp(k * PITCH) for k in range(4))
FILTERED = np.uintp(4 * PITCH)

# Rows of the products of a y filter and an x filter that the z pass needs. The y filter is named first.
GG, GD, DG, DD, GQ, QG, NN = (np.uintp(k * PITCH) for k in range(7))
PRODUCTS = np.uintp(7 * PITCH)

# Rows of the second derivatives, in the order that the eigenvalue solver reads.
XX, XY, XZ, YY, YZ, ZZ = (np.uintp(k * PITCH) for k in range(6))
TENSOR = 6 * PITCH

STEP, ONE, TWO, THREE, FOUR = (np.uintp(k) for k in (PITCH, 1, 2, 3, 4))


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
    out : (channel, z, y, x) float32, C-contiguous
        The voxels `output`.
    """
    y, x = (reach(output[i], source[i], extent[i], RADIUS) for i in (1, 2))
    z = reach(output[0], source[0], extent[0], 0 if in_2d else RADIUS)
    memory = out.reshape(-1, copy=False)
    _sweep(smoothed.reshape(-1), smoothed.shape[1:], z, y, x, scale.taps(), channels, in_2d, out.shape[1:], memory)


@kernel()
def _sweep(
    image: Any, sides: Any, z: Any, y: Any, x: Any, taps: Any, channels: Any, in_2d: bool, shape: Any, out: Any
) -> None:
    """All of a tile, strip by strip; planes of `image` have `sides` rows and voxels."""
    nz, ny, nx = shape
    gradients = channels.difference >= 0 or channels.gradient_magnitude >= 0 or channels.hessian >= 0
    curvatures = channels.laplacian >= 0 or channels.hessian >= 0
    slots = 1 if in_2d else 2 * RADIUS + 1
    strip = min(ROWS_PER_STRIP, ny)
    padded = np.empty((strip + 2 * RADIUS) * PITCH, np.float32)
    filtered = np.empty((strip + 2 * RADIUS) * FILTERED, np.float32)
    ring = np.empty(slots * strip * PRODUCTS, np.float32)
    tensor = np.empty(TENSOR, np.float32)
    held = np.empty(slots, np.int64)
    slot = np.empty(slots, np.uintp)

    for left in range(0, nx, WIDTH):
        width = min(WIDTH, nx - left)
        for top in range(0, ny, strip):
            height = min(strip, ny - top)
            held[:] = -1
            for k in range(nz):
                for i in range(slots):
                    plane = z.place[k + i]
                    place = plane % slots
                    slot[i] = uintp(place * strip) * PRODUCTS
                    if held[place] != plane:
                        held[place] = plane
                        for j in range(height + 2 * RADIUS):
                            row = (plane * sides[0] + y.place[top + j]) * sides[1]
                            pad_row(padded, uintp(j) * STEP, image, uintp(row), x, left, width + 2 * RADIUS)
                        # All rows before: one that was stored a moment ago can't be loaded, shifted, without a stall.
                        for j in range(height + 2 * RADIUS):
                            _along_x(
                                padded,
                                uintp(j) * STEP,
                                taps,
                                gradients,
                                curvatures,
                                filtered,
                                uintp(j) * FILTERED,
                                width,
                            )
                        for j in range(height):
                            o = slot[i] + uintp(j) * PRODUCTS
                            _along_y(filtered, uintp(j) * FILTERED, taps, gradients, curvatures, ring, o, width)
                for j in range(height):
                    first, step = uintp((k * ny + top + j) * nx + left), uintp(nz * ny * nx)
                    at = uintp(j) * PRODUCTS
                    if in_2d:
                        _finish_2d(ring, at, channels, tensor, out, first, step, width)
                    else:
                        five = (slot[0] + at, slot[1] + at, slot[2] + at, slot[3] + at, slot[4] + at)
                        _finish_3d(ring, five, taps, channels, tensor, out, first, step, width)


@kernel(forceinline=True)
def _even_along(padded: Any, p: Any, taps: Any) -> Any:
    return even(padded[p], padded[p + ONE], padded[p + TWO], padded[p + THREE], padded[p + FOUR], taps)


@kernel(forceinline=True)
def _odd_along(padded: Any, p: Any, taps: Any) -> Any:
    return odd(padded[p], padded[p + ONE], padded[p + THREE], padded[p + FOUR], taps)


@kernel()
def _along_x(padded: Any, p: Any, taps: Any, gradients: bool, curvatures: bool, out: Any, o: Any, n: int) -> None:
    """Filter a padded row along x."""
    smooth, first, second, narrow = taps.smooth, taps.first, taps.second, taps.narrow
    g, d, q = (smooth[0], smooth[1], smooth[2]), (first[0], first[1], first[2]), (second[0], second[1], second[2])
    w = (narrow[0], narrow[1], narrow[2])
    for i in range(n):
        x = uintp(i)
        out[o + G + x] = _even_along(padded, p + x, g)
    if gradients:
        for i in range(n):
            x = uintp(i)
            out[o + D + x] = _odd_along(padded, p + x, d)
            out[o + N + x] = _even_along(padded, p + x, w)
    if curvatures:
        for i in range(n):
            x = uintp(i)
            out[o + Q + x] = _even_along(padded, p + x, q)


@kernel(forceinline=True)
def _even_across(rows: Any, p: Any, taps: Any) -> Any:
    """Of five rows that follow each other among the filtered ones."""
    return even(
        rows[p],
        rows[p + FILTERED],
        rows[p + TWO * FILTERED],
        rows[p + THREE * FILTERED],
        rows[p + FOUR * FILTERED],
        taps,
    )


@kernel(forceinline=True)
def _odd_across(rows: Any, p: Any, taps: Any) -> Any:
    return odd(rows[p], rows[p + FILTERED], rows[p + THREE * FILTERED], rows[p + FOUR * FILTERED], taps)


@kernel()
def _along_y(rows: Any, p: Any, taps: Any, gradients: bool, curvatures: bool, out: Any, o: Any, n: int) -> None:
    """Filter what `_along_x` made along y, from five rows of each that begin at `p`."""
    smooth, first, second, narrow = taps.smooth, taps.first, taps.second, taps.narrow
    g, d, q = (smooth[0], smooth[1], smooth[2]), (first[0], first[1], first[2]), (second[0], second[1], second[2])
    w = (narrow[0], narrow[1], narrow[2])
    for i in range(n):
        x = uintp(i)
        out[o + GG + x] = _even_across(rows, p + G + x, g)
    if gradients:
        for i in range(n):
            x = uintp(i)
            out[o + DG + x] = _odd_across(rows, p + G + x, d)
            out[o + GD + x] = _even_across(rows, p + D + x, g)
            out[o + NN + x] = _even_across(rows, p + N + x, w)
    if curvatures:
        for i in range(n):
            x = uintp(i)
            out[o + QG + x] = _even_across(rows, p + G + x, q)
            out[o + DD + x] = _odd_across(rows, p + D + x, d)
            out[o + GQ + x] = _even_across(rows, p + Q + x, g)


@kernel(forceinline=True)
def _even_through(ring: Any, five: Any, p: Any, taps: Any) -> Any:
    """Of a product's row in five planes."""
    return even(ring[five[0] + p], ring[five[1] + p], ring[five[2] + p], ring[five[3] + p], ring[five[4] + p], taps)


@kernel(forceinline=True)
def _odd_through(ring: Any, five: Any, p: Any, taps: Any) -> Any:
    return odd(ring[five[0] + p], ring[five[1] + p], ring[five[3] + p], ring[five[4] + p], taps)


@kernel()
def _finish_3d(
    ring: Any, five: Any, taps: Any, channels: Any, tensor: Any, out: Any, first: Any, step: Any, n: int
) -> None:
    """The pass along z for one row, and what the filters make of it; output channels are `step` apart."""
    smooth, once, twice, narrow = taps.smooth, taps.first, taps.second, taps.narrow
    g, d, q = (smooth[0], smooth[1], smooth[2]), (once[0], once[1], once[2]), (twice[0], twice[1], twice[2])
    w = (narrow[0], narrow[1], narrow[2])
    if channels.smoothing >= 0:
        o = first + uintp(channels.smoothing) * step
        for i in range(n):
            x = uintp(i)
            out[o + x] = _even_through(ring, five, GG + x, g)
    if channels.difference >= 0:
        o = first + uintp(channels.difference) * step
        for i in range(n):
            x = uintp(i)
            out[o + x] = _even_through(ring, five, GG + x, g) - _even_through(ring, five, NN + x, w)
    if channels.gradient_magnitude >= 0:
        o = first + uintp(channels.gradient_magnitude) * step
        for i in range(n):
            x = uintp(i)
            dx, dy = _even_through(ring, five, GD + x, g), _even_through(ring, five, DG + x, g)
            dz = _odd_through(ring, five, GG + x, d)
            out[o + x] = np.sqrt((dx * dx + dy * dy) + dz * dz)
    if channels.laplacian >= 0:
        o = first + uintp(channels.laplacian) * step
        for i in range(n):
            x = uintp(i)
            xx, yy = _even_through(ring, five, GQ + x, g), _even_through(ring, five, QG + x, g)
            out[o + x] = (xx + yy) + _even_through(ring, five, GG + x, q)
    if channels.hessian >= 0:
        for i in range(n):
            x = uintp(i)
            tensor[XX + x] = _even_through(ring, five, GQ + x, g)
            tensor[XY + x] = _even_through(ring, five, DD + x, g)
            tensor[XZ + x] = _odd_through(ring, five, GD + x, d)
            tensor[YY + x] = _even_through(ring, five, QG + x, g)
            tensor[YZ + x] = _odd_through(ring, five, DG + x, d)
            tensor[ZZ + x] = _even_through(ring, five, GG + x, q)
        eigenvalues_3x3(tensor, uintp(0), STEP, out, first + uintp(channels.hessian) * step, step, n)


@kernel()
def _finish_2d(product: Any, p: Any, channels: Any, tensor: Any, out: Any, first: Any, step: Any, n: int) -> None:
    """What the filters make of one row of the products; output channels are `step` apart."""
    if channels.smoothing >= 0:
        o = first + uintp(channels.smoothing) * step
        for i in range(n):
            x = uintp(i)
            out[o + x] = product[p + GG + x]
    if channels.difference >= 0:
        o = first + uintp(channels.difference) * step
        for i in range(n):
            x = uintp(i)
            out[o + x] = product[p + GG + x] - product[p + NN + x]
    if channels.gradient_magnitude >= 0:
        o = first + uintp(channels.gradient_magnitude) * step
        for i in range(n):
            x = uintp(i)
            dx, dy = product[p + GD + x], product[p + DG + x]
            out[o + x] = np.sqrt(dx * dx + dy * dy)
    if channels.laplacian >= 0:
        o = first + uintp(channels.laplacian) * step
        for i in range(n):
            x = uintp(i)
            out[o + x] = product[p + GQ + x] + product[p + QG + x]
    if channels.hessian >= 0:
        for i in range(n):
            x = uintp(i)
            # The solver reads three rows that follow each other.
            tensor[x] = product[p + GQ + x]
            tensor[STEP + x] = product[p + DD + x]
            tensor[TWO * STEP + x] = product[p + QG + x]
        eigenvalues_2x2(tensor, uintp(0), STEP, out, first + uintp(channels.hessian) * step, step, n)
