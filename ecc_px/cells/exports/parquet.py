"""Parquet: the whole table with its types, units and axes, for pandas, R and databases."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd

from ecc_px.cells.grid import AXES, Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.cells.table import COLUMNS, UNITS
from ecc_px.errors import EccPxError
from ecc_px.volumes.partial import written_whole


class ParquetMissing(EccPxError):
    """The library that writes Parquet is not installed."""


def write_parquet(cells: CellFile, path: Path, grid: Grid, *, overwrite: bool = False) -> int:
    """Write every column: whole numbers as int64, others as float64, true and false as bool, the rest as text.

    Each column's metadata has its unit, the file's key ``ecc_px`` the axes and the voxel size as JSON.

    Returns
    -------
    int
        Rows written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ParquetMissing('Parquet needs pyarrow: pip install "ecc-px[parquet]".') from error
    cells.require(POSITION)
    kinds = column_kinds(cells)
    types = {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "O": pa.string()}
    about = {"axes": AXES, "voxel_um_zyx": grid.voxel_um, "shape_zyx": grid.shape}
    schema = pa.schema(
        [
            pa.field(name, types[kind], metadata={"unit": UNITS[name]} if name in UNITS else None)
            for name, kind in kinds.items()
        ],
        metadata={"ecc_px": json.dumps(about, ensure_ascii=False)},
    )
    numbers = [name for name, kind in kinds.items() if kind in "if" and name not in POSITION]
    texts = [name for name, kind in kinds.items() if kind in "bO"]
    count = 0
    with written_whole(path, overwrite=overwrite) as temporary, pq.ParquetWriter(temporary, schema) as out:
        for rows in cells.rows(finite=POSITION, numbers=numbers, texts=texts):
            arrays = [
                pa.array(_values(rows.table[name], kind), types[kind], from_pandas=True) for name, kind in kinds.items()
            ]
            out.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    return count


def column_kinds(cells: CellFile) -> dict[str, str]:
    """What all values of each column are: ``i`` whole numbers, ``f`` numbers, ``b`` true or false, ``O`` texts."""
    kinds = dict.fromkeys(cells.columns, "")
    for rows in cells.rows():
        inferred = pd.read_csv(io.BytesIO(b"".join(rows.lines)), names=cells.columns, header=None, low_memory=False)
        for name in cells.columns:
            column = inferred[name]
            if not column.isna().all():
                kind = column.dtype.kind if column.dtype.kind in "ifb" else "O"
                kinds[name] = kind if kinds[name] in ("", kind) else _wider(kinds[name], kind)
    return {name: "f" if name in COLUMNS or not kind else kind for name, kind in kinds.items()}


def _wider(one: str, other: str) -> str:
    return "f" if {one, other} == {"i", "f"} else "O"


def _values(column: pd.Series, kind: str) -> pd.Series:
    """A column as it was read; what is written as true or false as a bool, what is neither as null."""
    return column if kind != "b" else column.str.strip().str.lower().map({"true": True, "false": False})
