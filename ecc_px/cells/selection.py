"""Which objects are cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import Objects
from ecc_px.cells.runs import STEPS
from ecc_px.errors import InvalidSetting


@dataclass(frozen=True)
class Selection:
    """Neighbourhood and volume of a cell, in voxels, both limits included.

    Parameters
    ----------
    connectivity : 6, 18 or 26
    min_volume, max_volume : int
    """

    connectivity: int = 6
    min_volume: int = 1
    max_volume: int | None = None

    def __post_init__(self) -> None:
        if self.connectivity not in STEPS:
            raise InvalidSetting(f"connectivity {self.connectivity}: choose 6, 18 or 26 neighbours.")
        if self.min_volume < 1:
            raise InvalidSetting(f"min volume {self.min_volume}: an object has at least 1 voxel.")
        if self.max_volume is not None and self.max_volume < self.min_volume:
            raise InvalidSetting(
                f"max volume {self.max_volume} is below min volume {self.min_volume}: no object could be a cell."
            )

    def too_small(self, objects: Objects) -> npt.NDArray[np.bool_]:
        return objects.voxels < self.min_volume

    def too_large(self, objects: Objects) -> npt.NDArray[np.bool_]:
        if self.max_volume is None:
            return np.zeros(len(objects), bool)
        return objects.voxels > self.max_volume


class Sorting:
    """Objects as they are found, the cells among them kept and the others counted.

    Parameters
    ----------
    selection : Selection, optional
        Default: every object is a cell.
    least_probability : float
        Sum of the probabilities of a cell's voxels, in the units of `Objects.probability_sum`.
    """

    def __init__(self, selection: Selection | None = None, least_probability: float = 0.0) -> None:
        self._selection = selection or Selection()
        self._least_probability = least_probability
        self._kept: list[Objects] = []
        self.components = self.too_small = self.too_large = 0

    def add(self, objects: Objects) -> None:
        """Take in objects whose components are complete."""
        small = self._selection.too_small(objects) | (objects.probability_sum < self._least_probability)
        large = self._selection.too_large(objects)
        self.components += len(np.unique(objects.component))
        self.too_small += int(small.sum())
        self.too_large += int((large & ~small).sum())
        self._kept.append(objects.take(~(small | large)))

    def cells(self) -> Objects:
        """What was kept, in raster order."""
        return Objects.concatenated(self._kept).in_raster_order()
