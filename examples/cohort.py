"""One table of a cohort: a row for each brain that `ecc-px run` has finished.

ecc-px run PV.ilp brains/*.h5 -o out
python examples/cohort.py out --out cohort.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ecc_px import open_volume


def summarise(folder: Path) -> pd.DataFrame:
    """Number, density (per mm³ that was imaged, tissue or not), volume and intensity of each brain's cells."""
    rows = []
    for table in sorted(folder.glob("*_cells.csv")):
        name = table.name.removesuffix("_cells.csv")
        cells = pd.read_csv(table)
        with open_volume(folder / f"{name}_probabilities.h5") as probabilities:
            # `run` refuses a brain of unknown voxel size, and writes the size into what it makes.
            assert probabilities.voxel_um is not None
            imaged_mm3 = float(np.prod(probabilities.shape) * np.prod(probabilities.voxel_um)) * 1e-9
        rows.append(
            {
                "brain": name,
                "cells": len(cells),
                "cells_per_mm3": len(cells) / imaged_mm3,
                "median_volume_um3": cells["vol"].median(),
                "median_deltaI": cells["deltaI"].median(),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Summarise the brains in a folder of results.")
    parser.add_argument("folder", type=Path, help="folder that `ecc-px run -o` wrote to")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    chosen = parser.parse_args()
    summary = summarise(chosen.folder)
    if summary.empty:
        parser.error(f"{chosen.folder}: there are no tables of cells (*_cells.csv) in it")
    summary.to_csv(chosen.out, index=False, float_format="%.2f")
    print(summary.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
