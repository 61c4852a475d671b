"""napari's points: a CSV file that opens as a points layer on the image, in voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.volumes.partial import written_whole


def write_napari(cells: CellFile, path: Path, grid: Grid, *, overwrite: bool = False) -> int:
    """Write points z, y, x in voxels of the image (0: the first voxel's centre); the other columns are properties.

    Returns
    -------
    int
        Rows written.
    """
    properties = [name for name in cells.columns if name not in POSITION]
    count = 0
    cells.require(POSITION)
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        header = pd.DataFrame(columns=["index", "axis-0", "axis-1", "axis-2", *properties])
        header.to_csv(out, index=False, lineterminator="\n")
        for rows in cells.rows(finite=POSITION, texts=properties):
            places = np.round(grid.indices(rows.positions), 4)
            points = pd.DataFrame(places, columns=["axis-0", "axis-1", "axis-2"])
            points.insert(0, "index", np.arange(count, count + len(rows)))
            table = pd.concat([points, rows.table[properties]], axis=1)
            table.to_csv(out, index=False, header=False, lineterminator="\n")
            count += len(rows)
    return count
