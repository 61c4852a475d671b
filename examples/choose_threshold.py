"""How many cells are found at each threshold, and where their number depends on it least.

    python examples/choose_threshold.py out/brain_probabilities.h5 brain.h5 --voxel-um 6.5 6.5 6.5

The classifier is applied once; finding cells again is quick. With `--truth` (of a synthetic brain, or positions that a
person clicked, in the same columns) the score of each threshold is shown too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ecc_px import find_cells
from ecc_px.cells.scoring import score, true_positions


def compare_thresholds(
    probabilities: Path,
    raw: Path,
    voxel_um: tuple[float, float, float],
    thresholds: list[float],
    truth_um: np.ndarray | None = None,
) -> pd.DataFrame:
    """One row for each threshold: cells found, their median volume and, where the truth is known, the score."""
    rows = []
    for threshold in thresholds:
        cells = find_cells(probabilities, raw, voxel_um=voxel_um, threshold=threshold).table
        row = {"threshold": threshold, "cells": len(cells), "median_volume_um3": cells["vol"].median()}
        if truth_um is not None:
            found = score(cells[["Z", "Y", "X"]].to_numpy() + np.divide(voxel_um, 2), truth_um)
            row |= {"precision": found.precision, "recall": found.recall, "f1": found.f1}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare thresholds for finding cells.")
    parser.add_argument("probabilities", type=Path)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--voxel-um", type=float, nargs=3, required=True, metavar=("Z", "Y", "X"))
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.5, 0.6, 0.7, 0.8, 0.9])
    parser.add_argument("--truth", type=Path, help="CSV with z_um, y_um, x_um of the true cells")
    chosen = parser.parse_args()
    z, y, x = chosen.voxel_um
    truth_um = None if chosen.truth is None else true_positions(chosen.truth)
    table = compare_thresholds(chosen.probabilities, chosen.raw, (z, y, x), chosen.thresholds, truth_um)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
