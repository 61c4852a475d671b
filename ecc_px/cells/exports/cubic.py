"""ecc's table, which CUBIC-Cloud's users upload: seven columns, two decimals, nothing else."""

from __future__ import annotations

from pathlib import Path

from ecc_px.cells.reading import CellFile
from ecc_px.cells.table import COLUMNS
from ecc_px.volumes.partial import written_whole


def write_cubic(cells: CellFile, path: Path, *, overwrite: bool = False) -> int:
    """Write ecc's columns of a table of cells, in ecc's order and number format.

    Returns
    -------
    int
        Rows written.
    """
    count = 0
    cells.require(COLUMNS)
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        out.write(",".join(COLUMNS) + "\n")
        for rows in cells.rows(finite=COLUMNS):
            table = rows.table[list(COLUMNS)]
            table.to_csv(out, index=False, header=False, float_format="%.2f", lineterminator="\n")
            count += len(rows)
    return count
