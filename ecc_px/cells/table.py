"""The table of cells: ecc's columns, what else is known of a cell, and the CSV file that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecc_px.cells.csv_text import csv_text
from ecc_px.cells.inputs import Inputs
from ecc_px.cells.measuring import Intensities
from ecc_px.cells.objects import Objects, intensity_units
from ecc_px.cells.packing import AT_ONCE, PackedObjects
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.partial import written_whole
from ecc_px.volumes.volume import VoxelUm

COLUMNS = ("X", "Y", "Z", "deltaI", "BG", "vol", "deltaI_total")
"""ecc's columns, always the first."""

UNITS = {
    "X": "µm, voxel index × voxel size: middle of the cell, from the intensity above BG; like ecc, the nearest voxel",
    "Y": "µm, as X",
    "Z": "µm, as X",
    "deltaI": "raw, signal - BG, at least 0",
    "BG": "raw",
    "vol": "µm³",
    "deltaI_total": "raw × µm³, deltaI × vol",
    "X_unweighted": "µm, centroid of the voxels",
    "Y_unweighted": "µm, as X_unweighted",
    "Z_unweighted": "µm, as X_unweighted",
    "voxels": "voxels",
    "soft_vol": "µm³, sum of the probabilities × volume of a voxel",
    "mean_I": "raw, mean over the voxels",
    "max_I": "raw, maximum over the voxels",
    "SBR": "signal / BG",
    "probability": "mean over the voxels, 0 to 1",
    "elongation": "longest / shortest half-axis",
    "x_min": "voxel index, counted from 0",
    "x_max": "voxel index, included",
    "y_min": "voxel index, counted from 0",
    "y_max": "voxel index, included",
    "z_min": "voxel index, counted from 0",
    "z_max": "voxel index, included",
    "at_border": "1: touches the border of the volume",
    "at_excluded": "1: touches the excluded region",
    "object": "number of the connected component, or label",
}
"""What each column is measured in."""

FURTHER_COLUMNS = tuple(UNITS)[len(COLUMNS) :]

DECIMALS, USUAL_DECIMALS = {"SBR": 3, "probability": 4, "elongation": 3}, 2
"""Of fractions in the CSV file; ecc's have two."""


@dataclass(frozen=True)
class Summary:
    """What became of the objects above the threshold.

    Parameters
    ----------
    objects : int
        Connected components above the threshold, or labels.
    parts : int
        What splitting made of them: `too_small_or_faint` + `too_large` + `cells`.
    too_small_or_faint, too_large : int
        Left out because of the volume limits; after splitting, also parts with too little probability for a cell.
    cells : int
        Rows of the table.
    excluded_voxels : int
        Voxels above the threshold in the excluded region.
    diameter_um : float or None
        Of a cell, as given or estimated; None where nothing was split.
    """

    objects: int
    parts: int
    too_small_or_faint: int
    too_large: int
    cells: int
    excluded_voxels: int
    diameter_um: float | None = None


@dataclass(frozen=True)
class Origin:
    """What the objects of a table are made of.

    Parameters
    ----------
    shape : (z, y, x)
    voxel_um : (z, y, x) µm
    raw_dtype
    probability_units : int
        Units of `Objects.probability_sum` that make a probability of 1.
    of_labels : bool
        The objects have numbers of their own.
    like_ecc : bool
        The table is ecc's.
    """

    shape: Shape
    voxel_um: VoxelUm
    raw_dtype: np.dtype[Any]
    probability_units: int
    of_labels: bool
    like_ecc: bool

    @classmethod
    def of(cls, inputs: Inputs, voxel_um: VoxelUm, *, like_ecc: bool) -> Self:
        units, of_labels = inputs.probability_units, inputs.kind == "labels"
        return cls(inputs.shape, voxel_um, inputs.raw.dtype, units, of_labels, like_ecc)


class TableRows:
    """The rows of a table of cells, made some at a time: as a table, millions of them would fill the memory.

    Parameters
    ----------
    objects : PackedObjects
    intensities : Intensities
        Of each of them.
    origin : Origin
    """

    def __init__(self, objects: PackedObjects, intensities: Intensities, origin: Origin) -> None:
        self._objects, self._intensities, self._origin = objects, intensities, origin
        self._order = objects.raster_order()
        has_numbers = origin.of_labels or origin.like_ecc
        self._components = None if has_numbers else np.unique(objects.column("component"))

    def __len__(self) -> int:
        return len(self._order)

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS if self._origin.like_ecc else COLUMNS + FURTHER_COLUMNS

    def pieces(self) -> Iterator[pd.DataFrame]:
        """The rows in raster order of the cells' first voxels, some at a time; at least one piece, if an empty one."""
        for start in range(0, max(1, len(self)), AT_ONCE):
            which = self._order[start : start + AT_ONCE]
            objects = self._objects.take(which)
            intensities = self._intensities.take(which)
            if self._origin.like_ecc:
                piece = ecc_table(objects, intensities, self._origin.voxel_um)
            else:
                piece = cells_table(objects, intensities, self._numbers(objects), self._origin)
            piece.index = pd.RangeIndex(start, start + len(piece))
            yield piece

    def _numbers(self, objects: Objects) -> npt.NDArray[np.int64]:
        """Number of the component, from 1 in raster order of those with a cell; of a label image, the label."""
        if self._components is None:
            return objects.component
        return np.searchsorted(self._components, objects.component) + 1


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one volume.

    Parameters
    ----------
    rows : TableRows
    summary : Summary
    voxel_um : (z, y, x) µm
        The voxel size that the table was made with.
    warnings : tuple of str
        What a person should know before trusting the table.
    """

    rows: TableRows
    summary: Summary
    voxel_um: VoxelUm
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per cell, in the raster order of their first voxels; made when it is first asked for.

        `COLUMNS`, and unless it is like ecc's, `FURTHER_COLUMNS`; docs/cells.md says what each is and in which units.
        """
        return self.only(self.rows.columns)

    def only(self, columns: Sequence[str]) -> pd.DataFrame:
        """Those of these columns that the table has: of millions of cells, a fraction of its memory."""
        values: dict[str, npt.NDArray[Any]] = {}
        for piece in self.rows.pieces():
            for name in (name for name in columns if name in self.rows.columns):
                column = piece[name].to_numpy()
                values.setdefault(name, np.empty(len(self), column.dtype))[piece.index] = column
        return pd.DataFrame(values, copy=False)

    def write_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table: comma, header, two decimals, no index. The file appears whole or not at all.

        Raises
        ------
        OutputExists
            There is a file at `path` and `overwrite` is False.
        OutputFailed
            It can't be written.
        """
        path = Path(path)
        with (
            written_whole(path, overwrite=overwrite) as temporary,
            temporary.open("wb") as out,
        ):
            columns = self.rows.columns
            out.write((",".join(columns) + "\n").encode("ascii"))
            decimals = [DECIMALS.get(name, USUAL_DECIMALS) for name in columns]
            for rows in self.rows.pieces():
                out.write(csv_text([rows[name].to_numpy() for name in columns], decimals))
        return path


def table_name(probabilities_name: str) -> str:
    """The file name of the table made from a probability image.

    >>> table_name("brain_probabilities")
    'brain_cells.csv'
    """
    return f"{probabilities_name.removesuffix('_probabilities')}_cells.csv"


def ecc_table(objects: Objects, intensities: Intensities, voxel_um: VoxelUm) -> pd.DataFrame:
    """ecc's columns as ecc defines them: positions are those of the voxel nearest to the centroid."""
    return _ecc_columns(objects, objects.centre, intensities, voxel_um)


def cells_table(
    objects: Objects, intensities: Intensities, numbers: npt.NDArray[np.int64], origin: Origin
) -> pd.DataFrame:
    """One row per object, in their order: all that is known of it; `numbers` are those of its component."""
    voxel_um = origin.voxel_um
    units = intensity_units(origin.raw_dtype)
    position = objects.weighted_centroid(intensities.background, origin.raw_dtype) + intensities.shift
    table = _ecc_columns(objects, position, intensities, voxel_um)
    z, y, x = (objects.centroid * np.array(voxel_um)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        above_background = intensities.signal / intensities.background
    probability = objects.probability_sum / origin.probability_units
    (z0, y0, x0), (z1, y1, x1) = objects.lower.T, objects.upper.T
    further = (
        x, y, z, objects.voxels, probability * np.prod(voxel_um), objects.raw_sum / (objects.voxels * units),
        objects.raw_max / units, above_background, probability / objects.voxels, objects.elongation(voxel_um),
        x0, x1, y0, y1, z0, z1, _at_border(objects, origin.shape).astype(int),
        (objects.beside_excluded > 0).astype(int), numbers,
    )  # fmt: skip
    return table.assign(**dict(zip(FURTHER_COLUMNS, further, strict=True)))


def _ecc_columns(
    objects: Objects, position: npt.NDArray[Any], intensities: Intensities, voxel_um: VoxelUm
) -> pd.DataFrame:
    z, y, x = (position * np.array(voxel_um)).T
    delta = np.maximum(intensities.signal - intensities.background, 0.0)
    volume = objects.voxels * float(np.prod(voxel_um))
    values = (x, y, z, delta, intensities.background, volume, delta * volume)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def _at_border(objects: Objects, shape: Shape) -> npt.NDArray[np.bool_]:
    """Whether an object touches the border of the volume; a volume of one plane has none along z."""
    extent = np.array(shape)
    return np.any(((objects.lower == 0) | (objects.upper == extent - 1)) & (extent > 1), axis=1)
