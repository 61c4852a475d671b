"""Gaussian smoothing of a tile of a volume: x first, then y, then z, float32 after each pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.borders import Interval3, grow, reach
from ecc_px.filters.gaussian import HalfKernel
from ecc_px.filters.rows import pad_row, smooth_row
from ecc_px.filters.scratch import scratch


def smooth(
    image: npt.NDArray[np.float32],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    taps: HalfKernel | tuple[HalfKernel, HalfKernel, HalfKernel],
    *,
    in_2d: bool = False,
    out: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Gaussian smoothing, mirrored at the volume's border.

    Parameters
    ----------
    image : (z, y, x) float32
        The voxels `source` of a volume of `extent` voxels.
    source, output : zyx slices in the volume
        `source` must hold `output` and everything within the kernel's radius of it.
    taps : half kernel, or one for each of z, y, x
    in_2d : bool
        Smooth each z plane by itself.
    out : (z, y, x) float32, optional
        C-contiguous array to be filled and returned.

    Returns
    -------
    (z, y, x) float32, the voxels `output`.
    """
    along_z, along_y, along_x = taps if isinstance(taps, tuple) else (taps, taps, taps)
    planes = output[0] if in_2d else grow(output[0], len(along_z) - 1, extent[0])
    rows = grow(output[1], len(along_y) - 1, extent[1])
    height, width = (side.stop - side.start for side in source[1:])
    corner = ((planes.start - source[0].start) * height + rows.start - source[1].start) * width
    y = reach(output[1], rows, extent[1], len(along_y) - 1)
    x = reach(output[2], source[2], extent[2], len(along_x) - 1)
    ny, nx = (side.stop - side.start for side in output[1:])
    if out is None:
        out = np.empty((output[0].stop - output[0].start, ny, nx), np.float32)
    memory = out.reshape(-1, copy=False)
    layout = Layout(corner, height * width, width, rows.stop - rows.start)
    if in_2d:
        _smooth_planes(image.ravel(), layout, planes.stop - planes.start, y, x, along_y, along_x, memory, nx)
        return out
    pitch = pitch_of(nx)
    smoothed = scratch("smoothed along x and y", (planes.stop - planes.start) * ny * pitch)
    _smooth_planes(image.ravel(), layout, planes.stop - planes.start, y, x, along_y, along_x, smoothed, pitch)
    z = reach(output[0], planes, extent[0], len(along_z) - 1)
    _smooth_across(smoothed, pitch, z, ny, along_z, memory, nx)
    return out


@kernel()
def pitch_of(n: int) -> int:
    """Memory between rows of `n` voxels, so that rows of successive planes do not compete for the same lines of cache.

    Rows begin at a line (16 voxels), and 64 rows are not a multiple of the 4096 bytes after which a first-level cache
    begins again.
    """
    return (n + 31) // 16 * 16


class Layout(NamedTuple):
    """Rows of planes in memory: where the first row begins, voxels from plane to plane and row to row, rows used."""

    first: int
    plane: int
    row: int
    used: int


@kernel()
def _smooth_planes(
    memory: Any, layout: Any, planes: int, y: Any, x: Any, taps_y: Any, taps_x: Any, out: Any, pitch: int
) -> None:
    """Smooth planes along x and y, one after the other, so that a plane stays in cache.

    Rows of `out` are `pitch` apart.
    """
    ny, nx = y.place.size - 2 * (taps_y.size - 1), x.place.size - 2 * (taps_x.size - 1)
    padded_pitch, row_pitch = uintp(pitch_of(x.place.size)), uintp(pitch)
    padded = np.empty(layout.used * padded_pitch, np.float32)
    along_x = np.empty(layout.used * row_pitch, np.float32)
    shifts = np.arange(2 * taps_x.size - 1)
    for k in range(planes):
        # All rows first: a row that was stored a moment ago can't be loaded again, shifted, without a stall.
        first = uintp(layout.first + k * layout.plane)
        for j in range(layout.used):
            row = first + uintp(j) * uintp(layout.row)
            pad_row(padded, uintp(j) * padded_pitch, memory, row, x, 0, x.place.size)
        for j in range(layout.used):
            o = uintp(j) * row_pitch
            smooth_row(along_x, o, padded, shifts, 0, uintp(1), uintp(j) * padded_pitch, taps_x, nx)
        for j in range(ny):
            o = uintp(k * ny + j) * row_pitch
            smooth_row(out, o, along_x, y.place, j, row_pitch, uintp(0), taps_y, nx)


@kernel()
def _smooth_across(memory: Any, pitch: int, z: Any, ny: int, taps: Any, out: Any, nx: int) -> None:
    """Smooth along z: planes have `ny` rows, `pitch` apart in `memory`; those of `out` follow each other."""
    nz = z.place.size - 2 * (taps.size - 1)
    for j in range(ny):
        for k in range(nz):
            o = uintp(k * ny + j) * uintp(nx)
            smooth_row(out, o, memory, z.place, k, uintp(ny * pitch), uintp(j * pitch), taps, nx)
