"""Maximum projections of volumes that don't fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.volumes import Volume
from ecc_px.volumes.blocks import Shape, blocks_of

PIECE_BYTES = 128 * 2**20
"""Whole planes are read at once while a chunk's depth of them needs no more than this."""


def maximum_projection(volume: Volume, *, channel: int = 0, longest: int = 1200) -> tuple[npt.NDArray[Any], int]:
    """Largest value along z, and within squares of voxels where the picture would become too large.

    Parameters
    ----------
    volume : Volume
    channel : int
    longest : int
        Pixels that the longer side may have.

    Returns
    -------
    image : (rows, columns) array of the volume's dtype
    step : int
        Voxels along y and along x that became one pixel.
    """
    _, height, width = volume.shape
    step = -(-max(height, width) // longest)
    lowest = -np.inf if volume.dtype.kind == "f" else np.iinfo(volume.dtype).min
    image = np.full((-(-height // step), -(-width // step)), lowest, volume.dtype)
    for block in blocks_of(volume.shape, _piece(volume, step)):
        _, y, x = block.core
        plane = volume.read(block.core, channel=channel)[0].max(axis=0)
        pooled = np.maximum.reduceat(plane, np.arange(0, plane.shape[0], step), axis=0)
        pooled = np.maximum.reduceat(pooled, np.arange(0, plane.shape[1], step), axis=1)
        top, left = y.start // step, x.start // step
        place = image[top : top + pooled.shape[0], left : left + pooled.shape[1]]
        np.maximum(place, pooled, out=place)
    return image, step


def _piece(volume: Volume, step: int) -> Shape:
    """What to read at once: deep as a chunk, so that each is decompressed once; in y and x whole pixels."""
    layout = volume.layout
    depth = layout.chunks[layout.axes.index("z")] if layout.chunks and "z" in layout.axes else 1
    _, height, width = volume.shape
    if depth * height * width * volume.dtype.itemsize <= PIECE_BYTES:
        return depth, height, width
    edge = step * -(-512 // step)
    return depth, edge, edge
