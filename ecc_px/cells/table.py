"""The table of cells: ecc's columns, and the CSV file that ecc and its users' scripts read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecc_px.cells.measuring import Intensities
from ecc_px.cells.objects import Objects
from ecc_px.volumes.partial import written_whole
from ecc_px.volumes.volume import VoxelUm

COLUMNS = ("X", "Y", "Z", "deltaI", "BG", "vol", "deltaI_total")


@dataclass(frozen=True)
class Summary:
    """What became of the objects above the threshold.

    Parameters
    ----------
    objects : int
        Connected components above the threshold; `too_small` + `too_large` + `cells`.
    too_small, too_large : int
        Left out because of `min_volume` and `max_volume`.
    cells : int
        Rows of the table.
    excluded_voxels : int
        Voxels above the threshold in the excluded region.
    """

    objects: int
    too_small: int
    too_large: int
    cells: int
    excluded_voxels: int


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one volume.

    Parameters
    ----------
    table : DataFrame
        One row per cell, in the raster order of their first voxels; columns `COLUMNS`:

        ============  ==========================================================================
        X, Y, Z       unweighted centre of mass, µm: voxel index (with fraction) × voxel size
        deltaI        signal − BG, at least 0, raw units
        BG            background, raw units
        vol           volume, µm³
        deltaI_total  deltaI × vol
        ============  ==========================================================================
    summary : Summary
    voxel_um : (z, y, x) µm
        The voxel size that the table was made with.
    warnings : tuple of str
        What a person should know before trusting the table.
    """

    table: pd.DataFrame
    summary: Summary
    voxel_um: VoxelUm
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def write_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table as ecc does: comma, header, two decimals, no index. The file appears whole or not at all.

        Raises
        ------
        OutputExists
            There is a file at `path` and `overwrite` is False.
        OutputFailed
            It can't be written.
        """
        path = Path(path)
        with written_whole(path, overwrite=overwrite) as temporary:
            self.table.to_csv(temporary, index=False, float_format="%.2f", lineterminator="\n")
        return path


def table_name(probabilities_name: str) -> str:
    """The file name of the table made from a probability image.

    >>> table_name("brain_probabilities")
    'brain_cells.csv'
    """
    return f"{probabilities_name.removesuffix('_probabilities')}_cells.csv"


def cells_table(objects: Objects, intensities: Intensities, voxel_um: VoxelUm) -> pd.DataFrame:
    """One row per object, in their order."""
    z, y, x = (objects.centroid * np.array(voxel_um)).T
    delta = np.maximum(intensities.signal - intensities.background, 0.0)
    volume = objects.voxels * float(np.prod(voxel_um))
    values = (x, y, z, delta, intensities.background, volume, delta * volume)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
