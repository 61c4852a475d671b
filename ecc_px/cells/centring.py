"""Where the middle of a cell is: the centre of the light in a window as wide as the cell's core.

The centre of mass of a whole object leans towards whatever hangs on to it: a dim neighbour that was not told apart, a
process, the blur of the optics along z. One step of a mean shift takes it back: the light around it, squared, is
weighed with a Gaussian as narrow as the one that tells touching cells apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.diameter import TypicalCell
from ecc_px.cells.objects import LARGEST_FLOAT, Objects
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import VoxelUm

CORE = 0.2
"""Standard deviation of the window in diameters, along z as much more as a typical cell is longer there."""

HALF_VOXEL = 0.25
"""Square of half a voxel, added to the window's variance along each axis: a voxel has light from all of its extent."""

WINDOW = 2.0
"""The window ends at so many standard deviations."""


@dataclass(frozen=True)
class Centring:
    """The window in which a cell's middle is looked for.

    Parameters
    ----------
    sigma : (z, y, x)
        Its standard deviations, in voxels.
    """

    sigma: tuple[float, float, float]

    @classmethod
    def on(cls, cell: TypicalCell, voxel_um: VoxelUm) -> Centring:
        """For cells like this one."""
        lengths = (CORE * cell.diameter_um * cell.length_along_z, CORE * cell.diameter_um, CORE * cell.diameter_um)
        z, y, x = (math.sqrt((um / size) ** 2 + HALF_VOXEL) for um, size in zip(lengths, voxel_um, strict=True))
        return cls((z, y, x))

    @property
    def half(self) -> Shape:
        """Half-width of the window in voxels."""
        z, y, x = (math.ceil(WINDOW * sigma) for sigma in self.sigma)
        return z, y, x

    @property
    def reach(self) -> Shape:
        """Voxels around an object's centre that the window may come to lie on."""
        z, y, x = (2 * half for half in self.half)
        return z, y, x

    def shifts(
        self,
        raw: npt.NDArray[Any],
        objects: Objects,
        corner: npt.NDArray[np.int64],
        background: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        """(n, 3) how far the middle of each object lies from its weighted centroid, in voxels along z, y, x.

        0 where nothing in the window is brighter than the background, and where the weighted centroid is further than
        half a window from the object's `centre`: that is no cell, and has no middle.

        Parameters
        ----------
        raw : (z, y, x)
            All voxels within `reach` of every object's `centre`, as far as the volume goes. What is too large to be
            measured, or NaN, gives no light.
        objects : Objects
        corner : (3,) int64
            The piece's place in the volume.
        background : (n,) float64
            Raw units.
        """
        # Distances are counted from the object's centre, a whole number: those from the corner would round by the cut.
        centre = objects.centre
        start = objects.weighted_centroid(background, raw.dtype) - centre
        low, high = objects.lower - centre, objects.upper - centre
        shifts = np.zeros((len(objects), 3), np.float64)
        half, sigma = np.array(self.half), np.array(self.sigma)
        _shift(raw, centre - corner, start, low, high, background, half, sigma, float(LARGEST_FLOAT), shifts)
        return shifts.astype(np.float32)


@kernel()
def _shift(
    raw: Any, centres: Any, start: Any, low: Any, high: Any, background: Any, half: Any, sigma: Any, largest: float,
    shifts: Any,
) -> None:  # fmt: skip
    middle, first, last = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    weights = np.empty((3, 2 * half.max() + 1))
    moments = np.empty(3)
    for n in range(len(centres)):
        is_near = True
        for axis in range(3):
            middle[axis] = round(start[n, axis])
            is_near &= abs(middle[axis]) <= half[axis]
            first[axis] = max(-half[axis], -centres[n, axis] - middle[axis])
            last[axis] = min(half[axis], raw.shape[axis] - 1 - centres[n, axis] - middle[axis])
        if not is_near:
            continue
        for axis in range(3):
            for step in range(first[axis], last[axis] + 1):
                away = (middle[axis] + step - start[n, axis]) / sigma[axis]
                weights[axis, step + half[axis]] = math.exp(-away * away / 2)
        total = 0.0
        moments[:] = 0.0
        for c in range(first[0], last[0] + 1):
            for b in range(first[1], last[1] + 1):
                z, y, x = centres[n, 0] + middle[0] + c, centres[n, 1] + middle[1] + b, centres[n, 2] + middle[2]
                row = moment = 0.0
                for a in range(first[2], last[2] + 1):
                    value = np.float64(raw[z, y, x + a])
                    # NaN is neither bright nor dark. Without a branch, which no processor could foresee.
                    light = value - background[n] if value > background[n] and value <= largest else 0.0
                    weight = light * light * weights[2, a + half[2]]
                    row += weight
                    moment += weight * a
                row *= weights[0, c + half[0]] * weights[1, b + half[1]]
                total += row
                moments[0] += row * c
                moments[1] += row * b
                moments[2] += moment * weights[0, c + half[0]] * weights[1, b + half[1]]
        if total > 0:
            for axis in range(3):
                place = middle[axis] + moments[axis] / total
                shifts[n, axis] = min(max(place, low[n, axis]), high[n, axis]) - start[n, axis]
