"""`ecc-px verify` and `ecc-px rerun`: is a result what its receipt says, and does it come out again?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecc_px.cli.options import Jobs, OutputFolder, Overwrite
from ecc_px.cli.progress import voxel_progress


def verify(
    output: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT", help="A result with its receipt beside it.", show_default=False),
    ],
    sample: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also compute N random blocks again, from the input and the classifier. A table of cells is made "
            "again as a whole.",
        ),
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Of the choice of blocks. Default: another each time.", show_default=False)
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Hash a result again, a predicted image block by block, and compare with its receipt."""
    from ecc_px.pipeline.verification import verify as verify_output

    with voxel_progress(output.name) as progress:
        found = verify_output(output, sample=sample, seed=seed, jobs=jobs, progress=progress)
    for place in found.differing:
        typer.echo(f"Error: {found.output}: {place}", err=True)
    if not found.ok:
        count = f"{len(found.differing):,} places are" if len(found.differing) > 1 else "one place is"
        typer.echo(f"Error: {found.output}: {count} different. Make it again: ecc-px rerun.", err=True)
        raise typer.Exit(1)
    if found.groups:
        again = f", {found.blocks:,} random blocks computed again" if found.blocks else ""
        typer.echo(f"{found.output}: all {found.groups:,} block groups are as they were written{again}.")
    else:
        typer.echo(f"{found.output}: as it was written{', and the same comes out again' if found.blocks else ''}.")


def rerun(
    receipt: Annotated[
        Path,
        typer.Argument(
            metavar="RECEIPT",
            help="Receipt of a predicted image or of a table of cells, or what it lies beside.",
            show_default=False,
        ),
    ],
    output: OutputFolder,
    overwrite: Overwrite = False,
) -> None:
    """Make a result again from its receipt: the same bytes, with the same version of the program."""
    from ecc_px.pipeline.verification import rerun as make_again

    with voxel_progress(receipt.name) as progress:
        made = make_again(receipt, output, overwrite=overwrite, progress=progress)
    typer.echo(str(made))
