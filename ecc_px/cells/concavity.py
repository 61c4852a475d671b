"""How strongly a smoothed image bends down at each voxel along the direction in which it does so least.

That is the largest eigenvalue of the Hessian, with the opposite sign. It is highest in the middle of a cell, falls
below 0 between two cells even where their light has run together, so that only one of them is a maximum of brightness,
and is low on a vessel or a neurite, which do not bend along their course.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.volumes.volume import VoxelUm


def least_concavity(
    image: npt.NDArray[np.float32], where: npt.NDArray[np.bool_], voxel: VoxelUm
) -> npt.NDArray[np.float32]:
    """Least concavity, by central differences; 0 where it is not asked for.

    Parameters
    ----------
    image : (z, y, x) float32
        One voxel at the border is enough beyond what is asked for; where the image ends, it is continued by its last
        voxels. A single plane is bent in the plane only.
    where : (z, y, x) bool
        What is asked for.
    voxel : (z, y, x)
        Size of a voxel, in the unit of length of the result.
    """
    out = np.zeros(image.shape, np.float32)
    weights = np.array([1 / size for size in voxel], np.float64)
    (_in_plane if image.shape[0] == 1 else _in_space)(image, where, weights, out)
    return out


@kernel()
def _in_plane(image: Any, where: Any, weights: Any, out: Any) -> None:
    _, height, width = image.shape
    for y in range(height):
        b, a = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            if not where[0, y, x]:
                continue
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            twice = 2.0 * image[0, y, x]
            yy = (image[0, b, x] + image[0, a, x] - twice) * weights[1] * weights[1]
            xx = (image[0, y, left] + image[0, y, right] - twice) * weights[2] * weights[2]
            crossed = (np.float64(image[0, a, right]) - image[0, a, left]) - (
                np.float64(image[0, b, right]) - image[0, b, left]
            )
            yx = crossed * 0.25 * weights[1] * weights[2]
            side = (yy - xx) / 2
            out[0, y, x] = -((yy + xx) / 2 + math.sqrt(side * side + yx * yx))


@kernel()
def _in_space(image: Any, where: Any, weights: Any, out: Any) -> None:
    depth, height, width = image.shape
    wz, wy, wx = weights
    for z in range(depth):
        above, below = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            b, a = max(y - 1, 0), min(y + 1, height - 1)
            for x in range(width):
                if not where[z, y, x]:
                    continue
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                twice = 2.0 * image[z, y, x]
                zz = (image[above, y, x] + image[below, y, x] - twice) * wz * wz
                yy = (image[z, b, x] + image[z, a, x] - twice) * wy * wy
                xx = (image[z, y, left] + image[z, y, right] - twice) * wx * wx
                zy = _crossed(image[below, a, x], image[below, b, x], image[above, a, x], image[above, b, x]) * wz * wy
                zx = (
                    _crossed(
                        image[below, y, right], image[below, y, left], image[above, y, right], image[above, y, left]
                    )
                    * wz
                    * wx
                )
                yx = _crossed(image[z, a, right], image[z, a, left], image[z, b, right], image[z, b, left]) * wy * wx
                out[z, y, x] = -_largest_eigenvalue(zz, yy, xx, zy, zx, yx)


@kernel()
def _crossed(both: Any, first: Any, second: Any, neither: Any) -> float:
    """Mixed difference of four corners."""
    return ((np.float64(both) - first) - (np.float64(second) - neither)) * 0.25


@kernel()
def _largest_eigenvalue(zz: float, yy: float, xx: float, zy: float, zx: float, yx: float) -> float:
    """Of a symmetric 3×3 matrix, in closed form."""
    mean = (zz + yy + xx) / 3
    zz, yy, xx = zz - mean, yy - mean, xx - mean
    size2 = (zz * zz + yy * yy + xx * xx + 2 * (zy * zy + zx * zx + yx * yx)) / 6
    size = math.sqrt(size2)
    if size == 0.0:
        return mean
    half_det = 0.5 * (zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx))
    cosine = min(max(half_det / (size2 * size), -1.0), 1.0)
    return mean + 2 * size * math.cos(math.acos(cosine) / 3)
