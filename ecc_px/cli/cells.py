"""`ecc-px cells`: from a probability image to a table of cells."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli import cell_tables
from ecc_px.cli.batch import warn
from ecc_px.cli.options import (
    Axes,
    DiameterUm,
    Executor,
    Jobs,
    Level,
    MaxVolume,
    MinVolume,
    ObjectClass,
    OutputFolder,
    Overwrite,
    Split,
    Threshold,
    VoxelUm,
    WorkersName,
    diameter_of,
)
from ecc_px.cli.progress import voxel_progress

if TYPE_CHECKING:
    from ecc_px.cells import Cells

app = typer.Typer(help="Find cells and make their table.", no_args_is_help=True)


@app.callback()
def cells() -> None:
    """Find cells and make their table."""


class Intensity(StrEnum):
    obj_mean = "obj_mean"
    max = "max"
    local_mean = "local_mean"


class Background(StrEnum):
    shell = "shell"
    percentile = "percentile"


class Input(StrEnum):
    auto = "auto"
    probabilities = "probabilities"
    classes = "classes"
    labels = "labels"


class Like(StrEnum):
    ecc = "ecc"


@app.command("find")
def find(
    probabilities: Annotated[
        Path,
        typer.Argument(
            metavar="PROB",
            help="Probability image: uint8, uint16 or float32, ilastik's or ours. Or class map, or label image.",
            show_default=False,
        ),
    ],
    raw: Annotated[
        Path,
        typer.Option(
            "--raw",
            help="The raw volume, on the same grid (--axes and --level say how to read it).",
            show_default=False,
        ),
    ],
    output: OutputFolder,
    voxel_um: VoxelUm = None,
    input_: Annotated[
        Input,
        typer.Option("--input", help="What PROB holds. auto: 32-bit integers are labels, our segmentations classes."),
    ] = Input.auto,
    threshold: Threshold = None,
    split: Split = None,
    diameter_um: DiameterUm = "auto",
    connectivity: Annotated[
        int | None,
        typer.Option(
            help="Neighbours of a voxel: 6 (faces), 18 (edges too) or 26 (corners too). "
            "Default: 26 where objects are split, else 6.",
            show_default=False,
        ),
    ] = None,
    min_volume: MinVolume = None,
    max_volume: MaxVolume = None,
    class_: ObjectClass = None,
    raw_channel: Annotated[
        str,
        typer.Option(
            "--raw-channel",
            "--channel",
            metavar="N|NAME",
            help="Channel of the raw volume to measure, by its number from 0 or its name.",
        ),
    ] = "0",
    intensity: Annotated[
        Intensity,
        typer.Option(help="A cell's signal: mean of its voxels, or maximum or mean of a cube around its centre."),
    ] = Intensity.obj_mean,
    local_max_rad: Annotated[
        int, typer.Option(min=0, help="Half-width in voxels of the cube for max and local_mean.")
    ] = 1,
    background: Annotated[
        Background | None,
        typer.Option(
            help="Mean of what is no object in a box of 30 µm (shell), or ecc's percentile of a cube. "
            "Default: shell; like ecc: percentile.",
            show_default=False,
        ),
    ] = None,
    local_min_rad: Annotated[int, typer.Option(min=0, help="Half-width in voxels of the cube for percentile.")] = 4,
    local_min_percentile: Annotated[float, typer.Option(help="Percentile of that cube that is the background.")] = 5.0,
    exclude: Annotated[
        Path | None,
        typer.Option(
            "--exclude",
            "--mask",
            help="Volume on the same grid whose voxels above 0 are LEFT OUT, as in ecc.",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        Like | None,
        typer.Option(help="Make ecc's table: its seven columns, its definitions, its rounding.", show_default=False),
    ] = None,
    axes: Axes = None,
    level: Level = 0,
    jobs: Jobs = None,
    executor: Executor = WorkersName.threads,
    overwrite: Overwrite = False,
) -> None:
    """Find cells in a probability image: writes OUTPUT/<name>_cells.csv, in µm and raw intensities."""
    from ecc_px.pipeline.cells import write_cells
    from ecc_px.volumes import open_volume
    from ecc_px.volumes.channel_view import channel_number
    from ecc_px.volumes.streaming import pool_of, usable_processors

    diameter = diameter_of(diameter_um)
    with (
        open_volume(raw, axes=axes, level=level) as measured,
        pool_of(executor.value, jobs or usable_processors()) as pool,
        voxel_progress(probabilities.name) as progress,
    ):
        written = write_cells(
            probabilities,
            measured,
            output,
            overwrite=overwrite,
            progress=progress,
            voxel_um=voxel_um,
            input=input_.value,
            threshold=threshold,
            split=split and split.value,
            diameter_um=diameter,
            connectivity=connectivity,
            min_volume=min_volume,
            max_volume=max_volume,
            class_=class_,
            raw_channel=channel_number(measured, raw_channel),
            intensity=intensity.value,
            local_max_rad=local_max_rad,
            background=background and background.value,
            local_min_rad=local_min_rad,
            local_min_percentile=local_min_percentile,
            exclude=exclude,
            like=like and like.value,
            jobs=jobs,
            executor=pool,
        )
    warn(written.cells.warnings)
    typer.echo(f"{written.path}: {summary_line(written.cells)}")


def summary_line(cells: Cells) -> str:
    """What was found, and what was left out and why."""
    summary = cells.summary
    was_split = summary.diameter_um is not None
    parts = "parts of objects" if was_split else "objects"
    left_out = [
        f"{count:,} {reason}"
        for count, reason in (
            (summary.too_small_or_faint, f"{parts} too small" + (" or too faint" if was_split else "")),
            (summary.too_large, f"{parts} too large"),
            (summary.excluded_voxels, "voxels excluded"),
        )
        if count
    ]
    found = f"{summary.cells:,} {'cell' if summary.cells == 1 else 'cells'}"
    if summary.diameter_um is not None and summary.cells:
        found += f" of {summary.diameter_um:.1f} µm in {summary.objects:,} object{'s' * (summary.objects != 1)}"
    return found + (f" (left out: {', '.join(left_out)})" if left_out else "")


cell_tables.register(app)
