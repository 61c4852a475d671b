"""Where a filter finds its neighbours: inside of the array at hand, or mirrored at the volume's border."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Interval3 = tuple[slice, slice, slice]
"""A box of a volume: one slice along each of (z, y, x)."""


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


def extend(
    image: npt.NDArray[Any],
    source: Interval3,
    output: Interval3,
    extent: tuple[int, int, int],
    margins: tuple[int, int, int],
    out: npt.NDArray[np.float32],
) -> None:
    """Fill `out` with a piece of a volume and so many voxels around it, mirrored beyond the volume's border.

    Parameters
    ----------
    image : (z, y, x), any real dtype
        The voxels `source` of a volume of `extent` voxels.
    source, output : zyx slices in the volume
        `source` must hold everything within `margins` of `output` that lies in the volume.
    margins : (z, y, x)
    out : (z, y, x) float32
        The voxels `output`, with `margins` more on either side.
    """
    held, inside, mirrored = [], [], []
    for o, s, n, margin in zip(output, source, extent, margins, strict=True):
        there, first = grow(o, margin, n), o.start - margin
        held.append(slice(there.start - s.start, there.stop - s.start))
        inside.append(slice(there.start - first, there.stop - first))
        beyond = np.r_[first : there.start, there.stop : o.stop + margin]
        mirrored.append([(int(i), int(j)) for i, j in zip(beyond - first, mirror(beyond, n) - first, strict=True)])
    z, y, x = inside
    out[z, y, x] = image[tuple(held)]
    for i, like in mirrored[2]:
        out[z, y, i] = out[z, y, like]
    for i, like in mirrored[1]:
        out[z, i] = out[z, like]
    for i, like in mirrored[0]:
        out[i] = out[like]
