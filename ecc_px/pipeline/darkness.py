"""Which voxels of a block need no computing, because all that their features could see is darker than somebody said."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ecc_px.volumes.blocks import Block, Shape


def seen_bright(image: npt.NDArray[Any], block: Block, halo: Shape, below: float) -> npt.NDArray[np.bool_] | None:
    """Whether a voxel of the core has one within `halo`, itself included, that is not below a value.

    What is not seen is the same for any cut into blocks.

    Parameters
    ----------
    image : (c, z, y, x)
        The voxels `block.outer`; a voxel is bright if it is in any channel. What is no number is bright.
    block : Block
    halo : (z, y, x)
        How far features reach.
    below : float

    Returns
    -------
    bool of the core's shape, or None where it is True everywhere
    """
    bright = np.any(~(image < below), axis=0)
    if not bright.any():
        return np.zeros([part.stop - part.start for part in block.core], bool)
    if _every_cell_has_one(bright, halo):
        return None
    seen = bright.view(np.uint8)
    for axis, reach in enumerate(halo):
        if reach:
            seen = ndimage.maximum_filter1d(seen, 2 * reach + 1, axis, mode="constant", cval=0)
    core = seen[block.core_in_outer].astype(bool)
    return None if core.all() else core


def _every_cell_has_one(bright: npt.NDArray[np.bool_], halo: Shape) -> bool:
    """A window of 2 · halo + 1 voxels holds a cell of halo voxels whole: a quick way to know that all is seen."""
    for axis, reach in enumerate(halo):
        bright = np.logical_or.reduceat(bright, np.arange(0, bright.shape[axis], max(reach, 1)), axis)
    return bool(bright.all())
