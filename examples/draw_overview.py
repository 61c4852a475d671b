"""One picture of a brain whose cells were found.

    python examples/draw_overview.py demo/brain.h5 demo/brain_probabilities.h5 demo/brain_cells.csv \\
        --truth demo/brain_truth.csv --out demo/brain_overview.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from ecc_px.cells.scoring import true_positions
from ecc_px.errors import UnknownVoxelSize
from ecc_px.report.overview import overview
from ecc_px.volumes import open_volume


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw raw data, probabilities and cells of a brain.")
    parser.add_argument("raw", type=Path)
    parser.add_argument("probabilities", type=Path)
    parser.add_argument("cells", type=Path, help="CSV that `ecc-px cells find` wrote")
    parser.add_argument("--truth", type=Path, help="CSV that synthetic_brain.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    chosen = parser.parse_args()
    truth = None if chosen.truth is None else true_positions(chosen.truth)
    with open_volume(chosen.raw) as raw, open_volume(chosen.probabilities) as probabilities:
        if raw.voxel_um is None:
            raise UnknownVoxelSize(f"{chosen.raw} does not say how large a voxel is: `ecc-px convert` it first.")
        cells = pd.read_csv(chosen.cells)
        path = overview(raw, probabilities, cells, chosen.out, voxel_um=raw.voxel_um, truth=truth, overwrite=True)
    print(f"{path}: the brain in one picture")


if __name__ == "__main__":
    main()
