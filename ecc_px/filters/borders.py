"""Where a filter finds its neighbours: inside of the array at hand, or mirrored at the volume's border."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Reach(NamedTuple):
    """The neighbours of an output interval along one axis.

    `place[radius + j]` is the place, in the array at hand, of the neighbour that lies `j` voxels after the first
    output voxel. Entries `first` to `last` lie inside of the volume and count up by one; those around them are
    mirrored at the border without repeating the border voxel (d c b | a b c d | c b a).
    """

    place: npt.NDArray[np.int64]
    first: int
    last: int


def reach(output: slice, source: slice, extent: int, radius: int) -> Reach:
    """Neighbours of the voxels `output` up to `radius`, in an array that holds the voxels `source` of an axis.

    `source` must hold everything within `radius` of `output` that lies in the volume (of `extent` voxels).
    """
    coordinate = np.arange(output.start - radius, output.stop + radius)
    inside = np.flatnonzero((coordinate >= 0) & (coordinate < extent))
    place = mirror(coordinate, extent) - source.start
    return Reach(place.astype(np.int64), int(inside[0]), int(inside[-1]) + 1)


def mirror(coordinate: npt.NDArray[Any], extent: int) -> npt.NDArray[Any]:
    """Coordinates outside of 0 … extent − 1, reflected back with period 2·extent − 2."""
    if extent == 1:
        return np.zeros_like(coordinate)
    folded = np.abs(coordinate) % (2 * extent - 2)
    return np.where(folded < extent, folded, 2 * extent - 2 - folded)


def grow(region: slice, radius: int, extent: int) -> slice:
    """An interval with `radius` more voxels on either side, clipped at the volume's border."""
    return slice(max(0, region.start - radius), min(extent, region.stop + radius))
