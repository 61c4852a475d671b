"""How many of the true cells were found, and how precisely."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecc_px.cells.grid import Grid
from ecc_px.cells.matching import Pairs, candidates, nearest_first
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.errors import UnreadableTable
from ecc_px.volumes import VoxelUm

TRUE_POSITION = ("z_um", "y_um", "x_um")
"""Columns of positions measured from the corner of the volume, as a synthetic brain's truth has them."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Counts of found, true and matched cells, and how far apart partners are.

    Parameters
    ----------
    found, true, matched : int
    median_um, rms_um : float
        Median and root mean square of the distances between partners; NaN where there are none.
    bias_um : (z, y, x)
        Mean of found − true.
    """

    found: int
    true: int
    matched: int
    median_um: float
    rms_um: float
    bias_um: VoxelUm

    @property
    def precision(self) -> float:
        return self.matched / max(1, self.found)

    @property
    def recall(self) -> float:
        return self.matched / max(1, self.true)

    @property
    def f1(self) -> float:
        return 2 * self.matched / max(1, self.found + self.true)

    def __str__(self) -> str:
        counts = (
            f"{self.matched:,} of {self.true:,} true cells were found, among {self.found:,} detections: "
            f"precision {self.precision:.3f}, recall {self.recall:.3f}, F1 {self.f1:.3f}"
        )
        if not self.matched:
            return f"{counts}."
        bias = ", ".join(f"{b:+.2f}" for b in self.bias_um)
        return (
            f"{counts}, position error: median {self.median_um:.2f} µm, "
            f"root mean square {self.rms_um:.2f} µm, bias ({bias}) µm (z y x)."
        )


def match(found_um: Points, true_um: Points, within_um: float) -> Pairs:
    """One-to-one pairs of found (a) and true (b) positions, nearest first."""
    return nearest_first(candidates(found_um, true_um, within_um))


def score(found_um: Points, true_um: Points, within_um: float = 10.0) -> Score:
    """Compare two sets of positions.

    Parameters
    ----------
    found_um, true_um : (n, 3) and (m, 3)
        z, y, x in µm from the same origin.
    within_um : float
        A found cell and a true one are partners at most this far apart.
    """
    pairs = match(found_um, true_um, within_um)
    if not len(pairs):
        nan = float("nan")
        return Score(len(found_um), len(true_um), 0, nan, nan, (nan, nan, nan))
    z, y, x = (float(b) for b in (found_um[pairs.a] - true_um[pairs.b]).mean(axis=0))
    rms = float(np.sqrt(np.mean(pairs.distance**2)))
    return Score(len(found_um), len(true_um), len(pairs), float(np.median(pairs.distance)), rms, (z, y, x))


def true_positions(truth: str | Path) -> Points:
    """(n, 3) z, y, x in µm from the volume's corner, of a table with the columns z_um, y_um, x_um."""
    return CellFile(truth).read(TRUE_POSITION)


def found_positions(cells: str | Path, voxel_um: VoxelUm) -> Points:
    """(n, 3) z, y, x in µm from the volume's corner, of a table of cells.

    Its X, Y, Z are measured from the centre of the first voxel: half a voxel more measures from the corner.
    """
    return CellFile(cells).read(POSITION)[:, ::-1] + np.divide(voxel_um, 2)


def score_tables(found: CellFile, truth: CellFile, grid: Grid, within_um: float) -> Score:
    """Compare two tables, each of cells (X, Y, Z) or of true positions (z_um, y_um, x_um).

    A table of cells measures from the centre of the first voxel, a truth from the volume's corner. Where one of each
    is compared, half a voxel of `grid` is added to the table of cells.
    """
    of_cells = [_is_cell_table(table) for table in (found, truth)]
    voxel_um = grid.size_um if of_cells[0] != of_cells[1] else (0.0, 0.0, 0.0)
    places = [
        found_positions(table.path, voxel_um) if is_cells else true_positions(table.path)
        for table, is_cells in zip((found, truth), of_cells, strict=True)
    ]
    return score(places[0], places[1], within_um)


def _is_cell_table(table: CellFile) -> bool:
    if set(TRUE_POSITION) <= set(table.columns):
        return False
    if set(POSITION) <= set(table.columns):
        return True
    raise UnreadableTable(
        f"{table.path}: there are neither columns X, Y, Z (a table of cells) nor z_um, y_um, x_um (true positions), "
        f"only {', '.join(table.columns)}."
    )
