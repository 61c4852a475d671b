"""What a person should know of a training, as tables on a terminal or in a text file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecc_px.classifiers.evaluation import TrainingReport
from ecc_px.volumes.partial import written_whole

MOST_IMPORTANT = 12
"""Features that are listed by name."""


def training_tables(report: TrainingReport, seconds: Mapping[str, float]) -> RenderableType:
    """Labels, out-of-bag confusion, lanes left out, features by importance."""
    parts: list[RenderableType] = [_labels_table(report), Text(_error_sentence(report)), _confusion_table(report)]
    if report.lanes_left_out:
        parts.append(_lanes_table(report))
    took = ", ".join(f"{step} {duration:.1f} s" for step, duration in seconds.items())
    parts += [_importance_table(report), Text(f"{report.trees} trees, {report.nodes:,} nodes; {took}.")]
    return Group(*parts)


def write_training_text(report: TrainingReport, seconds: Mapping[str, float], path: Path) -> Path:
    """The tables as plain text."""
    text = StringIO()
    console = Console(width=120, file=text, color_system=None)
    console.print(training_tables(report, seconds))
    return _write(path, text.getvalue())


def write_training_json(report: TrainingReport, seconds: Mapping[str, float], path: Path) -> Path:
    """Everything that is known, and the seconds."""
    content = {**report.as_json(), "left_out_accuracy": report.left_out_accuracy, "seconds": dict(seconds)}
    return _write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _labels_table(report: TrainingReport) -> Table:
    table = Table("labelled voxels", *report.classes, title="Labels", title_justify="left")
    for lane, counts in zip(report.lanes, report.labelled, strict=True):
        table.add_row(Text(lane), *(f"{count:,}" for count in counts))
    if len(report.lanes) > 1:
        table.add_row("all", *(f"{sum(column):,}" for column in zip(*report.labelled, strict=True)))
    table.add_row("used", *(f"{count:,}" for count in report.used))
    return _numbers_right(table)


def _error_sentence(report: TrainingReport) -> str:
    if report.out_of_bag_error is None:
        return "Out-of-bag error: unknown, there are too few trees."
    return f"Out-of-bag error: {report.out_of_bag_error:.2%} of voxels."


def _confusion_table(report: TrainingReport) -> Table:
    given = (f"→ {name}" for name in report.classes)
    table = Table("out of bag", *given, "right", title="Confusion", title_justify="left")
    for label, (name, row) in enumerate(zip(report.classes, report.confusion, strict=True)):
        right = f"{row[label] / sum(row):.1%}" if sum(row) else "–"
        table.add_row(Text(name), *(f"{count:,}" for count in row), right)
    return _numbers_right(table)


def _lanes_table(report: TrainingReport) -> Table:
    table = Table("left out", "voxels", "right", title="By lane left out", title_justify="left")
    for lane in report.lanes_left_out:
        table.add_row(Text(lane.lane), f"{lane.voxels:,}", "–" if lane.accuracy is None else f"{lane.accuracy:.1%}")
    if report.left_out_accuracy is not None:
        table.add_row("all", "", f"{report.left_out_accuracy:.1%}")
    return _numbers_right(table)


def _importance_table(report: TrainingReport) -> Table:
    table = Table("feature", "share", title="Importance (decrease of Gini's impurity)", title_justify="left")
    for name, share in report.by_importance()[:MOST_IMPORTANT]:
        table.add_row(Text(name), f"{share:.1%}")
    left = len(report.features) - MOST_IMPORTANT
    if left > 0:
        rest = sum(share for _, share in report.by_importance()[MOST_IMPORTANT:])
        table.add_row(f"{left} more", f"{rest:.1%}")
    return _numbers_right(table)


def _numbers_right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _write(path: Path, text: str) -> Path:
    with written_whole(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
