"""Where touching cells part: a response that is highest in the middle of a cell, and when two summits are one cell.

========  ==============================================================================================
method    response
========  ==============================================================================================
auto      G(σ)·a − 1.3 · G(2σ)·a with σ = 0.19 diameters and a = √(probability × raw); a summit joins a stronger
          one within a diameter if 0.85 of its own response is kept on the way
distance  distance to the background, at most a diameter, smoothed with σ = 0.1 diameters; the same rule
maxima    the raw intensity itself; a summit joins any brighter one within half a diameter of the same object:
          ecc's local maxima, made deterministic
========  ==============================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from ecc_px.cells.climbing import Basins, JoiningRule, basins_of
from ecc_px.cells.numbering import place_in
from ecc_px.filters.borders import grow
from ecc_px.filters.gaussian import HalfKernel, smoothing_taps
from ecc_px.filters.separable import smooth
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import VoxelUm

Split = Literal["auto", "none", "maxima", "distance"]

NARROW, DISTANCE_SMOOTHING = 0.19, 0.1
"""Standard deviations in diameters: of the narrower Gaussian of the difference, and of the smoothed distance."""

SURROUND = np.float32(1.3)
"""Weight of the wider Gaussian: above 1, so that cells whose light runs together part sooner."""

WINDOW = 3.0
"""Gaussians are cut off at so many standard deviations."""

DISTANCE_STEPS = 1024
"""Distances are rounded to so many parts of a µm."""

KEPT_SHARE = 0.85
"""Of a summit's response that must be kept on the way to the summit that it joins."""

LEAST_SHARE = 0.25
"""Of a ball of the cells' diameter: what a cell's probabilities must sum up to."""

Kernels = tuple[HalfKernel, HalfKernel, HalfKernel]


@dataclass(frozen=True)
class Splitter:
    """How the components of a volume are split.

    Parameters
    ----------
    method : "auto", "maxima" or "distance"
    diameter_um : float
        Of a cell.
    voxel_um : (z, y, x) µm
    shape : (z, y, x)
        The volume's.
    """

    method: Split
    diameter_um: float
    voxel_um: VoxelUm
    shape: Shape

    @cached_property
    def rule(self) -> JoiningRule:
        if self.method == "maxima":
            return JoiningRule(self.diameter_um / 2, -math.inf)
        return JoiningRule(self.diameter_um, KEPT_SHARE)

    @cached_property
    def reach(self) -> Shape:
        """Voxels around a block that its summits may join, and one for the neighbours of those."""
        z, y, x = (math.floor(self.rule.reach_um * (1 + 1e-6) / size) + 1 for size in self.voxel_um)
        return z, y, x

    @cached_property
    def halo(self) -> Shape:
        """Voxels around a block that its basins depend on."""
        kernels = self._kernels[-1] if self._kernels else (np.zeros(1, np.float32),) * 3
        further = [len(taps) - 1 for taps in kernels]
        if self.method == "distance":
            further = [f + math.ceil(self.diameter_um / size) for f, size in zip(further, self.voxel_um, strict=True)]
        z, y, x = (r + f for r, f in zip(self.reach, further, strict=True))
        return z, y, x

    @property
    def least_probability(self) -> float:
        """The sum of probabilities, in voxels, that makes a cell."""
        if self.shape[0] == 1:
            return LEAST_SHARE * math.pi / 4 * self.diameter_um**2 / (self.voxel_um[1] * self.voxel_um[2])
        return LEAST_SHARE * math.pi / 6 * self.diameter_um**3 / math.prod(self.voxel_um)

    @cached_property
    def _kernels(self) -> tuple[Kernels, ...]:
        """Kernels along z, y, x of every Gaussian, the widest last."""
        if self.method == "maxima":
            return ()
        sigmas = (NARROW, 2 * NARROW) if self.method == "auto" else (DISTANCE_SMOOTHING,)
        return tuple(self._taps(sigma * self.diameter_um) for sigma in sigmas)

    def _taps(self, sigma_um: float) -> Kernels:
        z, y, x = (smoothing_taps(sigma_um / size, WINDOW) for size in self.voxel_um)
        return z, y, x

    def basins(
        self,
        foreground: npt.NDArray[np.bool_],
        probability: npt.NDArray[np.float32],
        raw: npt.NDArray[Any],
        outer: Region,
        core: Region,
    ) -> Basins:
        """Basins of a block.

        Parameters
        ----------
        foreground, probability, raw : (z, y, x)
            Of the region `outer`: the core and its halo, as far as the volume goes.
        outer, core : Region
            In the volume.
        """
        z, y, x = (grow(side, r, n) for side, r, n in zip(core, self.reach, self.shape, strict=True))
        field = (z, y, x)
        crop = place_in(field, outer)
        if self.method == "maxima":
            response = raw[crop].astype(np.float32)
        elif self.method == "auto":
            weighted = np.sqrt(probability * np.maximum(raw, 0).astype(np.float32))
            narrow, wide = (smooth(weighted, outer, field, self.shape, taps) for taps in self._kernels)
            response = narrow - SURROUND * wide
        else:
            response = smooth(self._distance(foreground), outer, field, self.shape, self._kernels[0])
        corner = (z.start, y.start, x.start)
        return basins_of(
            response, foreground[crop], place_in(core, field), corner, self.shape, self.voxel_um, self.rule
        )

    def _distance(self, foreground: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Distance to the background in µm, at most a diameter: what lies beyond the halo has no say."""
        if foreground.all():
            return np.full(foreground.shape, self.diameter_um, np.float32)
        distance = np.minimum(distance_transform_edt(foreground, sampling=self.voxel_um), self.diameter_um)
        # Of equally near voxels, which one is taken depends on the block, and the last bits of the distance with it.
        return (np.rint(distance * DISTANCE_STEPS) / DISTANCE_STEPS).astype(np.float32)
