"""The cells as an image on the grid of their volume, to lay over it in ITK-SNAP or another viewer."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.volumes import Layout
from ecc_px.volumes.nifti_writer import header_of
from ecc_px.volumes.partial import written_whole

CENTRE, BESIDE = 2, 1
"""Values of the voxel in which a cell lies and of the voxels that share a face with one."""

_SLAB_VOXELS = 1 << 26


def write_positions(cells: CellFile, path: Path, grid: Grid, *, overwrite: bool = False) -> tuple[int, int]:
    """Write a .nii.gz of uint8: 2 where a cell lies, 1 in the six voxels around it, 0 elsewhere.

    Returns
    -------
    inside, outside : int
        Cells in the volume, and cells that lie outside it and are not drawn.
    """
    depth, height, width = grid.extent
    z, y, x = grid.size_um
    layout = Layout("xyz", (width, height, depth), np.dtype(np.uint8), (z, y, x))
    header = header_of(layout, grid.affine, "cells: 2 centre, 1 beside it")
    outside = 0
    parts = [np.zeros((0, 3), np.int32)]
    for rows in cells.rows(finite=POSITION):
        voxels = grid.nearest(rows.positions)
        drawn = grid.contains(voxels)
        outside += int((~drawn).sum())
        parts.append(voxels[drawn].astype(np.int32))
    voxels = np.concatenate(parts)
    voxels = voxels[np.argsort(voxels[:, 0], kind="stable")]
    step = max(1, _SLAB_VOXELS // (height * width))
    # Slabs follow each other in the file as they do in the volume: unlike `NiftiGzWriter`, which takes regions in any
    # order, this needs no room for the volume uncompressed. No name, no time inside: same cells, same bytes.
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
    ):
        header.write_to(packed)
        packed.write(bytes(int(header.get_data_offset()) - packed.tell()))
        for top in range(0, depth, step):
            bottom = min(top + step, depth)
            begin, end = np.searchsorted(voxels[:, 0], (top - 1, bottom + 1))
            packed.write(_drawn(voxels[begin:end] - (top, 0, 0), (bottom - top, height, width)).data)
    return len(voxels), outside


def _drawn(voxels: npt.NDArray[np.int64], shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """A slab with crosses at these voxels, some of which may lie just outside it."""
    slab = np.zeros(shape, np.uint8)
    for axis in (0, 1, 2, None):
        for step in (-1, 1) if axis is not None else (0,):
            at = voxels.copy()
            if axis is not None:
                at[:, axis] += step
            z, y, x = at[((at >= 0) & (at < shape)).all(axis=1)].T
            slab[z, y, x] = CENTRE if axis is None else BESIDE
    return slab
