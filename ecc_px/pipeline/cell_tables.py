"""What is made from a table of cells: fewer rows, other formats, pairs; each with a receipt beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ecc_px.cells import exports
from ecc_px.cells.channel_shift import Estimate, Shift, estimate_shift, middle
from ecc_px.cells.filtering import Filtered, Rule, cells_inside, filter_cells
from ecc_px.cells.grid import AXES, Grid
from ecc_px.cells.matching import Pairs
from ecc_px.cells.pairing import Method, pair_cells
from ecc_px.cells.reading import CellFile
from ecc_px.cells.table import UNITS
from ecc_px.errors import EccPxError, InvalidSetting
from ecc_px.labels.template import parse_crop
from ecc_px.pipeline.receipt import now, receipt_path, write_receipt
from ecc_px.volumes import VoxelUm, open_volume
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.nifti import NiftiVolume
from ecc_px.volumes.partial import PartialOutput, write_errors_named

ExportFormat = Literal["cubic", "brainglobe", "napari", "parquet", "neuroglancer"]

_ENDINGS: dict[ExportFormat, str] = {
    "cubic": "_cubic.csv",
    "brainglobe": ".xml",
    "napari": "_napari.csv",
    "parquet": ".parquet",
    "neuroglancer": "_neuroglancer",
}

_PLACES: dict[ExportFormat, str] = {
    "cubic": AXES,
    "brainglobe": "x, y, z: whole voxels of the volume; voxel 0 is written as 1",
    "napari": "axis-0, axis-1, axis-2: z, y, x in voxels of the volume; 0 is the centre of the first voxel",
    "parquet": AXES,
    "neuroglancer": "x, y, z in voxels of the volume; 0.5 is the centre of the first voxel",
}


@dataclass(frozen=True)
class Exported:
    """A table in another format."""

    path: Path
    cells: int
    warnings: tuple[str, ...] = ()


def grid_of(table: CellFile, voxel_um: VoxelUm | None = None, shape: Shape | None = None) -> Grid:
    """The volume that a table was made from: what the user says, else what the receipt beside the table says.

    A NIfTI's own header says where its voxels lie, if the file is still where the receipt has it.
    """
    receipt = _receipt_of(table.path)
    images = [image for key in ("raw", "probabilities") if isinstance(image := receipt.get(key), Mapping)]
    stated = receipt.get("voxel_um_zyx")
    try:
        known = receipt.get("shape_zyx") or next((_shape_of(image) for image in images), None)
        if voxel_um is None and stated:
            voxel_um = (float(stated[0]), float(stated[1]), float(stated[2]))
        if shape is None and known:
            shape = (int(known[0]), int(known[1]), int(known[2]))
        affines = [_stated_affine(Path(image["path"])) for image in images if shape == _shape_of(image)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidSetting(
            f"{receipt_path(table.path)}: it is damaged ({error}). Remove it and pass --voxel-um and --shape."
        ) from error
    return Grid(str(table.path), voxel_um, shape, next((a for a in affines if a is not None), None))


def write_filtered(
    table: CellFile,
    path: Path,
    rules: Sequence[Rule],
    grid: Grid,
    *,
    mask: Path | None = None,
    overwrite: bool = False,
) -> Filtered:
    """Write the rows that pass all rules and lie in the mask, with a receipt. See `ecc_px.cells.filtering`."""
    started = now()
    PartialOutput(path, overwrite=overwrite).refuse_existing()
    _make_folder(path.parent)
    inside = None
    if mask is not None:
        with open_volume(mask) as volume:
            inside = cells_inside(table, volume, grid)
    result = filter_cells(table, path, rules, inside=inside, overwrite=overwrite)
    settings = {"rules": [str(rule) for rule in rules], "inside": None if mask is None else str(mask)}
    _write_receipt(path, table, grid, started, {**_columns_of(table), "settings": settings, "summary": asdict(result)})
    return result


def write_export(
    table: CellFile, to: ExportFormat, grid: Grid, *, path: Path | None = None, overwrite: bool = False
) -> Exported:
    """Write a table in another program's format, with a receipt that has units and axes.

    Parameters
    ----------
    path : Path, optional
        Default: beside the table.
    """
    started = now()
    path = path or table.path.with_name(table.stem + _ENDINGS[to])
    _make_folder(path.parent)
    warnings: list[str] = []
    match to:
        case "cubic":
            count = exports.write_cubic(table, path, overwrite=overwrite)
        case "brainglobe":
            count, warnings = exports.write_brainglobe(table, path, grid, overwrite=overwrite)
        case "napari":
            count = exports.write_napari(table, path, grid, overwrite=overwrite)
        case "parquet":
            count = exports.write_parquet(table, path, grid, overwrite=overwrite)
        case "neuroglancer":
            count = exports.write_neuroglancer(table, path, grid, overwrite=overwrite)
    content = {"format": to, "cells": count, **_columns_of(table), "positions": _PLACES[to], "warnings": warnings}
    _write_receipt(path, table, grid, started, content)
    return Exported(path, count, tuple(warnings))


def write_plots_receipt(
    table: CellFile, folder: Path, outputs: Sequence[Path], grid: Grid, started: datetime, content: Mapping[str, Any]
) -> Path:
    """Write the one receipt of all that was drawn of a table: `<folder>/<name>_plots.receipt.json`.

    Parameters
    ----------
    outputs : sequence of Path
        What was drawn; all of it is there.
    content : mapping
        Settings, and what was found.
    """
    drawn = {"outputs": [path.name for path in outputs], **content, **_columns_of(table)}
    path = plots_of(table, folder)
    _write_receipt(path, table, grid, started, drawn)
    return receipt_path(path)


def plots_of(table: CellFile, folder: Path) -> Path:
    """What all that is drawn of a table is called together."""
    return folder / f"{table.stem}_plots"


def write_pairs(
    a: CellFile,
    b: CellFile,
    path: Path,
    max_distance_um: float,
    grid: Grid,
    *,
    method: Method = "mutual",
    shift: Shift | None = None,
    overwrite: bool = False,
) -> Pairs:
    """Write the cells that two tables have in common, with a receipt. See `ecc_px.cells.pairing.pair_cells`."""
    started = now()
    _make_folder(path.parent)
    pairs = pair_cells(a, b, path, max_distance_um, method=method, shift=shift, overwrite=overwrite)
    content = {
        "pairs": len(pairs),
        "other": str(b.path.resolve()),
        "columns": "X, Y, Z: of the table; a_NAME: its other columns; b_NAME: columns of the other table",
        "units": {**UNITS, "distance_um": "µm, after the shift"},
        "axes": AXES,
        "settings": {
            "max_distance_um": max_distance_um,
            "method": method,
            "shift_um_zyx_of_b": None if shift is None else asdict(shift),
        },
    }
    _write_receipt(path, a, grid, started, content)
    return pairs


def shift_between(
    a: Path, b: Path, grid: Grid, *, midline_um: float | None = None, crops: Sequence[str] = (), channel: int = 0
) -> tuple[Shift, list[tuple[Region, Estimate]]]:
    """What to add to positions in raw volume b to lay them on raw volume a, by phase correlation.

    Parameters
    ----------
    a, b : Path
        Raw volumes of both channels, of one shape.
    grid : Grid
        Its voxel size; where unknown, that of volume a.
    midline_um : float, optional
        Estimate left and right of it separately.
    crops : sequence of str
        ``z0:z1,y0:y1,x0:x1``: where to look, at most one on each side. Default: the middle of each side.
    channel : int

    Returns
    -------
    shift : Shift
    estimates : list of (region, estimate)
        What was found where.
    """
    with ExitStack() as opened:
        first, second = (opened.enter_context(open_volume(path)) for path in (a, b))
        size = grid.voxel_um or first.voxel_um or grid.size_um
        width = first.shape[2]
        cut = width if midline_um is None else round(midline_um / size[2] + 0.5)
        if not 0 < cut < width and midline_um is not None:
            raise InvalidSetting(f"--midline {midline_um:g}: {a} is {width * size[2]:,.0f} µm wide.")
        sides = [slice(0, cut)] if midline_um is None else [slice(0, cut), slice(cut, width)]
        regions = [middle(first.shape, side) for side in sides]
        given = [parse_crop(text, first.shape) for text in crops]
        for region in given:
            regions[int((region[2].start + region[2].stop) / 2 >= cut and len(regions) > 1)] = region
        if sum(region in given for region in regions) < len(given):
            raise InvalidSetting(f"--crop: {len(given)} are given; at most one for each side of --midline is used.")
        estimates = [(region, estimate_shift(first, second, region, channel=channel)) for region in regions]
    found: list[VoxelUm] = []
    for _, estimate in estimates:
        z, y, x = (v * s for v, s in zip(estimate.voxels, size, strict=True))
        found.append((z, y, x))
    return Shift(found[0], found[-1], midline_um), estimates


def _make_folder(folder: Path) -> None:
    with write_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _receipt_of(table: Path) -> dict[str, Any]:
    """The receipt beside a table; empty where there is none."""
    path = receipt_path(table)
    if not path.is_file():
        return {}
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{path}: it is damaged ({error}). Remove it and pass --voxel-um and --shape.") from error
    return receipt if isinstance(receipt, dict) else {}


def _shape_of(image: Mapping[str, Any]) -> Shape:
    """Extent along z, y, x of an image that a receipt describes."""
    extent = dict(zip(image["axes"], image["shape"], strict=True))
    return int(extent.get("z", 1)), int(extent["y"]), int(extent["x"])


def _stated_affine(image: Path) -> Any:
    """Where a NIfTI's voxels lie, in µm; None for other formats, and where the file is gone."""
    if not image.name.lower().endswith((".nii", ".nii.gz")):
        return None
    try:
        with open_volume(image) as volume:
            return volume.affine_um if isinstance(volume, NiftiVolume) else None
    except EccPxError:
        return None


def _columns_of(table: CellFile) -> dict[str, Any]:
    units = {name: UNITS[name] for name in table.columns if name in UNITS}
    return {"columns": list(table.columns), "units": units, "axes": AXES}


def _write_receipt(path: Path, table: CellFile, grid: Grid, started: Any, content: Mapping[str, Any]) -> None:
    source = {"table": str(table.path.resolve()), "voxel_um_zyx": grid.voxel_um, "shape_zyx": grid.shape}
    write_receipt(path, {**content, **source}, started)
