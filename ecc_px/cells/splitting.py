"""Where touching cells part: a response that is highest in the middle of a cell, and when two summits are one cell.

========  ==============================================================================================
method    response
========  ==============================================================================================
auto      least concavity (`ecc_px.cells.concavity`) of a = √(probability × raw), 0 in the background (a probability
          of at most 0.25), smoothed with σ = 0.2 diameters, along z as much more as a typical cell is longer there; a
          summit joins a stronger one within a diameter if half of its own response is kept on the way
distance  distance to the background, at most a diameter, smoothed with σ = 0.1 diameters; a summit joins a stronger
          one within a diameter if 0.85 of its own response is kept on the way
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
from ecc_px.cells.concavity import least_concavity
from ecc_px.cells.diameter import TypicalCell
from ecc_px.cells.numbering import place_in
from ecc_px.compiling import kernel
from ecc_px.filters.borders import grow
from ecc_px.filters.gaussian import HalfKernel, smoothing_taps
from ecc_px.filters.scratch import scratch
from ecc_px.filters.separable import smooth
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import VoxelUm

Split = Literal["auto", "none", "maxima", "distance"]

SMOOTHING, DISTANCE_SMOOTHING = 0.2, 0.1
"""Standard deviations of the Gaussians, in diameters: of `auto`, and of the smoothed distance."""

WINDOW = 3.0
"""Gaussians are cut off at so many standard deviations."""

DISTANCE_STEPS = 1024
"""Distances are rounded to so many parts of a µm."""

KEPT_SHARE, KEPT_DISTANCE = 0.5, 0.85
"""Of a summit's response that must be kept on the way to the summit that it joins: of `auto`, of the distance."""

Kernels = tuple[HalfKernel, HalfKernel, HalfKernel]


@dataclass(frozen=True)
class Splitter:
    """How the components of a volume are split.

    Parameters
    ----------
    method : "auto", "maxima" or "distance"
    cell : TypicalCell
    voxel_um : (z, y, x) µm
    shape : (z, y, x)
        The volume's.
    """

    method: Split
    cell: TypicalCell
    voxel_um: VoxelUm
    shape: Shape

    @cached_property
    def rule(self) -> JoiningRule:
        if self.method == "maxima":
            return JoiningRule(self.cell.diameter_um / 2, -math.inf)
        return JoiningRule(self.cell.diameter_um, KEPT_SHARE if self.method == "auto" else KEPT_DISTANCE)

    @cached_property
    def voxel(self) -> VoxelUm:
        """The voxel size to measure with: to `auto`, the one in which a typical cell is as long along z as across."""
        z, y, x = self.voxel_um
        return (z / self.cell.length_along_z if self.method == "auto" else z), y, x

    @cached_property
    def reach(self) -> Shape:
        """Voxels around a block that its summits may join, and one for the neighbours of those."""
        z, y, x = (math.floor(self.rule.reach_um * (1 + 1e-6) / size) + 1 for size in self.voxel)
        return z, y, x

    @cached_property
    def halo(self) -> Shape:
        """Voxels around a block that its basins depend on."""
        further = [len(taps) - 1 for taps in self._kernels] if self._kernels else [0, 0, 0]
        if self.method == "auto":
            further = [f + 1 for f in further]
        if self.method == "distance":
            steps = (math.ceil(self.cell.diameter_um / size) for size in self.voxel)
            further = [f + step for f, step in zip(further, steps, strict=True)]
        z, y, x = (r + f for r, f in zip(self.reach, further, strict=True))
        return z, y, x

    @cached_property
    def _kernels(self) -> Kernels | None:
        """Of the Gaussian along z, y, x."""
        if self.method == "maxima":
            return None
        return self._taps((SMOOTHING if self.method == "auto" else DISTANCE_SMOOTHING) * self.cell.diameter_um)

    def _taps(self, sigma_um: float) -> Kernels:
        z, y, x = (smoothing_taps(sigma_um / size, WINDOW) for size in self.voxel)
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
        if self._kernels is None:
            response = raw[crop].astype(np.float32)
        elif self.method == "auto":
            response = self._concavity(brightness(probability, raw), foreground, outer, field, self._kernels)
        else:
            response = smooth(self._distance(foreground), outer, field, self.shape, self._kernels)
        if self.method != "auto":
            response = np.where(foreground[crop], response, np.float32(-np.inf))
        corner = (z.start, y.start, x.start)
        return basins_of(response, foreground[crop], place_in(core, field), corner, self.shape, self.voxel, self.rule)

    def _concavity(
        self,
        image: npt.NDArray[np.float32],
        foreground: npt.NDArray[np.bool_],
        outer: Region,
        field: Region,
        kernels: Kernels,
    ) -> npt.NDArray[np.float32]:
        """Least concavity of the smoothed image in the region `field`; −inf in the background."""
        z, y, x = (grow(side, 1, n) for side, n in zip(field, self.shape, strict=True))
        around = (z, y, x)
        memory = scratch("smoothed brightness", *(side.stop - side.start for side in around))
        smoothed = smooth(image, outer, around, self.shape, kernels, out=memory)
        in_around = place_in(field, around)
        first = (in_around[0].start, in_around[1].start, in_around[2].start)
        return least_concavity(smoothed, foreground[place_in(field, outer)], self.voxel, first)

    def _distance(self, foreground: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Distance to the background in µm, at most a diameter: what lies beyond the halo has no say."""
        if foreground.all():
            return np.full(foreground.shape, self.cell.diameter_um, np.float32)
        distance = np.minimum(distance_transform_edt(foreground, sampling=self.voxel_um), self.cell.diameter_um)
        # Of equally near voxels, which one is taken depends on the block, and the last bits of the distance with it.
        return (np.rint(distance * DISTANCE_STEPS) / DISTANCE_STEPS).astype(np.float32)


def brightness(probability: npt.NDArray[np.float32], raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """√(probability × raw), of negative intensities 0; valid until this thread calls again."""
    out = scratch("brightness", *raw.shape)
    _brightness(probability.ravel(), raw.ravel(), out.ravel())
    return out


@kernel()
def _brightness(probability: Any, raw: Any, out: Any) -> None:
    for n in range(len(out)):
        out[n] = np.sqrt(probability[n] * max(np.float32(raw[n]), np.float32(0)))
