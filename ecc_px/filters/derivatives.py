"""Filters that are made of Gaussian derivatives at one scale, from a smoothed image: what is done with few planes.

Smoothing, Difference of Gaussians, Gradient Magnitude, Laplacian and Hessian are sums of products of the same few 1-D
filters. Each 1-D pass is made once: along x and y to the products of a plane, then along z, straight to the features.
The order of the axes and the rounding after each pass are those of fastfilters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.gaussian import first_derivative_taps, second_derivative_taps, smoothing_taps
from ecc_px.filters.lanes import LANES, load, root, spread, store, store_some
from ecc_px.filters.rows import even, odd

RADIUS = 2
"""Every kernel here is written with two taps on either side; shorter ones end in zeros."""

PRODUCTS = 7
"""Of a y filter and an x filter, that the z pass needs, in this order (the y filter first): GG, GD, DG, DD, GQ, QG, NN.

G smooths, D and Q derive once and twice, N smooths with the narrow Gaussian of the Difference of Gaussians.
"""


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


@kernel(forceinline=True)
def _half(taps: Any) -> Any:
    return spread(taps[0]), spread(taps[1]), spread(taps[2])


@kernel(forceinline=True)
def _along_x(rows: Any, p: Any, g: Any, d: Any, q: Any, w: Any) -> Any:
    """Sixteen voxels of a row, filtered along x: G, D, Q, N."""
    b2, b1, c = load(rows, p), load(rows, p + uintp(1)), load(rows, p + uintp(2))
    a1, a2 = load(rows, p + uintp(3)), load(rows, p + uintp(4))
    return even(b2, b1, c, a1, a2, g), odd(b2, b1, a1, a2, d), even(b2, b1, c, a1, a2, q), even(b2, b1, c, a1, a2, w)


@kernel()
def derive_plane(
    rows: Any, first: Any, pitch: Any, taps: Any, out: Any, o: Any, step: Any, out_pitch: Any, height: int, width: int
) -> None:
    """All products of an x filter and a y filter of a plane; a row's neighbours stay in registers on the way down.

    Parameters
    ----------
    rows, first, pitch
        Where the plane begins in the 1-D array `rows`, RADIUS voxels before the first output along y and x.
    taps : Taps
    out, o, step, out_pitch
        The first product begins at `o`, the next ones `step` apart.
    height, width : int
        Rows, and voxels of a row (rounded up to whole vectors).
    """
    g, d, q, w = _half(taps.smooth), _half(taps.first), _half(taps.second), _half(taps.narrow)
    for left in range(0, width, LANES):
        p, to = first + uintp(left), o + uintp(left)
        g0, d0, q0, w0 = _along_x(rows, p, g, d, q, w)
        g1, d1, q1, w1 = _along_x(rows, p + pitch, g, d, q, w)
        g2, d2, q2, w2 = _along_x(rows, p + uintp(2) * pitch, g, d, q, w)
        g3, d3, q3, w3 = _along_x(rows, p + uintp(3) * pitch, g, d, q, w)
        for j in range(height):
            g4, d4, q4, w4 = _along_x(rows, p + uintp(j + 4) * pitch, g, d, q, w)
            at = to + uintp(j) * out_pitch
            store(out, at, even(g0, g1, g2, g3, g4, g))
            store(out, at + step, even(d0, d1, d2, d3, d4, g))
            store(out, at + uintp(2) * step, odd(g0, g1, g3, g4, d))
            store(out, at + uintp(3) * step, odd(d0, d1, d3, d4, d))
            store(out, at + uintp(4) * step, even(q0, q1, q2, q3, q4, g))
            store(out, at + uintp(5) * step, even(g0, g1, g2, g3, g4, q))
            store(out, at + uintp(6) * step, even(w0, w1, w2, w3, w4, w))
            g0, g1, g2, g3 = g1, g2, g3, g4
            d0, d1, d2, d3 = d1, d2, d3, d4
            q0, q1, q2, q3 = q1, q2, q3, q4
            w0, w1, w2, w3 = w1, w2, w3, w4


@kernel()
def smooth_plane(
    rows: Any, first: Any, pitch: Any, taps: Any, out: Any, o: Any, out_pitch: Any, height: int, width: int
) -> None:
    """The product GG alone, arguments as in `derive_plane`."""
    g = _half(taps.smooth)
    for left in range(0, width, LANES):
        p, to = first + uintp(left), o + uintp(left)
        g0, g1 = _smooth_along_x(rows, p, g), _smooth_along_x(rows, p + pitch, g)
        g2, g3 = _smooth_along_x(rows, p + uintp(2) * pitch, g), _smooth_along_x(rows, p + uintp(3) * pitch, g)
        for j in range(height):
            g4 = _smooth_along_x(rows, p + uintp(j + 4) * pitch, g)
            store(out, to + uintp(j) * out_pitch, even(g0, g1, g2, g3, g4, g))
            g0, g1, g2, g3 = g1, g2, g3, g4


@kernel(forceinline=True)
def _smooth_along_x(rows: Any, p: Any, g: Any) -> Any:
    b2, b1, c = load(rows, p), load(rows, p + uintp(1)), load(rows, p + uintp(2))
    return even(b2, b1, c, load(rows, p + uintp(3)), load(rows, p + uintp(4)), g)


@kernel(forceinline=True)
def _eight(ring: Any, planes: Any, p: Any) -> Any:
    """Sixteen voxels of a product in eight planes that follow each other."""
    p0, p1, p2, p3, p4, p5, p6, p7 = planes
    return (
        load(ring, p0 + p),
        load(ring, p1 + p),
        load(ring, p2 + p),
        load(ring, p3 + p),
        load(ring, p4 + p),
        load(ring, p5 + p),
        load(ring, p6 + p),
        load(ring, p7 + p),
    )


@kernel(forceinline=True)
def _even_through(eight: Any, taps: Any) -> Any:
    """A symmetric filter along z, of the four planes in the middle."""
    r0, r1, r2, r3, r4, r5, r6, r7 = eight
    return (
        even(r0, r1, r2, r3, r4, taps),
        even(r1, r2, r3, r4, r5, taps),
        even(r2, r3, r4, r5, r6, taps),
        even(r3, r4, r5, r6, r7, taps),
    )


@kernel(forceinline=True)
def _odd_through(eight: Any, taps: Any) -> Any:
    r0, r1, r2, r3, r4, r5, r6, r7 = eight
    return odd(r0, r1, r3, r4, taps), odd(r1, r2, r4, r5, taps), odd(r2, r3, r5, r6, taps), odd(r3, r4, r6, r7, taps)


@kernel(forceinline=True)
def _keep(out: Any, o: Any, plane: Any, four: Any, planes: int, n: int) -> None:
    """Write vectors of up to four planes, of at most `n` voxels."""
    f0, f1, f2, f3 = four
    store_some(out, o, f0, n)
    if planes > 1:
        store_some(out, o + plane, f1, n)
    if planes > 2:
        store_some(out, o + uintp(2) * plane, f2, n)
    if planes > 3:
        store_some(out, o + uintp(3) * plane, f3, n)


@kernel(forceinline=True)
def _put(tensor: Any, o: Any, plane: Any, four: Any) -> None:
    f0, f1, f2, f3 = four
    store(tensor, o, f0)
    store(tensor, o + plane, f1)
    store(tensor, o + uintp(2) * plane, f2)
    store(tensor, o + uintp(3) * plane, f3)


@kernel()
def finish_3d(
    ring: Any,
    eight: Any,
    step: Any,
    pitch: Any,
    taps: Any,
    channels: Any,
    tensor: Any,
    out: Any,
    first: Any,
    strides: Any,
    planes: int,
    height: int,
    width: int,
) -> None:
    """The pass along z, and what the filters make of it, for up to four planes that follow each other.

    Parameters
    ----------
    ring, eight, step, pitch
        Where the eight planes that they are made from begin in the 1-D array `ring`; products are `step` apart, rows
        `pitch`.
    taps, channels
    tensor : 1-D float32
        Memory for the second derivatives of a row in four planes.
    out, first, strides
        Where the first voxel is in `out`, and the distances of channels, planes and rows.
    planes, height, width : int
        Of the output.
    """
    g, d, q, w = _half(taps.smooth), _half(taps.first), _half(taps.second), _half(taps.narrow)
    channel, plane, row = strides
    gd, dg, dd = step, uintp(2) * step, uintp(3) * step
    gq, qg, nn = uintp(4) * step, uintp(5) * step, uintp(6) * step
    side = uintp(6) * pitch
    for j in range(height):
        at = uintp(j) * pitch
        to = first + uintp(j) * row
        for left in range(0, width, LANES):
            x = uintp(left)
            p, o, n = at + x, to + x, width - left
            g_g = _eight(ring, eight, p)
            if channels.smoothing >= 0:
                _keep(out, o + uintp(channels.smoothing) * channel, plane, _even_through(g_g, g), planes, n)
            if channels.difference >= 0:
                s0, s1, s2, s3 = _even_through(g_g, g)
                n0, n1, n2, n3 = _even_through(_eight(ring, eight, nn + p), w)
                four = (s0 - n0, s1 - n1, s2 - n2, s3 - n3)
                _keep(out, o + uintp(channels.difference) * channel, plane, four, planes, n)
            if channels.gradient_magnitude >= 0:
                x0, x1, x2, x3 = _even_through(_eight(ring, eight, gd + p), g)
                y0, y1, y2, y3 = _even_through(_eight(ring, eight, dg + p), g)
                z0, z1, z2, z3 = _odd_through(g_g, d)
                four = (
                    root((x0 * x0 + y0 * y0) + z0 * z0),
                    root((x1 * x1 + y1 * y1) + z1 * z1),
                    root((x2 * x2 + y2 * y2) + z2 * z2),
                    root((x3 * x3 + y3 * y3) + z3 * z3),
                )
                _keep(out, o + uintp(channels.gradient_magnitude) * channel, plane, four, planes, n)
            if channels.laplacian >= 0 or channels.hessian >= 0:
                xx = _even_through(_eight(ring, eight, gq + p), g)
                yy = _even_through(_eight(ring, eight, qg + p), g)
                zz = _even_through(g_g, q)
                if channels.laplacian >= 0:
                    x0, x1, x2, x3 = xx
                    y0, y1, y2, y3 = yy
                    z0, z1, z2, z3 = zz
                    four = ((x0 + y0) + z0, (x1 + y1) + z1, (x2 + y2) + z2, (x3 + y3) + z3)
                    _keep(out, o + uintp(channels.laplacian) * channel, plane, four, planes, n)
                if channels.hessian >= 0:
                    _put(tensor, x, side, xx)
                    _put(tensor, x + pitch, side, _even_through(_eight(ring, eight, dd + p), g))
                    _put(tensor, x + uintp(2) * pitch, side, _odd_through(_eight(ring, eight, gd + p), d))
                    _put(tensor, x + uintp(3) * pitch, side, yy)
                    _put(tensor, x + uintp(4) * pitch, side, _odd_through(_eight(ring, eight, dg + p), d))
                    _put(tensor, x + uintp(5) * pitch, side, zz)
        if channels.hessian >= 0:
            o = to + uintp(channels.hessian) * channel
            for i in range(planes):
                eigenvalues_3x3(tensor, uintp(i) * side, pitch, out, o + uintp(i) * plane, channel, width)


@kernel()
def finish_2d(
    product: Any,
    step: Any,
    pitch: Any,
    channels: Any,
    tensor: Any,
    out: Any,
    first: Any,
    strides: Any,
    height: int,
    width: int,
) -> None:
    """What the filters make of a plane of products, arguments as in `finish_3d`."""
    channel, _, row = strides
    gd, dg, dd = step, uintp(2) * step, uintp(3) * step
    gq, qg, nn = uintp(4) * step, uintp(5) * step, uintp(6) * step
    for j in range(height):
        at = uintp(j) * pitch
        to = first + uintp(j) * row
        for left in range(0, width, LANES):
            x = uintp(left)
            p, o, n = at + x, to + x, width - left
            g_g = load(product, p)
            if channels.smoothing >= 0:
                store_some(out, o + uintp(channels.smoothing) * channel, g_g, n)
            if channels.difference >= 0:
                store_some(out, o + uintp(channels.difference) * channel, g_g - load(product, p + nn), n)
            if channels.gradient_magnitude >= 0:
                dx, dy = load(product, p + gd), load(product, p + dg)
                store_some(out, o + uintp(channels.gradient_magnitude) * channel, root(dx * dx + dy * dy), n)
            if channels.laplacian >= 0:
                laplacian = load(product, p + gq) + load(product, p + qg)
                store_some(out, o + uintp(channels.laplacian) * channel, laplacian, n)
            if channels.hessian >= 0:
                # The solver reads three rows that follow each other.
                store(tensor, x, load(product, p + gq))
                store(tensor, x + pitch, load(product, p + dd))
                store(tensor, x + uintp(2) * pitch, load(product, p + qg))
        if channels.hessian >= 0:
            o = to + uintp(channels.hessian) * channel
            eigenvalues_2x2(tensor, uintp(0), pitch, out, o, channel, width)
