"""How large a cell is, and how long along z, learnt from the connected components of the volume itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import Objects
from ecc_px.volumes.volume import VoxelUm

LEAST_FILL = 0.8
"""Volume of a single cell, at least, relative to the ellipsoid with its second moments: a cluster fills less of it."""

MOST_ELONGATED = 4.0
"""Longest over shortest half-axis of a single cell, at most: beyond are neurites and vessels."""

BLURRED_EDGE = 0.25
"""How far the foreground reaches beyond a cell on every side, in voxels (measured on synthetic brains)."""

ENOUGH = 20
"""Components that look like single cells; with fewer, a cell is taken for a ball."""

BALL = 2 * math.sqrt(5)
"""Diameter of a ball in standard deviations of its voxels along an axis."""


@dataclass(frozen=True)
class TypicalCell:
    """A single cell of a volume.

    Parameters
    ----------
    diameter_um : float
        Of the ball (in a flat image: the disc) that is as large.
    spread_um : (z, y, x) µm
        Standard deviation of its voxels along each axis, each voxel taken for the cube that it is.
    """

    diameter_um: float
    spread_um: VoxelUm

    @property
    def length_along_z(self) -> float:
        """Relative to its extent along y and x. Optics blur along z, and a brain's voxel size may be wrong there."""
        return self.spread_um[0] / math.sqrt(self.spread_um[1] * self.spread_um[2])


class Shapes:
    """What the typical cell of a volume is learnt from, of connected components as they are found, in any order.

    Parameters
    ----------
    voxel_um : (z, y, x) µm
    flat : bool
        The image is a single plane.
    """

    def __init__(self, voxel_um: VoxelUm, *, flat: bool) -> None:
        self._voxel_um, self._flat = voxel_um, flat
        nothing = np.zeros(0, np.int64)
        self._voxels = [nothing]
        self._single_voxels = [nothing]
        self._whole_voxels = [nothing]
        self._spread_um = [np.zeros((0, 3))]

    def add(self, components: Objects) -> None:
        """Take in components of which nothing is missing."""
        if not len(components):
            return
        whole = components.take(components.fill > LEAST_FILL)
        # Copies: a view of one number would keep all 27 of each component.
        self._voxels.append(components.voxels.copy())
        self._single_voxels.append(whole.voxels[whole.elongation(self._voxel_um) < MOST_ELONGATED])
        self._whole_voxels.append(whole.voxels.copy())
        self._spread_um.append(np.sqrt(whole.covariance[:, :3]) * self._voxel_um)

    def typical_cell(self, diameter_um: float | None = None) -> TypicalCell:
        """What most single cells of the volume are like.

        Half of the volume of all components that look like a single cell belongs to smaller ones, half to larger ones:
        specks, however many they are, have no weight.

        Parameters
        ----------
        diameter_um : float, optional
            As given by a person.
        """
        diameter = diameter_um or self._diameter()
        voxels = np.concatenate(self._whole_voxels)
        if self._flat or len(voxels) < ENOUGH:
            return TypicalCell(diameter, (diameter / BALL,) * 3)
        z, y, x = (_weighted_median(np.concatenate([s[:, k] for s in self._spread_um]), voxels) for k in range(3))
        return TypicalCell(diameter, (z, y, x))

    def _diameter(self) -> float:
        """Of the ball or disc."""
        flat, (depth, height, width) = self._flat, self._voxel_um
        size = math.sqrt(height * width) if flat else math.cbrt(depth * height * width)
        single = np.concatenate(self._single_voxels)
        voxels = single if len(single) else np.concatenate(self._voxels)
        if not len(voxels):
            return size
        typical = int(_weighted_median(voxels, voxels))
        edges = math.sqrt(4 / math.pi * typical) if flat else math.cbrt(6 / math.pi * typical)
        return size * max(edges - 2 * BLURRED_EDGE, 1.0)


def _weighted_median(values: npt.NDArray[np.float64 | np.int64], weights: npt.NDArray[np.int64]) -> float:
    order = np.argsort(values, kind="stable")
    return float(values[order][np.searchsorted(2 * np.cumsum(weights[order]), weights.sum())])
