"""How large a cell is, learnt from the connected components of the volume itself."""

from __future__ import annotations

import math

import numpy as np

from ecc_px.cells.objects import Objects
from ecc_px.volumes.volume import VoxelUm

LEAST_FILL = 0.8
"""Volume of a single cell, at least, relative to the ellipsoid with its second moments: a cluster fills less of it."""

MOST_ELONGATED = 4.0
"""Longest over shortest half-axis of a single cell, at most: beyond are neurites and vessels."""

BLURRED_EDGE = 0.25
"""How far the foreground reaches beyond a cell on every side, in voxels (measured on synthetic brains)."""


def estimated_diameter(components: Objects, voxel_um: VoxelUm, *, flat: bool) -> float:
    """Diameter in µm of the ball (in a `flat` image: the disc) that is as large as a typical single cell.

    Half of the volume of all components that look like a single cell belongs to smaller ones, half to larger ones:
    specks, however many they are, have no weight.

    Parameters
    ----------
    components : Objects
        All connected components, in any order.
    voxel_um : (z, y, x) µm
    """
    size = math.sqrt(voxel_um[1] * voxel_um[2]) if flat else math.cbrt(math.prod(voxel_um))
    if not len(components):
        return size
    single = (components.fill > LEAST_FILL) & (components.elongation(voxel_um) < MOST_ELONGATED)
    voxels = np.sort(components.voxels[single] if single.any() else components.voxels)
    typical = int(voxels[np.searchsorted(2 * np.cumsum(voxels), voxels.sum())])
    edges = math.sqrt(4 / math.pi * typical) if flat else math.cbrt(6 / math.pi * typical)
    return size * max(edges - 2 * BLURRED_EDGE, 1.0)
