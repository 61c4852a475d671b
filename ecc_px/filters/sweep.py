"""All filters of one scale, from one sweep along z over an image that was smoothed along x.

A tile of few rows is swept at a time: its planes are smoothed along y into a ring, the ring along z; what comes out is
derived along x and y into a second ring, and that along z into the features. So everything on its way from image to
features stays in second-level cache. Four planes are made at a time, because nearly the same ones are read for each.

No step knows of the volume's border: the image reaches beyond it, mirrored, and what is made of a mirrored image is
mirrored, to the bit, because each sum adds the neighbours before and after a voxel to each other first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.derivatives import (
    PRODUCTS,
    RADIUS,
    Channels,
    DerivativeScale,
    derive_plane,
    finish_2d,
    finish_3d,
    smooth_plane,
)
from ecc_px.filters.gaussian import HalfKernel
from ecc_px.filters.lanes import LANES
from ecc_px.filters.rows import smooth_row, smooth_rows
from ecc_px.filters.scratch import scratch

ROWS, FLAT_ROWS, WIDTH = 16, 64, 128
"""Rows of a tile, in 3-D and in 2-D, and voxels of a row."""

TOGETHER = 4
"""Planes that are made at a time."""

HELD = 2 * RADIUS + TOGETHER
"""Planes of products that these are made from."""


@kernel()
def whole_vectors(n: int) -> int:
    """Voxels that a row of `n` takes in memory: rows begin at a line of cache, and vector loops have no rest."""
    return (n + LANES - 1) // LANES * LANES


def smooth_along_x(image: npt.NDArray[np.float32], taps: HalfKernel, out: npt.NDArray[np.float32]) -> None:
    """Smooth rows, which hold the neighbours of the first and the last output.

    Parameters
    ----------
    image : (z, y, x + 2 · radius) float32
        Contiguous along x.
    taps : half kernel
    out : (z, y, pitch) float32, C-contiguous
        Its rows' first x voxels are written.
    """
    n = image.shape[2] - 2 * (len(taps) - 1)
    _smooth_along_x(_line(image), _distances(image)[:2], taps, _line(out), out.shape, n)


def filter_scale(
    image: npt.NDArray[np.float32],
    presmoothing: HalfKernel,
    scale: DerivativeScale,
    channels: Channels,
    out: npt.NDArray[np.float32],
    *,
    in_2d: bool = False,
) -> None:
    """Write the wanted filters into their channels of `out`.

    Parameters
    ----------
    image : (z, y, pitch) float32
        What `smooth_along_x` made: everything within ``len(presmoothing) - 1 + RADIUS`` of the output along z and y
        (in_2d: along y), and within `RADIUS` along x. A row takes `whole_vectors` in memory.
    presmoothing : half kernel
        Of the first smoothing, which goes on along y and z.
    out : (channel, z, y, x) float32
        Contiguous along x.
    """
    tile = _Tile(min(out.shape[2], FLAT_ROWS if in_2d else ROWS), min(out.shape[3], WIDTH))
    work = scratch("a tile on its way", _floats_of(tile, len(presmoothing) - 1, in_2d))
    _sweep(
        _line(image),
        _distances(image)[:2],
        presmoothing,
        scale.taps(),
        channels,
        in_2d,
        work,
        _line(out),
        _distances(out)[:3],
        out.shape[1:],
    )


def _line(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An array's memory from its first voxel to its last, with what lies between."""
    span = 1 + sum((n - 1) * step for n, step in zip(array.shape, _distances(array), strict=True))
    return np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,))


def _distances(array: npt.NDArray[np.float32]) -> tuple[int, ...]:
    """Voxels of memory from one index to the next along each axis."""
    return tuple(stride // array.itemsize for stride in array.strides)


class _Tile(NamedTuple):
    height: int
    width: int


@kernel()
def _sides_of(tile: Any) -> Any:
    """Of a tile in memory: pitch and size of a smoothed plane, with its neighbours; pitch and size of a product's.

    Sizes are no multiple of 4096 bytes, after which a first-level cache begins again.
    """
    wide, narrow = whole_vectors(tile.width + 2 * RADIUS), whole_vectors(tile.width)
    return wide, (tile.height + 2 * RADIUS) * wide + LANES, narrow, tile.height * narrow + LANES


def _floats_of(tile: _Tile, radius: int, in_2d: bool) -> int:
    """Memory for a tile: the ring of smoothed planes, those smoothed along z, the ring of products, a row's tensors."""
    _, smoothed, pitch, product = _sides_of(tile)
    planes, held = (1, 1) if in_2d else (2 * radius + 2 * TOGETHER, HELD)
    return int(planes * smoothed + held * PRODUCTS * product + TOGETHER * 6 * pitch)


@kernel()
def _smooth_along_x(image: Any, distances: Any, taps: Any, out: Any, shape: Any, n: int) -> None:
    planes, rows, pitch = shape
    steps = np.arange(2 * taps.size - 1)
    for k in range(planes):
        for j in range(rows):
            row = uintp(k * distances[0] + j * distances[1])
            smooth_row(out, uintp((k * rows + j) * pitch), image, steps, 0, uintp(1), row, taps, n)


@kernel()
def _sweep(
    image: Any,
    distances: Any,
    presmoothing: Any,
    taps: Any,
    channels: Any,
    in_2d: bool,
    work: Any,
    out: Any,
    out_distances: Any,
    shape: Any,
) -> None:
    """Tile by tile; `distances` are those of planes and rows, `out_distances` also of channels."""
    nz, ny, nx = shape
    tall = FLAT_ROWS if in_2d else ROWS
    channel, plane, row = uintp(out_distances[0]), uintp(out_distances[1]), uintp(out_distances[2])
    for left in range(0, nx, WIDTH):
        for top in range(0, ny, tall):
            tile = _Tile(min(tall, ny - top), min(WIDTH, nx - left))
            first = uintp(top * distances[1] + left)
            to = uintp(top * out_distances[2] + left)
            if in_2d:
                _sweep_2d(
                    image,
                    first,
                    distances,
                    presmoothing,
                    taps,
                    channels,
                    tile,
                    work,
                    out,
                    to,
                    (channel, plane, row),
                    nz,
                )
            else:
                _sweep_3d(
                    image,
                    first,
                    distances,
                    presmoothing,
                    taps,
                    channels,
                    tile,
                    work,
                    out,
                    to,
                    (channel, plane, row),
                    nz,
                )


@kernel()
def _sweep_3d(
    image: Any,
    first: Any,
    distances: Any,
    presmoothing: Any,
    taps: Any,
    channels: Any,
    tile: Any,
    work: Any,
    out: Any,
    to: Any,
    out_distances: Any,
    planes: int,
) -> None:
    radius = presmoothing.size - 1
    rows = tile.height + 2 * RADIUS
    wide, plane_size, narrow, product_size = _sides_of(tile)
    slots = 2 * radius + TOGETHER
    smoothed = work[slots * plane_size :]
    products = smoothed[TOGETHER * plane_size :]
    tensor = products[HELD * PRODUCTS * product_size :]
    steps = np.arange(rows + 2 * radius)
    slot = np.empty(slots, np.int64)
    filled = 0
    for begin in range(0, planes + 2 * RADIUS, TOGETHER):
        some = min(TOGETHER, planes + 2 * RADIUS - begin)
        while filled < begin + some + 2 * radius:
            o, p = uintp(filled % slots * plane_size), first + uintp(filled * distances[0])
            smooth_rows(work, o, uintp(wide), rows, image, steps, 0, uintp(distances[1]), p, presmoothing, wide)
            filled += 1
        for i in range(slots):
            slot[i] = (begin + i) % slots
        n, size = rows * wide, uintp(plane_size)
        smooth_rows(smoothed, uintp(0), size, some, work, slot, 0, size, uintp(0), presmoothing, n)
        for i in range(some):
            o = uintp((begin + i) % HELD * PRODUCTS * product_size)
            _derive(smoothed, uintp(i * plane_size), wide, taps, channels, products, o, product_size, narrow, tile)
        if begin > 0:
            # The four planes before these have all their neighbours now.
            done = begin - TOGETHER
            eight = (
                _of_product(done, product_size),
                _of_product(done + 1, product_size),
                _of_product(done + 2, product_size),
                _of_product(done + 3, product_size),
                _of_product(done + 4, product_size),
                _of_product(done + 5, product_size),
                _of_product(done + 6, product_size),
                _of_product(done + 7, product_size),
            )
            o = to + uintp(done) * out_distances[1]
            step, pitch = uintp(product_size), uintp(narrow)
            finish_3d(
                products,
                eight,
                step,
                pitch,
                taps,
                channels,
                tensor,
                out,
                o,
                out_distances,
                some,
                tile.height,
                tile.width,
            )


@kernel(forceinline=True)
def _of_product(plane: int, size: int) -> Any:
    """Where the products of a plane begin in their ring."""
    return uintp(plane % HELD * PRODUCTS * size)


@kernel()
def _sweep_2d(
    image: Any,
    first: Any,
    distances: Any,
    presmoothing: Any,
    taps: Any,
    channels: Any,
    tile: Any,
    work: Any,
    out: Any,
    to: Any,
    out_distances: Any,
    planes: int,
) -> None:
    rows = tile.height + 2 * RADIUS
    wide, plane_size, narrow, product_size = _sides_of(tile)
    products = work[plane_size:]
    tensor = products[PRODUCTS * product_size :]
    steps = np.arange(rows + 2 * presmoothing.size - 2)
    for k in range(planes):
        p = first + uintp(k * distances[0])
        smooth_rows(work, uintp(0), uintp(wide), rows, image, steps, 0, uintp(distances[1]), p, presmoothing, wide)
        _derive(work, uintp(0), wide, taps, channels, products, uintp(0), product_size, narrow, tile)
        o, step = to + uintp(k) * out_distances[1], uintp(product_size)
        finish_2d(products, step, uintp(narrow), channels, tensor, out, o, out_distances, tile.height, tile.width)


@kernel()
def _derive(
    plane: Any,
    p: Any,
    pitch: int,
    taps: Any,
    channels: Any,
    out: Any,
    o: Any,
    step: int,
    out_pitch: int,
    tile: Any,
) -> None:
    """The products that the filters need: only one if they only smooth."""
    if max(channels.difference, channels.gradient_magnitude, channels.laplacian, channels.hessian) >= 0:
        derive_plane(plane, p, uintp(pitch), taps, out, o, uintp(step), uintp(out_pitch), tile.height, tile.width)
    else:
        smooth_plane(plane, p, uintp(pitch), taps, out, o, uintp(out_pitch), tile.height, tile.width)
