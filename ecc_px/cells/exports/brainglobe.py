"""BrainGlobe's cells, as brainglobe-utils reads and writes them: XML, YAML with measures, CSV.

Positions are whole voxels. brainglobe-utils writes coordinates below 1 as 1, and reads no file without cells.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.errors import InvalidSetting
from ecc_px.volumes.partial import written_whole

CELL = 2
"""BrainGlobe's type of a candidate that is a cell."""

_XML_BEGIN = f"""<?xml version="1.0" encoding="UTF-8"?>
<CellCounter_Marker_File>
  <Image_Properties>
    <Image_Filename>placeholder.tif</Image_Filename>
  </Image_Properties>
  <Marker_Data>
    <Current_Type>1</Current_Type>
    <Marker_Type>
      <Type>{CELL}</Type>
"""
_XML_MARKER = """      <Marker>
        <MarkerX>{}</MarkerX>
        <MarkerY>{}</MarkerY>
        <MarkerZ>{}</MarkerZ>
      </Marker>
"""
_XML_END = """    </Marker_Type>
  </Marker_Data>
</CellCounter_Marker_File>
"""


def write_brainglobe(cells: CellFile, path: Path, grid: Grid, *, overwrite: bool = False) -> tuple[int, list[str]]:
    """Write cells for BrainGlobe; the extension of `path` decides: .xml, .yml, .yaml, .csv.

    Returns
    -------
    int
        Cells written.
    list of str
        What a person should know.
    """
    writers: dict[str, Callable[[CellFile, IO[str], Grid], tuple[int, int]]] = {
        ".xml": _write_xml,
        ".yml": _write_yaml,
        ".yaml": _write_yaml,
        ".csv": _write_csv,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InvalidSetting(f"{path}: BrainGlobe's cells are .xml, .yml, .yaml or .csv.")
    cells.require(POSITION)
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        count, moved = writer(cells, out, grid)
    warnings = []
    if not count:
        warnings.append(f"{path}: there are no cells in it, and BrainGlobe refuses to read such a file.")
    if moved:
        warnings.append(f"{path}: {moved:,} cells in a first voxel (0) are written as 1, as BrainGlobe does.")
    return count, warnings


def _voxels(xyz_um: npt.NDArray[np.float64], grid: Grid) -> tuple[npt.NDArray[np.int64], int]:
    """(n, 3) x, y, z voxels, none below 1, and how many cells that moved."""
    voxels = grid.nearest(xyz_um)[:, ::-1]
    return np.maximum(voxels, 1), int((voxels < 1).any(axis=1).sum())


def _write_xml(cells: CellFile, out: IO[str], grid: Grid) -> tuple[int, int]:
    count = moved = 0
    out.write(_XML_BEGIN)
    for rows in cells.rows(finite=POSITION):
        voxels, below = _voxels(rows.positions, grid)
        out.write("".join(_XML_MARKER.format(*voxel) for voxel in voxels.tolist()))
        count, moved = count + len(rows), moved + below
    out.write(_XML_END)
    return count, moved


def _write_yaml(cells: CellFile, out: IO[str], grid: Grid) -> tuple[int, int]:
    measures = [name for name in cells.columns if name not in POSITION]
    keys = [json.dumps(name) for name in measures]
    total = sum(len(rows) for rows in cells.rows())
    moved = 0
    out.write(
        f"brainglobe_utils_version: ecc-px {version('ecc-px')}\n"
        f"CellCounter_Marker_File: true\nnum_candidates: {total}\n"
        f"candidate_cells:{'' if total else ' []'}\n"
    )
    for rows in cells.rows(finite=POSITION, texts=measures):
        voxels, below = _voxels(rows.positions, grid)
        moved += below
        for (x, y, z), texts in zip(voxels.tolist(), rows.table[measures].to_numpy().tolist(), strict=True):
            metadata = ", ".join(f"{key}: {_yaml_value(text)}" for key, text in zip(keys, texts, strict=True))
            out.write(f"- {{x: {x}, y: {y}, z: {z}, type: {CELL}, metadata: {{{metadata}}}}}\n")
    return total, moved


def _yaml_value(text: str) -> str:
    """A number as it is written, null where it is none, other texts in quotes."""
    try:
        return text if math.isfinite(float(text)) else "null"
    except ValueError:
        return json.dumps(text) if text.strip() else "null"


def _write_csv(cells: CellFile, out: IO[str], grid: Grid) -> tuple[int, int]:
    measures = [name for name in cells.columns if name not in POSITION]
    count = moved = 0
    pd.DataFrame(columns=[*measures, "x", "y", "z", "type"]).to_csv(out, lineterminator="\n")
    for rows in cells.rows(finite=POSITION, texts=measures):
        voxels, below = _voxels(rows.positions, grid)
        table = rows.table[measures].assign(**dict(zip("xyz", voxels.T, strict=True)), type=CELL)
        table.index = pd.RangeIndex(count, count + len(rows))
        table.to_csv(out, header=False, lineterminator="\n")
        count, moved = count + len(rows), moved + below
    return count, moved
