"""Leaving out rows of a table of cells. What stays keeps its order and its bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecc_px.cells.block_shape import block_shape_for
from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.volumes import Volume
from ecc_px.volumes.blocks import blocks_of
from ecc_px.volumes.partial import written_whole


class Rule(Protocol):
    """What decides whether a cell stays."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""

    def keeps(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """(n,) whether each row stays; a number that is not known passes no rule."""


@dataclass(frozen=True)
class SignalToBackground:
    """(deltaI + BG) / BG is above the threshold; a background of 0 or less makes it infinite."""

    threshold: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise InvalidSetting(f"--sbr {self.threshold:g}: it must be a number, such as 2.")

    columns = ("deltaI", "BG")

    def keeps(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        return signal_to_background(table) > self.threshold

    def __str__(self) -> str:
        return f"signal to background > {self.threshold:g}"


@dataclass(frozen=True)
class Limit:
    """A column is at least `low` and at most `high`."""

    column: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def keeps(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        values = table[self.column].to_numpy()
        return (values >= self.low) & (values <= self.high)

    def __str__(self) -> str:
        limits = [f"≥ {self.low:g}"] * (self.low > -math.inf) + [f"≤ {self.high:g}"] * (self.high < math.inf)
        return f"{self.column} {' and '.join(limits)}"


@dataclass(frozen=True)
class Filtered:
    """How many rows stayed, and how many each rule dropped: the first one that did not let a row pass."""

    kept: int
    dropped: dict[str, int] = field(default_factory=dict)


def signal_to_background(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(n,) (deltaI + BG) / BG; infinite where BG is 0 or less."""
    delta, background = table["deltaI"].to_numpy(), table["BG"].to_numpy()
    ratio = np.full(len(table), np.inf)
    np.divide(delta + background, background, out=ratio, where=~(background <= 0))
    return ratio


def parse_limit(text: str, *, lower: bool) -> Limit:
    """``"deltaI=100"`` → a `Limit` from below or from above."""
    name, separator, number = (part.strip() for part in text.rpartition("="))
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not separator or not name or math.isnan(value):
        option = "--min" if lower else "--max"
        raise InvalidSetting(f"{option} {text!r}: write COLUMN=NUMBER, such as deltaI=100.")
    return Limit(name, low=value) if lower else Limit(name, high=value)


def filter_cells(
    cells: CellFile,
    path: Path,
    rules: Sequence[Rule],
    *,
    inside: npt.NDArray[np.bool_] | None = None,
    overwrite: bool = False,
) -> Filtered:
    """Write the rows that pass every rule, byte for byte and in their order.

    Parameters
    ----------
    cells : CellFile
    path : Path
    rules : sequence of Rule
    inside : (rows,) bool, optional
        Of `cells_inside`: what is not inside is dropped first.
    overwrite : bool
    """
    names = [str(rule) for rule in rules]
    dropped = dict.fromkeys(([] if inside is None else ["inside the mask"]) + names, 0)
    columns = list(dict.fromkeys(column for rule in rules for column in rule.columns))
    kept = seen = 0
    cells.require(POSITION)
    with written_whole(path, overwrite=overwrite) as temporary, temporary.open("wb") as out:
        out.write(cells.header if cells.header.endswith(b"\n") else cells.header + b"\n")
        for rows in cells.rows(finite=POSITION, numbers=columns):
            stays = np.ones(len(rows), bool)
            passed = [] if inside is None else [("inside the mask", inside[seen : seen + len(rows)])]
            passed += [(name, rule.keeps(rows.table)) for name, rule in zip(names, rules, strict=True)]
            for name, passes in passed:
                dropped[name] += int((stays & ~passes).sum())
                stays &= passes
            out.write(b"".join(line for line, stay in zip(rows.lines, stays.tolist(), strict=True) if stay))
            kept += int(stays.sum())
            seen += len(rows)
    return Filtered(kept, dropped)


def cells_inside(cells: CellFile, mask: Volume, grid: Grid) -> npt.NDArray[np.bool_]:
    """(rows,) whether each cell lies in a voxel of the mask that is above 0; outside the mask's volume it doesn't.

    The mask may be coarser than the volume that the cells were found in: it covers the same box. It is read block by
    block, each block once and only where there are cells.

    Raises
    ------
    GridMismatch
        The mask's size in µm is not that of the volume that the cells were found in.
    """
    if mask.channels > 1 or mask.frames > 1:
        raise GridMismatch(f"{mask.path}: a mask has one channel and one time point, not {mask.layout.stored_shape}.")
    cell_um = np.array(grid.size_um)
    mask_um = cell_um if mask.voxel_um is None or mask.shape == grid.shape else np.array(mask.voxel_um)
    if grid.shape is not None:
        difference = np.abs(np.multiply(mask.shape, mask_um) - np.multiply(grid.shape, cell_um))
        if (difference >= np.maximum(mask_um, cell_um)).any():
            raise GridMismatch(
                f"{mask.path}: it covers {_size(mask.shape, mask_um)}, the volume of {grid.table} "
                f"{_size(grid.shape, cell_um)}. Give a mask of that volume."
            )
    shape = np.array(mask.shape)
    # From the corner of the volume, where both begin, to the mask's voxels.
    parts = [
        np.clip(np.floor((grid.indices(rows.positions) + 0.5) * cell_um / mask_um), -1, shape).astype(np.int32)
        for rows in cells.rows(finite=POSITION)
    ]
    voxels = np.concatenate([np.zeros((0, 3), np.int32), *parts])
    rows = np.flatnonzero(((voxels >= 0) & (voxels < shape)).all(axis=1))
    block = block_shape_for([mask], jobs=1)
    per_axis = -(-shape // block)
    number = np.ravel_multi_index(tuple((voxels[rows] // block).T), tuple(per_axis))
    order = np.argsort(number, kind="stable")
    rows, number = rows[order], number[order]
    result = np.zeros(len(voxels), bool)
    for k, piece in enumerate(blocks_of(mask.shape, block)):
        begin, end = np.searchsorted(number, (k, k + 1))
        if begin < end:
            here = rows[begin:end]
            z, y, x = (voxels[here] - [s.start for s in piece.core]).T
            result[here] = mask.read(piece.core)[0][z, y, x] > 0
    return result


def _size(shape: npt.ArrayLike, voxel_um: npt.NDArray[np.float64]) -> str:
    return " × ".join(f"{size:,.0f}" for size in np.multiply(shape, voxel_um)) + " µm (z y x)"
