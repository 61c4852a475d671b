"""`ecc-px cells`: from a probability image to a table of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ecc_px.cells.measuring import IntensityMode
    from ecc_px.cells.table import Cells

app = typer.Typer(help="Find cells and make their table.", no_args_is_help=True)


@app.callback()
def cells() -> None:
    """Find cells and make their table."""


@app.command("find")
def find(
    probabilities: Annotated[
        Path, typer.Argument(metavar="PROB", help="Probability image (uint8, uint16 or float32).")
    ],
    raw: Annotated[Path, typer.Option("--raw", help="The raw volume, on the same grid.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for <name>_cells.csv.")],
    voxel_um: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--voxel-um", metavar="Z Y X", help="Voxel size in µm, z y x. Default: what the files say."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Voxels whose probability is above it, strictly, are an object's.")
    ] = 0.7,
    connectivity: Annotated[int, typer.Option(help="Neighbours of a voxel: 6, 18 or 26.")] = 6,
    min_volume: Annotated[int, typer.Option(help="Smallest cell in voxels, itself included.")] = 1,
    max_volume: Annotated[
        int | None, typer.Option(help="Largest cell in voxels, itself included. Default: no limit.")
    ] = None,
    class_: Annotated[
        str | None,
        typer.Option("--class", help="The class that is the cells: its label (from 1) or name. Default: label 1."),
    ] = None,
    raw_channel: Annotated[int, typer.Option(help="Channel of the raw volume to measure, from 0.")] = 0,
    intensity: Annotated[
        str,
        typer.Option(help="A cell's signal: obj_mean (its voxels), max or local_mean (a cube around its centre)."),
    ] = "obj_mean",
    local_max_rad: Annotated[int, typer.Option(help="Half-width in voxels of the cube for max and local_mean.")] = 1,
    local_min_rad: Annotated[int, typer.Option(help="Half-width in voxels of the cube for the background.")] = 4,
    local_min_percentile: Annotated[float, typer.Option(help="Percentile of that cube that is the background.")] = 5.0,
    mask: Annotated[Path | None, typer.Option(help="Volume whose voxels above 0 are left out.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Threads.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing table.")] = False,
) -> None:
    """Find cells in a probability image and write their table, ecc's columns, in µm and raw intensities."""
    from ecc_px.cells import find_cells
    from ecc_px.cells.table import table_name
    from ecc_px.volumes import open_volume
    from ecc_px.volumes.partial import PartialOutput, write_errors_named

    with open_volume(probabilities) as image, _progress("Finding cells") as progress:
        table = output / table_name(image.name)
        PartialOutput(table, overwrite=overwrite).refuse_existing()  # now, not after the work
        found = find_cells(
            image,
            raw,
            voxel_um=voxel_um,
            threshold=threshold,
            connectivity=connectivity,
            min_volume=min_volume,
            max_volume=max_volume,
            class_=class_,
            raw_channel=raw_channel,
            intensity=cast("IntensityMode", intensity),
            local_max_rad=local_max_rad,
            local_min_rad=local_min_rad,
            local_min_percentile=local_min_percentile,
            mask=mask,
            jobs=jobs,
            progress=progress,
        )
    with write_errors_named(output):
        output.mkdir(parents=True, exist_ok=True)
    found.write_csv(table, overwrite=overwrite)
    for warning in found.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    typer.echo(f"{table}: {summary_line(found)}")


def summary_line(cells: Cells) -> str:
    """What was found, and what was left out and why."""
    summary = cells.summary
    left_out = [
        f"{count:,} {reason}"
        for count, reason in (
            (summary.too_small, "objects too small"),
            (summary.too_large, "objects too large"),
            (summary.masked_voxels, "voxels masked"),
        )
        if count
    ]
    found = f"{summary.cells:,} {'cell' if summary.cells == 1 else 'cells'}"
    return found + (f" (left out: {', '.join(left_out)})" if left_out else "")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)
