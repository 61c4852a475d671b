"""One page about a brain that is done: a single HTML file that needs nothing else and can be sent to anybody."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecc_px.pipeline.receipt import receipt_path
from ecc_px.report.brain_facts import BrainFacts, facts_of
from ecc_px.report.svg_plots import plot
from ecc_px.volumes.partial import written_whole


def page_path(out_dir: Path, name: str) -> Path:
    """Where the page of a brain lies."""
    return out_dir / f"{name}_report.html"


def brain_page(facts: BrainFacts, picture: bytes | None, files: Mapping[str, int]) -> str:
    """The page as text.

    Parameters
    ----------
    facts : BrainFacts
    picture : bytes or None
        A PNG, which becomes a part of the page.
    files : mapping of name to bytes
        What lies beside the page; it links to them.
    """
    image = None if picture is None else f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
    return _templates().get_template("brain.html").render(facts=facts, image=image, files=files)


def write_brain_page(
    path: Path,
    name: str,
    table: pd.DataFrame,
    *,
    probabilities: Path,
    cells: Path,
    picture: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page of a brain, from its table of cells and the receipts of its outputs.

    Parameters
    ----------
    path : Path
        The HTML file; `page_path` says where it usually lies.
    name : str
    table : DataFrame
        The table of cells.
    probabilities, cells : Path
        The outputs whose receipts tell how they were made.
    picture : Path, optional
        The overview, a PNG.
    overwrite : bool

    Raises
    ------
    OutputExists, OutputFailed
    """
    facts = facts_of(name, table, _receipt(probabilities), _receipt(cells))
    beside = [cells, receipt_path(cells), probabilities, receipt_path(probabilities)]
    files = {file.name: file.stat().st_size for file in beside if file.is_file() and file.parent == path.parent}
    text = brain_page(facts, None if picture is None else picture.read_bytes(), files)
    with written_whole(path, overwrite=overwrite) as temporary:
        # A file name that is no valid text is shown with question marks.
        temporary.write_bytes(text.encode("utf-8", "replace"))
    return path


def _receipt(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(receipt_path(output).read_text(encoding="utf-8"))
    return content


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(plot=plot)
    return environment
