"""`ecc-px info`: what a project or an image is, and where each fact came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def info(
    path: Annotated[Path, typer.Argument(help="An ilastik project (.ilp) or an image.", show_default=False)],
) -> None:
    """Show what an ilastik project or an image is."""
    console = Console()
    if path.suffix == ".ilp":
        from ecc_px.cli.info_project import describe_project

        describe_project(path, console)
    else:
        from ecc_px.cli.info_volume import describe_volume

        describe_volume(path, console)
