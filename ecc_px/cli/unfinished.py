"""`ecc-px progress`: how far a prediction or a run is, from another terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ecc_px.cli.progress import duration


def progress(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="An output, finished or not, or the folder that it is made in.", show_default=False
        ),
    ],
) -> None:
    """How far a prediction or a run is, and whether it is still at work: for another terminal."""
    from ecc_px.errors import InvalidSetting
    from ecc_px.pipeline.work_folder import is_at_work, output_of, read_progress, work_folders

    if not place.exists() and not work_folders(place):
        raise InvalidSetting(f"{place}: there is nothing of this name, finished or unfinished.")
    works = work_folders(place)
    for work in works:
        typer.echo(f"{output_of(work)}: {_sentence(read_progress(work), is_at_work(work))}")
    if not works:
        typer.echo(f"{place}: nothing is unfinished here.")


def _sentence(facts: dict[str, Any] | None, is_alive: bool) -> str:
    state = "at work" if is_alive else "stopped; the same command goes on from here"
    if not facts:
        return f"begun, {state}"
    done, total = facts["done"], facts["total"]
    said = f"{facts['stage']}, {done / max(total, 1):.1%} ({done / 1e6:,.1f} of {total / 1e6:,.1f} Mvoxel)"
    seconds = facts["told"] - facts["began"]
    computed = done - facts["found"]
    if is_alive and computed > 0 and seconds > 0:
        speed = computed / seconds
        said += f", {speed / 1e6:.2f} Mvoxel/s, about {duration((total - done) / speed)} left"
    if is_alive:
        state += f" (process {facts['process']}, {duration(time.time() - facts['told'])} ago)"
    return f"{said}; {state}"
