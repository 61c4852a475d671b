"""The ellipsoid with the same second moments as an object: its half-axes, from sums over the object's voxels.

Eigenvalues are found without iteration: the one that lies apart from the others as a root of the characteristic
polynomial, those from the 2×2 matrix that is left across its eigenvector. Unlike the other roots of the polynomial,
which lose half of their digits where two are equal, they keep nearly all.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel

Numbers = npt.NDArray[np.float64]


@kernel()
def covariances(voxels: Any, index_sum: Any, square_sum: Any) -> Any:
    """(n, 6) covariance zz, yy, xx, zy, zx, yx of the voxels' indices, each voxel taken for the cube that it is.

    Parameters
    ----------
    voxels : (n,) int64
    index_sum : (n, 3) int64
    square_sum : (n, 6) int64
        Sums of the products of two indices, in the same order.
    """
    out = np.empty((len(voxels), 6))
    for n in range(len(voxels)):
        z, y, x = index_sum[n, 0] / voxels[n], index_sum[n, 1] / voxels[n], index_sum[n, 2] / voxels[n]
        out[n, 0] = square_sum[n, 0] / voxels[n] - z * z + 1 / 12
        out[n, 1] = square_sum[n, 1] / voxels[n] - y * y + 1 / 12
        out[n, 2] = square_sum[n, 2] / voxels[n] - x * x + 1 / 12
        out[n, 3] = square_sum[n, 3] / voxels[n] - z * y
        out[n, 4] = square_sum[n, 4] / voxels[n] - z * x
        out[n, 5] = square_sum[n, 5] / voxels[n] - y * x
    return out


@kernel()
def volumes(covariance: Any) -> Any:
    """(n,) volume of the ellipsoids of `covariances`, in voxels."""
    out = np.empty(len(covariance))
    for n in range(len(covariance)):
        zz, yy, xx, zy, zx, yx = covariance[n]
        determinant = zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
        out[n] = 4 / 3 * math.pi * math.sqrt(125 * determinant)
    return out


@kernel()
def elongations(covariance: Any, size: Any, blur: float, flat: bool) -> Any:
    """(n,) longest over shortest half-axis of the ellipsoids of `covariances`.

    Parameters
    ----------
    covariance : (n, 6)
    size : (3,) float64
        Length of a voxel along z, y, x.
    blur : float
        Added to the variance along each axis, in voxels.
    flat : bool
        Of the ellipse along y and x.
    """
    out = np.empty(len(covariance))
    sz, sy, sx = size
    for n in range(len(covariance)):
        zz, yy, xx, zy, zx, yx = covariance[n]
        yy, xx, yx = (yy + blur) * sy * sy, (xx + blur) * sx * sx, yx * sy * sx
        if flat:
            least, largest = _of_2x2(yy, xx, yx)
        else:
            least, largest = _of_3x3((zz + blur) * sz * sz, yy, xx, zy * sz * sy, zx * sz * sx, yx)
        out[n] = math.sqrt(largest / least)
    return out


@kernel()
def _of_2x2(a: float, b: float, d: float) -> Any:
    """Smallest and largest eigenvalue of [[a, d], [d, b]]."""
    mean, half = 0.5 * (a + b), 0.5 * (a - b)
    apart = math.sqrt(half * half + d * d)
    return mean - apart, mean + apart


@kernel()
def _of_3x3(a: float, b: float, c: float, d: float, e: float, f: float) -> Any:
    """Smallest and largest eigenvalue of [[a, d, e], [d, b, f], [e, f, c]]."""
    if d == 0 and e == 0 and f == 0:
        return min(a, b, c), max(a, b, c)
    mean = (a + b + c) / 3
    p, q, r = a - mean, b - mean, c - mean
    size = math.sqrt((p * p + q * q + r * r + 2 * (d * d + e * e + f * f)) / 6)
    determinant = p * (q * r - f * f) - d * (d * r - f * e) + e * (d * f - q * e)
    cosine = max(-1.0, min(1.0, 0.5 * determinant / (size * size * size)))
    # With a cosine above 0 the largest eigenvalue lies apart from the others, else the smallest.
    angle = math.acos(cosine) / 3 + (0.0 if cosine >= 0 else 2 * math.pi / 3)
    apart = mean + 2 * size * math.cos(angle)

    # Its eigenvector is at right angles to all rows of the matrix less the eigenvalue.
    p, q, r = a - apart, b - apart, c - apart
    x0, y0, z0 = d * f - e * q, e * d - p * f, p * q - d * d
    x1, y1, z1 = d * r - e * f, e * e - p * r, p * f - d * e
    x2, y2, z2 = q * r - f * f, f * e - d * r, d * f - q * e
    n0, n1, n2 = x0 * x0 + y0 * y0 + z0 * z0, x1 * x1 + y1 * y1 + z1 * z1, x2 * x2 + y2 * y2 + z2 * z2
    if n0 >= n1 and n0 >= n2:
        length = math.sqrt(n0)
        wx, wy, wz = x0 / length, y0 / length, z0 / length
    elif n1 >= n2:
        length = math.sqrt(n1)
        wx, wy, wz = x1 / length, y1 / length, z1 / length
    else:
        length = math.sqrt(n2)
        wx, wy, wz = x2 / length, y2 / length, z2 / length

    # Two directions across it, and the matrix along these.
    if abs(wx) > abs(wy):
        length = math.sqrt(wx * wx + wz * wz)
        ux, uy, uz = -wz / length, 0.0, wx / length
    else:
        length = math.sqrt(wy * wy + wz * wz)
        ux, uy, uz = 0.0, wz / length, -wy / length
    vx, vy, vz = wy * uz - wz * uy, wz * ux - wx * uz, wx * uy - wy * ux
    across, both = a * ux + d * uy + e * uz, a * vx + d * vy + e * vz
    across_y, both_y = d * ux + b * uy + f * uz, d * vx + b * vy + f * vz
    across_z, both_z = e * ux + f * uy + c * uz, e * vx + f * vy + c * vz
    uu = ux * across + uy * across_y + uz * across_z
    uv = vx * across + vy * across_y + vz * across_z
    vv = vx * both + vy * both_y + vz * both_z
    along = wx * (a * wx + d * wy + e * wz) + wy * (d * wx + b * wy + f * wz) + wz * (e * wx + f * wy + c * wz)
    least, largest = _of_2x2(uu, vv, uv)
    return min(along, least), max(along, largest)
