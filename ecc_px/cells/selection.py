"""Which objects are cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.cells.crowding import MOST, Crowding
from ecc_px.cells.diameter import TypicalCell
from ecc_px.cells.objects import Objects
from ecc_px.cells.packing import PackedObjects
from ecc_px.cells.runs import STEPS
from ecc_px.errors import InvalidSetting
from ecc_px.volumes.volume import VoxelUm


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


EVIDENCE, ROUNDNESS = 9.0, 3.5
"""An object is certain if `EVIDENCE` × its size × its odds is above its elongation to the power of `ROUNDNESS`.

Found with a logistic regression of true against false cells of synthetic brains, seeds below 1000, and rounded."""

LEAST_SHARE = 0.2
"""Of the typical cell's volume: what a cell's probabilities must sum up to, where voxels are small."""

LOST_EDGE = 0.5
"""How much of a large voxel's edge a small cell loses of its diameter, because it fills its outer voxels in part."""

HALF_VOXEL = 0.25
"""Square of half a voxel: added to the spread along each axis, since of a few voxels nobody knows how long they are."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for an object to be a cell: its size, the probability of its voxels, and that it is no thread.

    Parameters
    ----------
    cell : TypicalCell
    voxel_um : (z, y, x) µm
    flat : bool
        The image is a single plane.
    probability_units : int
        Units of `Objects.probability_sum` that make a probability of 1.
    """

    cell: TypicalCell
    voxel_um: VoxelUm
    flat: bool
    probability_units: int

    def of(self, objects: Objects) -> npt.NDArray[np.float64]:
        """(n,) the evidence for each object: above 1, it is a cell wherever it lies; 0 for what is too small."""
        probability = objects.probability_sum / self.probability_units
        mean = np.minimum(probability / objects.voxels, 1.0)
        size = probability / self._voxels_of_cell
        weight = EVIDENCE * size * mean / (1.01 - mean)
        large_enough = size >= self._least_size
        evidence = np.zeros(len(objects))
        evidence[large_enough] = weight[large_enough] / self._elongation(objects.take(large_enough)) ** ROUNDNESS
        return evidence

    @property
    def _voxels_of_cell(self) -> float:
        _, y, x = self.voxel_um
        if self.flat:
            return math.pi / 4 * self.cell.diameter_um**2 / (y * x)
        return math.pi / 6 * self.cell.diameter_um**3 / math.prod(self.voxel_um)

    @property
    def _least_size(self) -> float:
        _, y, x = self.voxel_um
        edge = math.sqrt(y * x) if self.flat else math.cbrt(math.prod(self.voxel_um))
        left = max(0.0, 1 - LOST_EDGE * edge / self.cell.diameter_um)
        return LEAST_SHARE * left ** (2 if self.flat else 3)

    def _elongation(self, objects: Objects) -> npt.NDArray[np.float64]:
        """Longest over shortest half-axis, where a typical cell is a ball."""
        z, y, x = (float(um / spread) for um, spread in zip(self.voxel_um, self.cell.spread_um, strict=True))
        return objects.elongation((z, y, x), blur=HALF_VOXEL, flat=self.flat)


class Sorting:
    """Objects as they are found, the cells among them kept and the others counted.

    Parameters
    ----------
    selection : Selection
    evidence : Evidence, optional
        Default: none is asked for.
    crowding : Crowding, optional
        Counts the certain cells, and makes doubtful objects cells where there are many. Default: they are none.

    Attributes
    ----------
    cells : PackedObjects
        Until `finish`, doubtful objects are among them.
    components, too_small_or_faint, too_large : int
    """

    def __init__(
        self, selection: Selection, evidence: Evidence | None = None, crowding: Crowding | None = None
    ) -> None:
        self._selection = selection
        self._evidence = evidence
        self._crowding = crowding
        self.cells = PackedObjects()
        self.components = self.too_small_or_faint = self.too_large = 0

    def add(self, objects: Objects) -> None:
        """Take in objects whose components are complete."""
        if not len(objects):
            return
        small, large = self._selection.too_small(objects), self._selection.too_large(objects)
        if self._evidence is not None:
            evidence = self._evidence.of(objects)
            if self._crowding is not None:
                self._crowding.add(objects.take((evidence > 1) & ~small & ~large))
            small |= evidence * (1 if self._crowding is None else MOST) <= 1
        self.components += len(np.unique(objects.component))
        self.too_small_or_faint += int(small.sum())
        self.too_large += int((large & ~small).sum())
        self.cells.add(objects.take(~(small | large)))

    def finish(self) -> None:
        """Leave out the doubtful objects that do not lie among many cells: all objects are there now."""
        evidence, crowding = self._evidence, self._crowding
        if evidence is None or crowding is None:
            return
        odds, before = crowding.odds(), len(self.cells)
        self.cells.keep(lambda objects: evidence.of(objects) * crowding.of(objects, odds) > 1)
        self.too_small_or_faint += before - len(self.cells)
