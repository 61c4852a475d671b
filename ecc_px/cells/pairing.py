"""Cells that two channels have in common: the rows of two tables that lie at the same place."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecc_px.cells.channel_shift import Shift
from ecc_px.cells.matching import Pairs, assignment, candidates, mutual_nearest
from ecc_px.cells.reading import POSITION, CellFile, moved_together
from ecc_px.volumes.partial import written_whole

DISTANCE = "distance_um"


Method = Literal["mutual", "assignment"]
"""How one-to-one pairs are chosen among cells that are near."""


def pair_cells(
    a: CellFile,
    b: CellFile,
    path: Path,
    max_distance_um: float,
    *,
    method: Method = "mutual",
    shift: Shift | None = None,
    overwrite: bool = False,
) -> Pairs:
    """Write the cells that are in both tables, one row for each pair, in the order of a's rows.

    Columns: X, Y, Z of a; a's other columns as a_NAME; all of b's as b_NAME; distance_um, after b was shifted. Numbers
    are written as the tables have them.

    Parameters
    ----------
    a, b : CellFile
    path : Path
    max_distance_um : float
    method : {"mutual", "assignment"}
    shift : Shift, optional
        What to add to b's positions before distances are measured.
    overwrite : bool
    """
    b_um, b_starts = _positions(b)
    if shift is not None:
        b_um = shift.applied(b_um)
    near = candidates(a.read(POSITION), b_um, max_distance_um)
    del b_um
    pairs = mutual_nearest(near) if method == "mutual" else assignment(near, max_distance_um)
    del near
    pairs = pairs.take(np.argsort(pairs.a))
    others = [k for k, name in enumerate(a.columns) if name not in POSITION]
    place = [a.columns.index(name) for name in POSITION]
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        table = csv.writer(out, lineterminator="\n")
        table.writerow(
            [*POSITION, *(f"a_{a.columns[k]}" for k in others), *(f"b_{name}" for name in b.columns), DISTANCE]
        )
        of_a = _lines(a, pairs.a)
        of_b = _lines_at(b, b_starts[pairs.b])
        for first, second, distance in zip(of_a, of_b, pairs.distance.tolist(), strict=True):
            fields = a.fields(first)
            table.writerow(
                [*(fields[k] for k in place), *(fields[k] for k in others), *b.fields(second), f"{distance:.3f}"]
            )
    return pairs


def _positions(cells: CellFile) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(n, 3) X, Y, Z of all rows, and (n,) where each begins in the file."""
    places, starts = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for rows in cells.rows(finite=POSITION):
        places.append(rows.positions)
        starts.append(rows.starts)
    return moved_together(places), moved_together(starts)


def _lines(cells: CellFile, wanted: npt.NDArray[np.int32]) -> Iterator[bytes]:
    """The rows of these numbers, which ascend."""
    seen = 0
    for rows in cells.rows():
        begin, end = np.searchsorted(wanted, (seen, seen + len(rows)))
        for row in wanted[begin:end].tolist():
            yield rows.lines[row - seen]
        seen += len(rows)


def _lines_at(cells: CellFile, starts: npt.NDArray[np.int64]) -> Iterator[bytes]:
    """The rows that begin at these bytes of the file, in any order."""
    with cells.path.open("rb", buffering=512) as file:
        for start in starts.tolist():
            file.seek(start)
            yield file.readline()
