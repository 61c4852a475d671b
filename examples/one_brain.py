"""From one brain and an ilastik project to a table of cells and a picture.

python examples/one_brain.py PV.ilp brain.h5 --voxel-um 6.5 6.5 6.5 --out results
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ecc_px import find_cells, load_classifier, open_volume, predict
from ecc_px.report.overview import overview


def main() -> None:
    parser = argparse.ArgumentParser(description="Find the cells of one brain.")
    parser.add_argument("project", type=Path, help="trained ilastik project (.ilp)")
    parser.add_argument("brain", type=Path, help="raw volume")
    parser.add_argument("--voxel-um", type=float, nargs=3, required=True, metavar=("Z", "Y", "X"))
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    chosen = parser.parse_args()
    z, y, x = chosen.voxel_um

    classifier = load_classifier(chosen.project)
    with open_volume(chosen.brain) as raw:
        prediction = predict(classifier, raw, chosen.out, voxel_um=(z, y, x), overwrite=True)
        cells = find_cells(prediction.probabilities, raw, voxel_um=(z, y, x), jobs=2)
        table = cells.write_csv(chosen.out / f"{raw.name}_cells.csv", overwrite=True)
        with open_volume(prediction.probabilities) as probabilities:
            picture = chosen.out / f"{raw.name}_overview.png"
            overview(raw, probabilities, cells.table, picture, voxel_um=(z, y, x), overwrite=True)
    for warning in (*prediction.warnings, *cells.warnings):
        print(f"Warning: {warning}")
    print(f"{len(cells)} cells in {table}; picture in {picture}")


if __name__ == "__main__":
    main()
