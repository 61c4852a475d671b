"""One picture of a training: how many labels, how good the forest is, and which features it asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ecc_px.classifiers.evaluation import TrainingReport
from ecc_px.volumes.partial import written_whole

MOST_IMPORTANT = 20
MOST_LANES = 15
"""Bars that fit into the picture."""

INK, BAR, FAINT = "#222222", "#3b6ea5", "#c9d6e5"


def training_picture(report: TrainingReport, path: str | Path) -> Path:
    """Draw the labels of each class, the out-of-bag confusion, lanes left out, and the importance of features.

    Parameters
    ----------
    report : TrainingReport
    path : path
        The PNG to write; an earlier one is replaced.
    """
    path = Path(path)
    figure = Figure(figsize=(14, 8), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.6))
    _labels(figure.add_subplot(grid[0, 0]), report)
    _confusion(figure.add_subplot(grid[1, 0]), report)
    if report.lanes_left_out:
        right = grid[:, 1].subgridspec(2, 1, height_ratios=(2, 1))
        _importance(figure.add_subplot(right[0]), report)
        _lanes(figure.add_subplot(right[1]), report)
    else:
        _importance(figure.add_subplot(grid[:, 1]), report)
    with written_whole(path, overwrite=True) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path


def _labels(axes: Axes, report: TrainingReport) -> None:
    counts = np.array(report.labelled).reshape(len(report.lanes), len(report.classes))
    places = np.arange(len(report.classes))
    shown = counts[:MOST_LANES]
    shades = np.linspace(1, 0.45, max(1, len(shown)))
    below = np.zeros(len(report.classes))
    for row, shade in zip(shown, shades, strict=False):
        axes.barh(places, row, left=below, color=BAR, alpha=shade, edgecolor="white", linewidth=0.5)
        below = below + row
    axes.barh(places, counts.sum(axis=0) - below, left=below, color=FAINT)
    for place, total, used in zip(places, counts.sum(axis=0), report.used, strict=True):
        text = f"{total:,}" if used == total else f"{total:,} ({used:,} used)"
        axes.annotate(text, (total, place), (4, 0), textcoords="offset points", va="center", color=INK, fontsize=9)
    axes.set_yticks(places, _class_names(report))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(1, int(counts.sum(axis=0).max())))
    _title(
        axes,
        "labelled voxels"
        if len(report.lanes) == 1
        else f"labelled voxels, a shade for each of {len(report.lanes)} images",
    )


def _confusion(axes: Axes, report: TrainingReport) -> None:
    counts = np.array(report.confusion, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    places = range(len(counts))
    axes.set_xticks(places, [str(label) for label in range(1, len(counts) + 1)])
    axes.set_yticks(places, _class_names(report))
    axes.set_xlabel("class that was given", color=INK)
    if len(counts) <= 8:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.6 else INK
            text = f"{shares[row, column]:.1%}\n{int(counts[row, column]):,}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    error = report.out_of_bag_error
    _title(axes, "out of bag" if error is None else f"out of bag: {error:.2%} wrong")


def _lanes(axes: Axes, report: TrainingReport) -> None:
    shown = report.lanes_left_out[:MOST_LANES]
    places = np.arange(len(shown))
    axes.barh(places, [lane.accuracy or 0.0 for lane in shown], color=BAR)
    for place, lane in zip(places, shown, strict=True):
        text = "unknown" if lane.accuracy is None else f"{lane.accuracy:.1%}"
        known = lane.accuracy is not None
        axes.annotate(
            text,
            (lane.accuracy or 0.0, place),
            (-4 if known else 4, 0),
            textcoords="offset points",
            ha="right" if known else "left",
            va="center",
            color="white" if known else INK,
            fontsize=9,
        )
    axes.set_yticks(places, [_shortened(lane.lane) for lane in shown])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    _title(axes, "right voxels of images left out")


def _importance(axes: Axes, report: TrainingReport) -> None:
    best = report.by_importance()[:MOST_IMPORTANT]
    places = np.arange(len(best))
    axes.barh(places, [share for _, share in best], color=BAR)
    axes.set_yticks(places, [name for name, _ in best], fontsize=9)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the decrease of impurity", color=INK)
    count = len(report.features)
    _title(axes, "features" if count <= MOST_IMPORTANT else f"the {MOST_IMPORTANT} most important of {count} features")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, color=INK, fontsize=11, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _class_names(report: TrainingReport) -> list[str]:
    return [f"{label} {_shortened(name)}" for label, name in enumerate(report.classes, start=1)]


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
