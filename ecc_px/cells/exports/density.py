"""Cells per mm³ in boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.errors import InvalidSetting
from ecc_px.volumes import Layout
from ecc_px.volumes.nifti_writer import NiftiGzWriter

MOST_BOXES = 1 << 27


@dataclass(frozen=True, eq=False)
class CellDensity:
    """Cells per mm³ in cubes that fill a volume from its corner on.

    Parameters
    ----------
    per_mm3 : (z, y, x) float32
        In a cube that the volume's end cuts, per mm³ of what is left of it.
    box_um : float
        Side of the cubes.
    inside, outside : int
        Cells in the volume, and cells that lie outside it and are not counted.
    """

    per_mm3: npt.NDArray[np.float32]
    box_um: float
    inside: int
    outside: int


def density_of(cells: CellFile, grid: Grid, box_um: float) -> CellDensity:
    """Count cells in cubes of `box_um`."""
    if not 0 < box_um < np.inf:
        raise InvalidSetting(f"--box-um {box_um:g}: it must be above 0.")
    size = np.array(grid.size_um)
    extent = np.multiply(grid.extent, size)
    shape = np.maximum(1, np.ceil(extent / box_um - 1e-9)).astype(np.int64)
    if shape.prod() > MOST_BOXES:
        raise InvalidSetting(f"--box-um {box_um:g}: {shape.prod():,} boxes are too many. Choose a larger one.")
    counts = np.zeros(int(shape.prod()), np.int64)
    outside = 0
    for rows in cells.rows(finite=POSITION):
        inside = grid.contains(grid.nearest(rows.positions))
        outside += int((~inside).sum())
        corner_um = (grid.indices(rows.positions[inside]) + 0.5) * size
        box = np.clip((corner_um / box_um).astype(np.int64), 0, shape - 1)
        counts += np.bincount(np.ravel_multi_index(tuple(box.T), tuple(shape)), minlength=len(counts))
    z, y, x = (np.minimum(box_um, e - box_um * np.arange(n)) for e, n in zip(extent, shape, strict=True))
    volume_mm3 = z[:, None, None] * y[:, None] * x * 1e-9
    per_mm3 = (counts.reshape(tuple(shape)) / volume_mm3).astype(np.float32)
    return CellDensity(per_mm3, box_um, int(counts.sum()), outside)


def write_density(density: CellDensity, path: Path, grid: Grid, *, overwrite: bool = False) -> None:
    """Write a density as .nii.gz, float32, in the place of the volume: it can be laid over it."""
    box = density.box_um
    depth, height, width = density.per_mm3.shape
    layout = Layout("zyx", (depth, height, width), np.dtype(np.float32), (box, box, box))
    description = f"cells per mm3 in boxes of {box:g} um"
    with NiftiGzWriter(
        path, layout, overwrite=overwrite, affine_um=_box_affine(grid, box), description=description
    ) as writer:
        writer.write((slice(0, depth), slice(0, height), slice(0, width)), density.per_mm3[None])


def _box_affine(grid: Grid, box_um: float) -> npt.NDArray[np.float64]:
    """From box (x, y, z) to µm. The first box begins at the corner of the volume's first voxel, not at its centre."""
    per_voxel = box_um / np.array(grid.size_um[::-1])
    boxes = np.diag([*per_voxel, 1.0])
    boxes[:3, 3] = (per_voxel - 1) / 2
    return grid.affine @ boxes
