"""What a classifier file of our own (.pxc) is, for a person."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecc_px.classifiers.bundle import Bundle, read_bundle
from ecc_px.cli.info_project import forest_sentence
from ecc_px.features import features_text


def describe_classifier(path: Path, console: Console) -> None:
    """Classes, features, forest, and on what it was trained."""
    bundle = read_bundle(path)
    console.print(Text(f"{path}: a classifier of ecc-px", style="bold"), soft_wrap=True)
    console.print(_classes_table(bundle))
    console.print(
        Text(f"Features: {features_text(bundle.features)}, {len(bundle.feature_names)} columns."), soft_wrap=True
    )
    console.print(Text(forest_sentence(bundle.forest)), soft_wrap=True)
    if bundle.voxel_um is not None:
        size = " × ".join(f"{um:g}" for um in bundle.voxel_um)
        console.print(Text(f"Trained on voxels of {size} µm (z y x)."))
    lanes = ", ".join(bundle.report.get("lanes", ()))
    error = bundle.report.get("out_of_bag_error")
    if lanes:
        console.print(Text(f"Trained on {lanes}."), soft_wrap=True)
    if error is not None:
        console.print(Text(f"Out-of-bag error: {error:.2%} of voxels."))


def _classes_table(bundle: Bundle) -> Table:
    table = Table("label", "class", "role", "colour", "voxels", title="Classes", title_justify="left")
    used = bundle.report.get("used", ())
    for label_class in bundle.classes:
        red, green, blue = label_class.colour
        table.add_row(
            str(label_class.label),
            Text(label_class.name),
            label_class.role or "",
            Text("██", style=f"rgb({red},{green},{blue})"),
            f"{used[label_class.label - 1]:,}" if label_class.label <= len(used) else "",
        )
    return table
