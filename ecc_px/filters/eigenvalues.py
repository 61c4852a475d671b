"""Eigenvalues of symmetric 2×2 and 3×3 matrices, a row of voxels at a time, largest first.

The 3×3 solver is a closed form without trigonometric functions, so it vectorises. The invariants that cancel are
computed in double precision: errors stay below 4e-7 of the largest matrix element, where ilastik's own all-float
solver reaches 1e-3 (docs/parity.md). Source of the form: the angle of the trigonometric solution is replaced by
a polynomial for cos(acos(r)/3), and its sine by an expression that does not cancel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.lanes import (
    LANES,
    fma,
    larger,
    load,
    load_some,
    narrowed,
    root,
    signed,
    size,
    smaller,
    spread,
    store,
    store_some,
    widened,
)

# cos(acos(r) / 3) on [0, 1], coefficients of r⁰ … r⁷; largest error 1.1e-8.
C0, C1, C2, C3, C4, C5, C6, C7 = (
    np.float32(c)
    for c in (
        0.8660254148,
        0.1666651913,
        -0.04807964781,
        0.02440584058,
        -0.01432729707,
        0.007718813556,
        -0.00296198695,
        0.0005536798053,
    )
)
ROOT3 = np.float32(math.sqrt(3))
TINY = np.float32(1e-18)
ONE, TWO, FOUR = np.float32(1), np.float32(2), np.float32(4)


@kernel()
def eigenvalues_2x2(matrix: Any, first: Any, step: Any, out: Any, o: Any, out_step: Any, n: int) -> None:
    """Eigenvalues of [[xx, xy], [xy, yy]] in float32.

    The elements are rows of the 1-D array `matrix` that begin at `first`, `first` + `step`, … (unsigned) in the order
    xx, xy, yy; the eigenvalues become the rows at `o` and `o` + `out_step` of `out`.
    """
    half = np.float32(0.5)
    for i in range(n):
        x = uintp(i)
        xx, xy, yy = matrix[first + x], matrix[first + step + x], matrix[first + uintp(2) * step + x]
        centre = (xx + yy) * half
        side = (xx - yy) * half
        distance = np.sqrt(side * side + xy * xy)
        out[o + x] = centre + distance
        out[o + out_step + x] = centre - distance


@kernel()
def eigenvalues_3x3(matrix: Any, first: Any, step: Any, out: Any, o: Any, out_step: Any, n: int) -> None:
    """Eigenvalues of symmetric 3×3 matrices.

    The elements are rows of the 1-D array `matrix` that begin at `first`, `first` + `step`, … (unsigned) in the order
    xx, xy, xz, yy, yz, zz; the eigenvalues become the rows at `o`, `o` + `out_step` and `o` + 2 · `out_step` of `out`.
    """
    xx, xy, xz = first, first + step, first + uintp(2) * step
    yy, yz, zz = first + uintp(3) * step, first + uintp(4) * step, first + uintp(5) * step
    middle, small = o + out_step, o + uintp(2) * out_step
    whole = n - n % LANES
    for i in range(0, whole, LANES):
        x = uintp(i)
        e0, e1, e2 = _solved(
            load(matrix, xx + x),
            load(matrix, xy + x),
            load(matrix, xz + x),
            load(matrix, yy + x),
            load(matrix, yz + x),
            load(matrix, zz + x),
        )
        store(out, o + x, e0)
        store(out, middle + x, e1)
        store(out, small + x, e2)
    if whole < n:
        x, rest = uintp(whole), n - whole
        e0, e1, e2 = _solved(
            load_some(matrix, xx + x, rest),
            load_some(matrix, xy + x, rest),
            load_some(matrix, xz + x, rest),
            load_some(matrix, yy + x, rest),
            load_some(matrix, yz + x, rest),
            load_some(matrix, zz + x, rest),
        )
        store_some(out, o + x, e0, rest)
        store_some(out, middle + x, e1, rest)
        store_some(out, small + x, e2, rest)


@kernel(forceinline=True)
def _solved(xx: Any, xy: Any, xz: Any, yy: Any, yz: Any, zz: Any) -> Any:
    """Eigenvalues of a vector of matrices, largest first."""
    a, b, c = widened(xx), widened(yy), widened(zz)
    d, e, f = widened(xy), widened(xz), widened(yz)
    mean = (a + b + c) * spread(1.0 / 3.0)
    a, b, c = a - mean, b - mean, c - mean
    # The deviatoric part: p is its size; r, half of its determinant at size 1, is the cosine of thrice the angle.
    ff, ee, dd = f * f, e * e, d * d
    p2 = fma(a, a, fma(b, b, fma(c, c, spread(2.0) * (dd + ee + ff)))) * spread(1.0 / 6.0)
    p = root(narrowed(p2))
    minor_a = fma(b, c, -ff)
    minor_d = fma(d, c, -(f * e))
    minor_e = fma(d, f, -(b * e))
    half_det = spread(0.5) * fma(a, minor_a, fma(e, minor_e, -(d * minor_d)))
    inverse = widened(spread(ONE) / larger(p, spread(TINY)))
    inverse3 = inverse * inverse * inverse
    # p is rounded to float32: with its cube for the exact size³, 1 − r² would cancel to noise near r = 1.
    r = narrowed(half_det * inverse3)
    square = larger(fma(p2 * p2, p2, -(half_det * half_det)), spread(0.0))
    sine3 = root(narrowed(square * inverse3 * inverse3))
    q = narrowed(mean)

    u = smaller(size(r), spread(ONE))
    cosine = spread(C7)
    cosine = fma(cosine, u, spread(C6))
    cosine = fma(cosine, u, spread(C5))
    cosine = fma(cosine, u, spread(C4))
    cosine = fma(cosine, u, spread(C3))
    cosine = fma(cosine, u, spread(C2))
    cosine = fma(cosine, u, spread(C1))
    cosine = fma(cosine, u, spread(C0))
    sine = sine3 / (spread(FOUR) * cosine * cosine - spread(ONE))

    along = signed(p * cosine, r)
    across = spread(ROOT3) * p * sine
    root1 = q + spread(TWO) * along
    root2 = q - along + across
    root3 = q - along - across
    return larger(root1, root2), larger(smaller(root1, root2), root3), smaller(root1, root3)
