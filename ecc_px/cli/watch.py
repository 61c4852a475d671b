"""`ecc-px watch`: the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Facility = Annotated[
    Path,
    typer.Argument(metavar="FACILITY", help="The configuration; `ecc-px service init` writes one.", show_default=False),
]


def watch(
    facility: Facility,
    once: Annotated[
        bool, typer.Option("--once", help="Take what is complete by the times of its files, do it, and end.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken, and why the rest would not; write nothing.")
    ] = False,
) -> None:
    """Watch folders; check, classify and count every brain that arrives, until SIGTERM. SIGHUP reads FACILITY again."""
    if dry_run:
        from ecc_px.service.condition import would_take
        from ecc_px.service.config import read_facility

        brains, problems = would_take(read_facility(facility))
        for problem in problems:
            typer.echo(f"Warning: {problem}", err=True)
        for brain in brains:
            typer.echo(f"{brain.title}: {brain.state}. {brain.reason}")
        if not brains:
            typer.echo("Nothing matches.")
        return
    from ecc_px.service import logs
    from ecc_px.service.beside import BESIDE
    from ecc_px.service.serving import serve

    logs.set_up()
    failed = serve(facility, once=once, companions=BESIDE)
    if failed:
        typer.echo(f"{len(failed)} brains failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)
