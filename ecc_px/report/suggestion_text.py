"""Which features are worth their time, as tables on a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecc_px.classifiers.suggestion import Scored, Suggestion

BEST_ALONE = 12


def suggestion_tables(suggestion: Suggestion) -> RenderableType:
    """The best features by themselves, the curve, and what is proposed."""
    alone = _table("Alone", "feature", suggestion.alone[:BEST_ALONE])
    curve = _table("One after the other", "added", suggestion.curve, suggestion.proposed)
    proposed = suggestion.proposed
    return Group(
        alone,
        curve,
        Text(
            f"Right voxels, each class counting the same, judged by {suggestion.judged_by} on {suggestion.voxels:,} "
            f"labelled voxels, ± {suggestion.standard_error:.1%}; cost per voxel on one core, as modelled. "
            f"Proposed: {proposed.columns} columns, {proposed.accuracy:.1%}, {proposed.nanoseconds:.0f} ns."
        ),
    )


def _table(title: str, first: str, rows: tuple[Scored, ...], proposed: Scored | None = None) -> Table:
    table = Table(first, "right", "columns", "ns per voxel", "", title=title, title_justify="left")
    for column in table.columns[1:4]:
        column.justify = "right"
    for row in rows:
        mark = "← proposed" if row is proposed else ""
        table.add_row(row.added, f"{row.accuracy:.1%}", str(row.columns), f"{row.nanoseconds:.0f}", mark)
    return table
