"""How many of the true cells were found, and how precisely.

    python examples/score.py demo/brain_cells.csv demo/brain_truth.csv --voxel-um 6.5 6.5 6.5

A found cell and a true one are the same when they are partners in a one-to-one matching: nearest pairs first,
none farther apart than `--within-um`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Score:
    """Counts of found, true and matched cells, and the median distance between partners in µm."""

    found: int
    true: int
    matched: int
    position_error_um: float

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
        return (
            f"{self.matched:,} of {self.true:,} true cells were found, among {self.found:,} detections: "
            f"precision {self.precision:.3f}, recall {self.recall:.3f}, F1 {self.f1:.3f}, "
            f"median position error {self.position_error_um:.1f} µm."
        )


def match(found_um: np.ndarray, true_um: np.ndarray, within_um: float) -> tuple[np.ndarray, np.ndarray]:
    """One-to-one pairs (n, 2) of row numbers (found, true), nearest first, and their distances (n,)."""
    near = cKDTree(found_um).sparse_distance_matrix(cKDTree(true_um), within_um, output_type="coo_matrix")
    free_found, free_true = np.ones(len(found_um), bool), np.ones(len(true_um), bool)
    chosen = []
    for k in np.lexsort((near.col, near.row, near.data)):
        i, j = near.row[k], near.col[k]
        if free_found[i] and free_true[j]:
            free_found[i] = free_true[j] = False
            chosen.append(k)
    return np.column_stack([near.row[chosen], near.col[chosen]]), near.data[chosen]


def score(found_um: np.ndarray, true_um: np.ndarray, within_um: float = 10.0) -> Score:
    """Compare two sets of positions, (n, 3) in µm, both measured at the centres of cells."""
    pairs, distances = match(found_um, true_um, within_um)
    error = float(np.median(distances)) if len(pairs) else float("nan")
    return Score(len(found_um), len(true_um), len(pairs), error)


def found_positions(table: Path, voxel_um: tuple[float, float, float]) -> np.ndarray:
    """Positions z, y, x of a cell table, in µm from the corner of the volume.

    The table's X, Y, Z are voxel numbers times the voxel size, so that the middle of the first voxel is at 0;
    half a voxel more measures from the corner, as the truth does.
    """
    return pd.read_csv(table)[["Z", "Y", "X"]].to_numpy(float) + np.divide(voxel_um, 2)


def true_positions(table: Path) -> np.ndarray:
    return pd.read_csv(table)[["z_um", "y_um", "x_um"]].to_numpy(float)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a cell table with the truth of a synthetic brain.")
    parser.add_argument("cells", type=Path, help="CSV that `ecc-px cells find` wrote")
    parser.add_argument("truth", type=Path, help="CSV that synthetic_brain.py wrote")
    parser.add_argument("--voxel-um", type=float, nargs=3, required=True, metavar=("Z", "Y", "X"))
    parser.add_argument("--within-um", type=float, default=10.0, help="farthest a partner may be (default: 10)")
    chosen = parser.parse_args()
    found = found_positions(chosen.cells, chosen.voxel_um)
    print(score(found, true_positions(chosen.truth), chosen.within_um))


if __name__ == "__main__":
    main()
