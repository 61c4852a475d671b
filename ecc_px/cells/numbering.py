"""Where voxels and regions lie: numbers that blocks can exchange, and places in each other's arrays."""

from __future__ import annotations

from typing import Any

from ecc_px.volumes.blocks import Region, Shape


def voxel_key(z: Any, y: Any, x: Any, shape: Shape) -> Any:
    """Number of a voxel such that a neighbour's number differs by a constant, and none is met across a border.

    The row and the column added to the volume are never foreground, so a step over the border finds nothing.
    """
    return (z * (shape[1] + 1) + y) * (shape[2] + 1) + x


def voxel_of_key(key: Any, shape: Shape) -> tuple[Any, Any, Any]:
    """The z, y and x index of a voxel number."""
    return key // ((shape[1] + 1) * (shape[2] + 1)), key // (shape[2] + 1) % (shape[1] + 1), key % (shape[2] + 1)


def place_in(region: Region, around: Region) -> Region:
    """A region's place in an array that holds the region `around`."""
    z, y, x = (slice(r.start - a.start, r.stop - a.start) for r, a in zip(region, around, strict=True))
    return z, y, x
