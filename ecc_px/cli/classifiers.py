"""`ecc-px classifiers`: classifiers that have a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli.options import Overwrite, VoxelUm

if TYPE_CHECKING:
    from ecc_px.classifiers.registry import SavedClassifier

app = typer.Typer(help="Give classifiers names, and find them again.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The classifier's name.", show_default=False)]


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="Letters, digits, and . _ + - after the first.", show_default=False)],
    path: Annotated[Path, typer.Argument(help="A trained classifier: .ilp or .pxc.", show_default=False)],
    stain: Annotated[str | None, typer.Option(help="What is stained, e.g. PV.", show_default=False)] = None,
    note: Annotated[str | None, typer.Option(help="Anything else to remember.", show_default=False)] = None,
    voxel_um: VoxelUm = None,
    overwrite: Overwrite = False,
) -> None:
    """Copy a classifier under a name, which then stands for it wherever a MODEL is asked for."""
    from ecc_px.classifiers.saving import save_classifier

    saved = save_classifier(name, path, stain=stain, voxel_um=voxel_um, note=note, overwrite=overwrite)
    typer.echo(f"{saved.name}: {saved.path}")


@app.command("list")
def list_() -> None:
    """List the saved classifiers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecc_px.classifiers.registry import registry_folder, saved_classifiers

    saved = saved_classifiers()
    if not saved:
        typer.echo(f"No classifier is saved in {registry_folder()}: save one by `ecc-px classifiers save NAME PV.ilp`.")
        return
    table = Table("name", "stain", "voxel size", "classes", "saved")
    for one in saved:
        facts = (one.name, one.stain or "", _voxel_text(one), ", ".join(one.classes), one.saved[:10])
        table.add_row(*(Text(fact) for fact in facts))
    Console().print(table)


@app.command("show")
def show(name: Name) -> None:
    """Show what is known of a saved classifier."""
    from ecc_px.classifiers.registry import saved_classifier

    saved = saved_classifier(name)
    facts = {
        "name": saved.name,
        "file": str(saved.path),
        "saved": f"{saved.saved} from {saved.source}",
        "sha256": saved.sha256,
        "stain": saved.stain or "",
        "voxel size": _voxel_text(saved),
        "classes": ", ".join(f"{label} {class_name}" for label, class_name in enumerate(saved.classes, start=1)),
        "features": saved.features,
        "note": saved.note or "",
    }
    for fact, value in facts.items():
        if value:
            typer.echo(f"{fact:<11} {value}")


@app.command("remove")
def remove(name: Name) -> None:
    """Delete a saved classifier; the name must be exact."""
    from ecc_px.classifiers.registry import remove_classifier

    removed = remove_classifier(name)
    typer.echo(f"{removed.name}: removed {removed.path}.")


def _voxel_text(saved: SavedClassifier) -> str:
    return "" if saved.voxel_um is None else " × ".join(f"{um:g}" for um in saved.voxel_um) + " µm (z y x)"
