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
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.eigenvalues import eigenvalues_3x3
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
    # What is asked for of a row lies side by side, so that the eigenvalues are worked out several at a time.
    matrix = np.empty(6 * width, np.float32)
    eigenvalues = np.empty(3 * width, np.float32)
    place = np.empty(width, np.int64)
    for z in range(depth):
        above, below = max(z - 1, 0), min(z + 1, depth - 1)
        for y in range(height):
            b, a = max(y - 1, 0), min(y + 1, height - 1)
            n = 0
            for x in range(width):
                if not where[z, y, x]:
                    continue
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                twice = 2.0 * image[z, y, x]
                matrix[n] = (image[above, y, x] + image[below, y, x] - twice) * wz * wz
                matrix[width + n] = (
                    _crossed(image[below, a, x], image[below, b, x], image[above, a, x], image[above, b, x]) * wz * wy
                )
                matrix[2 * width + n] = (
                    _crossed(
                        image[below, y, right], image[below, y, left], image[above, y, right], image[above, y, left]
                    )
                    * wz
                    * wx
                )
                matrix[3 * width + n] = (image[z, b, x] + image[z, a, x] - twice) * wy * wy
                matrix[4 * width + n] = (
                    _crossed(image[z, a, right], image[z, a, left], image[z, b, right], image[z, b, left]) * wy * wx
                )
                matrix[5 * width + n] = (image[z, y, left] + image[z, y, right] - twice) * wx * wx
                place[n] = x
                n += 1
            eigenvalues_3x3(matrix, uintp(0), uintp(width), eigenvalues, uintp(0), uintp(width), n)
            for k in range(n):
                out[z, y, place[k]] = -eigenvalues[k]


@kernel()
def _crossed(both: Any, first: Any, second: Any, neither: Any) -> float:
    """Mixed difference of four corners."""
    return ((np.float64(both) - first) - (np.float64(second) - neither)) * 0.25
