"""Eigenvalues of the structure tensor: products of the gradient's components, averaged by a Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.filters.borders import Reach, grow, reach
from ecc_px.filters.derivatives import RADIUS, DerivativeScale
from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3
from ecc_px.filters.rows import even_across, even_along, odd_across, odd_along, pad_row
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
    tensor = np.stack(
        [
            _separable(components[i] * components[j], *around, none if in_2d else a, a, a)
            for i in range(len(components))
            for j in range(i, len(components))
        ]
    )
    pitch = out.shape[1] * out.shape[2]
    tensor_rows, out_rows = tensor.reshape(-1, tensor.shape[3]), out.reshape(-1, out.shape[3], copy=False)
    _eigenvalues_of_rows(tensor_rows, out_rows, pitch, in_2d)


@kernel()
def _across(out: Any, o: int, rows: Any, picked: Any, taps: Any, n: int) -> None:
    """A half kernel with a 0 at its centre is a first derivative's."""
    if taps[0] == 0:
        odd_across(out, o, rows, picked, taps, n)
    else:
        even_across(out, o, rows, picked, taps, n)


@kernel()
def _separable(image: Any, z: Any, y: Any, x: Any, taps_z: Any, taps_y: Any, taps_x: Any) -> Any:
    """Filter along x, y and z with half kernels of radius 2; without `taps_z`, plane by plane."""
    planes, height, width = image.shape
    ny, nx = y.place.size - 2 * RADIUS, x.place.size - 2 * RADIUS
    image_rows = image.reshape(planes * height, width)
    padded = np.empty((height, nx + 2 * RADIUS), np.float32)
    rows = np.empty((height, nx), np.float32)
    smoothed = np.empty((planes * ny, nx), np.float32)
    for k in range(planes):
        for j in range(height):
            pad_row(padded, j, image_rows, k * height + j, x)
        for j in range(height):
            if taps_x[0] == 0:
                odd_along(rows, j, padded, j, taps_x, nx)
            else:
                even_along(rows, j, padded, j, taps_x, nx)
        for j in range(ny):
            p = y.place[j : j + 5]
            _across(smoothed, k * ny + j, rows, (p[0], p[1], p[2], p[3], p[4]), taps_y, nx)
    if taps_z.size == 0:
        return smoothed.reshape(planes, ny, nx)
    nz = z.place.size - 2 * RADIUS
    out = np.empty((nz * ny, nx), np.float32)
    for k in range(nz):
        p = z.place[k : k + 5] * ny
        for j in range(ny):
            picked = (p[0] + j, p[1] + j, p[2] + j, p[3] + j, p[4] + j)
            _across(out, k * ny + j, smoothed, picked, taps_z, nx)
    return out.reshape(nz, ny, nx)


@kernel()
def _eigenvalues_of_rows(tensor: Any, out: Any, pitch: int, in_2d: bool) -> None:
    """Elements and eigenvalues each have `pitch` rows."""
    for row in range(pitch):
        if in_2d:
            eigenvalues_2x2(tensor, row, pitch, out, row, pitch, out.shape[1])
        else:
            eigenvalues_3x3(tensor, row, pitch, out, row, pitch, out.shape[1])
