"""Everything that people look at of a brain that is done: the picture, the page, and a small picture for lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecc_px.cells.inputs import channel_of_class
from ecc_px.pipeline.cells import CellTable
from ecc_px.report.overview import overview
from ecc_px.report.page import page_path, write_brain_page
from ecc_px.volumes import Volume, open_volume

SHOWN_COLUMNS = ("X", "Y", "Z", "deltaI", "vol", "SBR", "at_border")
"""All that picture and page look at: of millions of cells, the whole table would take four times the memory."""


@dataclass(frozen=True)
class BrainReport:
    """Where the picture and the page of a brain lie."""

    picture: Path
    page: Path


def report_of(out_dir: Path, name: str) -> BrainReport:
    """Where they will lie."""
    return BrainReport(out_dir / f"{name}_overview.png", page_path(out_dir, name))


def thumbnail_path(out_dir: Path, name: str) -> Path:
    """Where the small picture of a brain lies."""
    return out_dir / f"{name}_thumbnail.jpg"


def write_report(
    volume: Volume,
    probabilities: Path,
    cells: CellTable,
    *,
    class_: str | int | None = None,
    thumbnail: bool = False,
    overwrite: bool = False,
) -> BrainReport:
    """Write the picture and the page of a brain beside its table of cells.

    Parameters
    ----------
    volume : Volume
        The raw data.
    probabilities : Path
        The probability image, with its receipt.
    cells : CellTable
        With its receipt, too.
    class_ : name or number, optional
        The class that cells were found in, as it was given to `find_cells`.
    thumbnail : bool
        Write a small picture, too.
    overwrite : bool

    Raises
    ------
    OutputExists, OutputFailed
    """
    out_dir = cells.path.parent
    report = report_of(out_dir, volume.name)
    found = cells.cells
    table = found.only(SHOWN_COLUMNS)
    with open_volume(probabilities) as image:
        overview(
            volume,
            image,
            table,
            report.picture,
            voxel_um=found.voxel_um,
            object_class=channel_of_class(image, class_),
            thumbnail=thumbnail_path(out_dir, volume.name) if thumbnail else None,
            overwrite=overwrite,
        )
    write_brain_page(
        report.page,
        volume.name,
        table,
        probabilities=probabilities,
        cells=cells.path,
        picture=report.picture,
        overwrite=overwrite,
    )
    return report
