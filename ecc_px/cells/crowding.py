"""How crowded it is around an object: the more cells are certain there, the likelier a doubtful object is one, too."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import Objects
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import VoxelUm

CUBE_UM = 100.0
"""Edge of the cubes in which cells are counted; a cube's surroundings are itself and the 26 around it."""

SPARSE_PER_MM3 = 6000.0
"""Certain cells per mm³ up to which nothing is the likelier for its surroundings."""

MOST = 10.0
"""Nothing is more than so many times as likely for its surroundings: there are no denser brains to learn it from."""


class Crowding:
    """Certain cells, counted in cubes of a fixed grid: the same numbers for any cut of the volume.

    Parameters
    ----------
    shape : (z, y, x)
        The volume's, in voxels.
    voxel_um : (z, y, x) µm
    """

    def __init__(self, shape: Shape, voxel_um: VoxelUm) -> None:
        self._voxel_um = np.array(voxel_um, np.float64)
        self._edge_um = np.maximum(CUBE_UM, self._voxel_um)
        self._extent_um = np.array(shape) * self._voxel_um
        z, y, x = (math.ceil(n) for n in (self._extent_um / self._edge_um).tolist())
        self._counts = np.zeros((z, y, x), np.int64)

    def add(self, cells: Objects) -> None:
        """Count certain cells."""
        np.add.at(self._counts, self._cubes(cells), 1)

    def odds(self) -> npt.NDArray[np.float64]:
        """Of each cube: how many times as likely as in a sparse region an object in it is a cell, from 1 to `MOST`.

        The density of certain cells in the cube and those around it, as far as the volume goes, relative to
        `SPARSE_PER_MM3`. One cell in the volume that holds one where they are sparse is added to what was counted: a
        few cells in a small volume are no proof of a dense one.
        """
        count, volume = self._counts.astype(np.float64), np.ones((1, 1, 1))
        for axis, cubes in enumerate(self._counts.shape):
            start = np.arange(cubes) * self._edge_um[axis]
            length = np.minimum(start + self._edge_um[axis], self._extent_um[axis]) - start
            along = [1, 1, 1]
            along[axis] = cubes
            count, volume = _of_three(count, axis), volume * _of_three(length, 0).reshape(along)
        expected = volume * 1e-9 * SPARSE_PER_MM3
        return np.clip((count + 1) / (expected + 1), 1.0, MOST)

    def of(self, objects: Objects, odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(n,) the odds of the cubes that the objects' centres lie in."""
        return odds[self._cubes(objects)]

    def _cubes(self, objects: Objects) -> tuple[npt.NDArray[np.int64], ...]:
        places = ((objects.centre + 0.5) * self._voxel_um / self._edge_um).astype(np.int64)
        return tuple(np.minimum(places, np.array(self._counts.shape) - 1).T)


def _of_three(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Each value and its two neighbours along an axis summed up."""
    moved = np.moveaxis(values, axis, 0)
    out = moved.copy()
    out[1:] += moved[:-1]
    out[:-1] += moved[1:]
    return np.moveaxis(out, 0, axis)
