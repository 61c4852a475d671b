"""The command line: one module per command group; each parses, calls the library, prints.

Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from ecc_px.cli import (
    cells,
    check,
    classifiers,
    convert,
    info,
    labels,
    predict,
    project,
    receipts,
    run,
    service,
    train,
    unfinished,
    warmup,
    watch,
)
from ecc_px.cli.voxel_size import CommandLine
from ecc_px.errors import EccPxError
from ecc_px.version import __version__

app = typer.Typer(
    name="ecc-px",
    cls=CommandLine,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecc-px {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version, and end.")
    ] = False,
) -> None:
    """From a brain on a disk and an ilastik classifier to cells in a table, without anybody sitting there."""


app.command("info")(info.info)
app.command("check")(check.check)
app.command("convert")(convert.convert)
app.command("predict")(predict.predict)
app.add_typer(cells.app, name="cells")
app.command("run")(run.run)
app.command("progress")(unfinished.progress)
app.command("verify")(receipts.verify)
app.command("rerun")(receipts.rerun)
app.add_typer(labels.app, name="labels")
app.add_typer(project.app, name="project")
app.command("train")(train.train)
app.add_typer(classifiers.app, name="classifiers")
app.command("watch")(watch.watch)
app.add_typer(service.app, name="service")
app.command("warmup")(warmup.warmup)


GO_ON = ("predict", "run", "watch")
"""Commands that go on where they were stopped."""


class Stopped(BaseException):
    """A signal asks us to stop: what runs is ended in order, like any other error."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number


def _stop(signal_number: int, frame: FrameType | None) -> None:
    raise Stopped(signal_number)


def _after_stop(command: list[str]) -> str:
    """What is left of a command that was stopped."""
    if command and command[0] in GO_ON:
        return "Stopped. What was finished is kept: the same command goes on from there."
    return "Stopped. What was not finished is gone; what was finished is there."


def main() -> None:
    """Run the command line; an error that the user can mend is one sentence and exit code 1."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        app()
    except EccPxError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except Stopped as stopped:
        print(_after_stop(sys.argv[1:2]), file=sys.stderr)
        sys.exit(128 + stopped.signal_number)
