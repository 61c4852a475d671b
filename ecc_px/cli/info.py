"""`ecc-px info`: what a project, a classifier file or an image is, and where each fact came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ecc_px.cli.options import Axes, Channel, Level


def info(
    path: Annotated[
        Path, typer.Argument(help="An ilastik project (.ilp), a classifier (.pxc) or an image.", show_default=False)
    ],
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
) -> None:
    """Show what an ilastik project, a classifier file or an image is."""
    console = Console()
    if path.suffix == ".ilp":
        from ecc_px.cli.info_project import describe_project

        describe_project(path, console)
    elif path.suffix == ".pxc":
        from ecc_px.cli.info_classifier import describe_classifier

        describe_classifier(path, console)
    else:
        from ecc_px.cli.info_volume import describe_volume

        describe_volume(path, console, axes=axes, level=level, channel=channel)
