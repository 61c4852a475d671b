"""What the commands that take several volumes say about each, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import typer

Result = TypeVar("Result")


def process(sources: Sequence[Path], work: Callable[[Path], Result], describe: Callable[[Result], list[str]]) -> None:
    """Do `work` for every source and print the lines that `describe` makes of its result.

    Exits with code 1 if any source failed, after the others are done.
    """
    from ecc_px.pipeline.batch import Done, Failed, each

    failures: list[Failed] = []
    for outcome in each(sources, work):
        if isinstance(outcome, Done):
            for line in describe(outcome.result):
                typer.echo(line)
        else:
            failures.append(outcome)
            typer.echo(f"Error: {outcome.reason}", err=True)
            if outcome.trace:
                typer.echo(f"{outcome.trace}\nThis is a bug in ecc-px; please report it.", err=True)
    if failures and len(sources) > 1:
        typer.echo(
            f"{len(failures)} of {len(sources)} inputs failed: {', '.join(str(f.source) for f in failures)}", err=True
        )
    if failures:
        raise typer.Exit(1)


def warn(warnings: Sequence[str]) -> None:
    """Say on standard error what a person should know."""
    for warning in warnings:
        typer.echo(f"Warning: {warning}", err=True)
