"""`ecc-px cells filter|plot|export|pair|score`: what is done with a table of cells."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli.batch import warn
from ecc_px.cli.options import Overwrite, VoxelUm
from ecc_px.errors import InvalidSetting

if TYPE_CHECKING:
    from ecc_px.cells.channel_shift import Shift
    from ecc_px.cells.grid import Grid

Table = Annotated[Path, typer.Argument(metavar="TABLE", help="A table of cells (.csv).", show_default=False)]
VolumeShape = Annotated[
    tuple[int, int, int] | None,
    typer.Option(
        "--shape", metavar="Z Y X", help="The volume's size in voxels, z y x. Default: what the table's receipt says."
    ),
]
MaxDistance = Annotated[
    float, typer.Option("--max-distance-um", help="Farthest that partners may be apart, in µm.", show_default=False)
]


class To(StrEnum):
    cubic = "cubic"
    brainglobe = "brainglobe"
    napari = "napari"
    parquet = "parquet"
    neuroglancer = "neuroglancer"


class PairBy(StrEnum):
    mutual = "mutual"
    assignment = "assignment"


def filter_(
    table: Table,
    sbr: Annotated[
        float | None,
        typer.Option(help="Keep cells whose (deltaI + BG) / BG is above it; BG = 0 is kept.", show_default=False),
    ] = None,
    minimum: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="COLUMN=NUMBER", help="Repeatable: keep cells with at least this."),
    ] = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="COLUMN=NUMBER", help="Repeatable: keep cells with at most this."),
    ] = None,
    inside: Annotated[
        Path | None,
        typer.Option(help="Volume: keep cells that lie where it is above 0. May be coarser.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write. Default: TABLE_filtered.csv.", show_default=False),
    ] = None,
    voxel_um: VoxelUm = None,
    shape: VolumeShape = None,
    overwrite: Overwrite = False,
) -> None:
    """Keep the cells that pass all rules; their rows stay as they are, to the byte."""
    from ecc_px.cells.filtering import Rule, SignalToBackground, parse_limit
    from ecc_px.cells.reading import CellFile
    from ecc_px.pipeline.cell_tables import grid_of, write_filtered

    rules: list[Rule] = [] if sbr is None else [SignalToBackground(sbr)]
    rules += [parse_limit(text, lower=True) for text in minimum or ()]
    rules += [parse_limit(text, lower=False) for text in maximum or ()]
    if not rules and inside is None:
        raise InvalidSetting("There is no rule: pass --sbr, --min, --max or --inside.")
    cells = CellFile(table)
    path = output or table.with_name(f"{cells.stem}_filtered.csv")
    result = write_filtered(cells, path, rules, grid_of(cells, voxel_um, shape), mask=inside, overwrite=overwrite)
    if not result.kept:
        warn([f"{path}: no cell is left."])
    dropped = "; ".join(f"{count:,} not {rule}" for rule, count in result.dropped.items())
    total = result.kept + sum(result.dropped.values())
    typer.echo(f"{path}: kept {result.kept:,} of {total:,} cells (dropped: {dropped})")


def plot(
    table: Table,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the results. Default: the table's.", show_default=False),
    ] = None,
    box_um: Annotated[float, typer.Option(help="Side of the boxes of the density map, in µm.")] = 100.0,
    positions: Annotated[
        bool, typer.Option("--positions/--no-positions", help="Write the positions as NIfTI, as large as the volume.")
    ] = True,
    voxel_um: VoxelUm = None,
    shape: VolumeShape = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw intensity, signal-to-background and volume (PNG, CSV), a density map (PNG, NIfTI), positions (NIfTI)."""
    from ecc_px.cells.exports import density_of, write_density, write_positions
    from ecc_px.cells.reading import CellFile
    from ecc_px.pipeline.cell_tables import grid_of, plots_of, write_plots_receipt
    from ecc_px.pipeline.receipt import forget_receipt, now
    from ecc_px.report.cell_plots import draw_density, draw_profiles, profiles_of, write_profiles
    from ecc_px.volumes.partial import PartialOutput, write_errors_named

    started = now()
    cells = CellFile(table)
    grid = grid_of(cells, voxel_um, shape)
    folder = output or table.parent
    with write_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    endings = ("_profiles.csv", "_profiles.png", "_density.nii.gz", "_density.png", "_positions.nii.gz")
    paths = [folder / (cells.stem + ending) for ending in endings[: None if positions else -1]]
    for path in paths:
        PartialOutput(path, overwrite=overwrite).refuse_existing()
    forget_receipt(plots_of(cells, folder))
    density = density_of(cells, grid, box_um)
    profiles = profiles_of(cells)
    write_profiles(profiles, paths[0], overwrite=overwrite)
    draw_profiles(profiles, paths[1], cells.stem, overwrite=overwrite)
    write_density(density, paths[2], grid, overwrite=overwrite)
    draw_density(density, paths[3], cells.stem, overwrite=overwrite)
    if positions:
        write_positions(cells, paths[4], grid, overwrite=overwrite)
    warnings = []
    if density.outside:
        warnings = [
            f"{table}: {density.outside:,} cells lie outside the volume and are in no map. Is its receipt its own?"
        ]
    settings = {"box_um": box_um, "positions": positions}
    content = {"cells": profiles[0].cells, "warnings": warnings, "settings": settings}
    receipt = write_plots_receipt(cells, folder, paths, grid, started, content)
    warn(warnings)
    for path in (*paths, receipt):
        typer.echo(str(path))


def export(
    table: Table,
    to: Annotated[To, typer.Option("--to", help="Whose format.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File (neuroglancer: folder) to write; brainglobe: .xml, .yml or .csv. Default: beside the table.",
            show_default=False,
        ),
    ] = None,
    voxel_um: VoxelUm = None,
    shape: VolumeShape = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a table in another program's format; units and axes are in the file or in the receipt beside it."""
    from ecc_px.cells.reading import CellFile
    from ecc_px.pipeline.cell_tables import grid_of, write_export

    cells = CellFile(table)
    grid = grid_of(cells, voxel_um, shape)
    exported = write_export(cells, to.value, grid, path=output, overwrite=overwrite)
    warn(exported.warnings)
    typer.echo(f"{exported.path}: {exported.cells:,} cells")


def pair(
    a: Annotated[Path, typer.Argument(help="Table of cells of one channel.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Table of cells of the other channel.", show_default=False)],
    max_distance_um: MaxDistance,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: A_pairs.csv.", show_default=False)
    ] = None,
    method: Annotated[
        PairBy,
        typer.Option(help="mutual: each the other's nearest. assignment: the least sum of distances."),
    ] = PairBy.mutual,
    shift: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="Z Y X", help="Add to B's positions, µm.", show_default=False),
    ] = None,
    midline: Annotated[
        float | None, typer.Option(help="X in µm that parts left from right.", show_default=False)
    ] = None,
    shift_left: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="Z Y X", help="Add to B's positions left of --midline, µm.", show_default=False),
    ] = None,
    shift_right: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="Z Y X", help="Add to B's positions right of --midline, µm.", show_default=False),
    ] = None,
    shift_from: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="RAW_A RAW_B", help="Estimate the shift from the raw volumes of both channels.", show_default=False
        ),
    ] = None,
    crop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="Z0:Z1,Y0:Y1,X0:X1",
            help="Where --shift-from looks, in voxels; one for each side of --midline. Default: the middle.",
            show_default=False,
        ),
    ] = None,
    voxel_um: VoxelUm = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the cells that two tables have in common, one to one (double-positive cells)."""
    from ecc_px.cells.reading import CellFile
    from ecc_px.pipeline.cell_tables import grid_of, write_pairs

    first, second = CellFile(a), CellFile(b)
    grid = grid_of(first, voxel_um)
    path = output or a.with_name(f"{first.stem}_pairs.csv")
    _refuse_contradiction(shift, midline, (shift_left, shift_right), shift_from, crop)
    moved = _shift(shift, midline, shift_left, shift_right, shift_from, crop or [], grid)
    pairs = write_pairs(
        first, second, path, max_distance_um, grid, method=method.value, shift=moved, overwrite=overwrite
    )
    if not len(pairs):
        warn([f"{path}: no cell of {a} lies within {max_distance_um:g} µm of one of {b}."])
    typer.echo(f"{path}: {len(pairs):,} pairs")


def score(
    found: Annotated[Path, typer.Argument(help="Table of cells to judge.", show_default=False)],
    truth: Annotated[
        Path,
        typer.Argument(
            help="The true cells: a table of cells, or columns z_um, y_um, x_um from the volume's corner.",
            show_default=False,
        ),
    ],
    max_distance_um: MaxDistance,
    voxel_um: VoxelUm = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how many of the true cells were found, and how precisely: nearest pairs first, one to one."""
    from ecc_px.cells.reading import CellFile
    from ecc_px.cells.scoring import score_tables
    from ecc_px.pipeline.cell_tables import grid_of

    tables = CellFile(found), CellFile(truth)
    result = score_tables(*tables, grid_of(tables[0], voxel_um), max_distance_um)
    if as_json:
        rates = {"precision": result.precision, "recall": result.recall, "f1": result.f1}
        numbers = {**asdict(result), **rates, "max_distance_um": max_distance_um}
        typer.echo(json.dumps(numbers if result.matched else numbers | _NO_ERRORS, indent=2))
    else:
        typer.echo(str(result))


_NO_ERRORS = {"median_um": None, "rms_um": None, "bias_um": None}
"""JSON has no NaN."""


def register(app: typer.Typer) -> None:
    """Add these commands to `ecc-px cells`."""
    app.command("filter")(filter_)
    app.command("plot")(plot)
    app.command("export")(export)
    app.command("pair")(pair)
    app.command("score")(score)


def _refuse_contradiction(
    shift: object, midline: float | None, sides: tuple[object, object], shift_from: object, crop: object
) -> None:
    ways = [shift is not None, any(side is not None for side in sides), shift_from is not None]
    if sum(ways) > 1:
        raise InvalidSetting("Give the shift in one way: --shift, --shift-left and --shift-right, or --shift-from.")
    if ways[1] and midline is None:
        raise InvalidSetting("--shift-left and --shift-right need --midline, the X in µm that parts left from right.")
    if midline is not None and not (ways[1] or ways[2]):
        raise InvalidSetting("--midline needs --shift-left, --shift-right or --shift-from.")
    if crop and not ways[2]:
        raise InvalidSetting("--crop is where --shift-from looks; pass that too.")


def _shift(
    shift: tuple[float, float, float] | None,
    midline: float | None,
    left: tuple[float, float, float] | None,
    right: tuple[float, float, float] | None,
    shift_from: tuple[Path, Path] | None,
    crops: list[str],
    grid: Grid,
) -> Shift | None:
    from ecc_px.cells.channel_shift import Shift
    from ecc_px.pipeline.cell_tables import shift_between

    if shift_from is not None:
        estimated, estimates = shift_between(*shift_from, grid, midline_um=midline, crops=crops)
        for (region, estimate), um in zip(estimates, (estimated.left, estimated.right), strict=False):
            box = ",".join(f"{along.start}:{along.stop}" for along in region)
            values = " ".join(f"{value:+.2f}" for value in um)
            typer.echo(f"shift in {box}: {values} µm (z y x), peak {estimate.sharpness:.0f} standard deviations")
        return estimated
    if shift is not None:
        return Shift(shift)
    nothing = (0.0, 0.0, 0.0)
    return None if midline is None else Shift(left or nothing, right or nothing, midline)
