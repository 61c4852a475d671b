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
from ecc_px.filters.scratch import scratch
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import VoxelUm

AT_ONCE = 256
"""Voxels whose eigenvalues are worked out together, several of them by each instruction."""


def least_concavity(
    image: npt.NDArray[np.float32], where: npt.NDArray[np.bool_], voxel: VoxelUm, place: Shape = (0, 0, 0)
) -> npt.NDArray[np.float32]:
    """Least concavity, by central differences; −inf where it is not asked for.

    Parameters
    ----------
    image : (z, y, x) float32
        One voxel at the border is enough beyond what is asked for; where the image ends, it is continued by its last
        voxels. A single plane is bent in the plane only.
    where : (z, y, x) bool
        What is asked for.
    voxel : (z, y, x)
        Size of a voxel, in the unit of length of the result.
    place : (z, y, x)
        The voxel of the image at which `where` begins.

    Returns
    -------
    (z, y, x) float32, as large as `where`; valid until this thread calls again.
    """
    out = scratch("least concavity", *where.shape)
    out.fill(-np.inf)
    weights = np.array([1 / size for size in voxel], np.float64)
    measure = _in_plane if image.shape[0] == 1 else _in_space
    measure(image.ravel(), image.shape, np.flatnonzero(where), where.shape, place, weights, out.ravel())
    return out


@kernel()
def _in_plane(image: Any, extent: Any, flat: Any, shape: Any, place: Any, weights: Any, out: Any) -> None:
    _, height, width = extent
    for n in range(len(flat)):
        y, x = flat[n] // shape[2] + place[1], flat[n] % shape[2] + place[2]
        here, before, after = y * width, max(y - 1, 0) * width, min(y + 1, height - 1) * width
        left, right = max(x - 1, 0), min(x + 1, width - 1)
        twice = 2.0 * image[here + x]
        yy = (image[before + x] + image[after + x] - twice) * weights[1] * weights[1]
        xx = (image[here + left] + image[here + right] - twice) * weights[2] * weights[2]
        crossed = _crossed(image[after + right], image[after + left], image[before + right], image[before + left])
        yx = crossed * weights[1] * weights[2]
        side = (yy - xx) / 2
        out[flat[n]] = -((yy + xx) / 2 + math.sqrt(side * side + yx * yx))


@kernel()
def _in_space(image: Any, extent: Any, flat: Any, shape: Any, place: Any, weights: Any, out: Any) -> None:
    depth, height, width = extent
    wz, wy, wx = weights
    matrix = np.empty(6 * AT_ONCE, np.float32)
    eigenvalues = np.empty(3 * AT_ONCE, np.float32)
    # Of the row that the voxels lie in, and of its neighbours: where they begin in the image.
    row_end = begin = here = up = down = before = after = up_before = up_after = down_before = down_after = 0
    for first in range(0, len(flat), AT_ONCE):
        count = min(AT_ONCE, len(flat) - first)
        for n in range(count):
            if flat[first + n] >= row_end:
                row = flat[first + n] // shape[2]
                begin, row_end = row * shape[2] - place[2], (row + 1) * shape[2]
                z, y = row // shape[1] + place[0], row % shape[1] + place[1]
                above, below = max(z - 1, 0) * height, min(z + 1, depth - 1) * height
                b, a = max(y - 1, 0), min(y + 1, height - 1)
                here, before, after = (z * height + y) * width, (z * height + b) * width, (z * height + a) * width
                up, up_before, up_after = (above + y) * width, (above + b) * width, (above + a) * width
                down, down_before, down_after = (below + y) * width, (below + b) * width, (below + a) * width
            x = flat[first + n] - begin
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            twice = 2.0 * image[here + x]
            matrix[n] = (image[up + x] + image[down + x] - twice) * wz * wz
            matrix[AT_ONCE + n] = (
                _crossed(image[down_after + x], image[down_before + x], image[up_after + x], image[up_before + x])
                * wz
                * wy
            )
            matrix[2 * AT_ONCE + n] = (
                _crossed(image[down + right], image[down + left], image[up + right], image[up + left]) * wz * wx
            )
            matrix[3 * AT_ONCE + n] = (image[before + x] + image[after + x] - twice) * wy * wy
            matrix[4 * AT_ONCE + n] = (
                _crossed(image[after + right], image[after + left], image[before + right], image[before + left])
                * wy
                * wx
            )
            matrix[5 * AT_ONCE + n] = (image[here + left] + image[here + right] - twice) * wx * wx
        eigenvalues_3x3(matrix, uintp(0), uintp(AT_ONCE), eigenvalues, uintp(0), uintp(AT_ONCE), count)
        for n in range(count):
            out[flat[first + n]] = -eigenvalues[n]


@kernel()
def _crossed(both: Any, first: Any, second: Any, neither: Any) -> float:
    """Mixed difference of four corners."""
    return ((np.float64(both) - first) - (np.float64(second) - neither)) * 0.25
