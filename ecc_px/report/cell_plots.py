"""Pictures of a table of cells: how bright, how clear, how large and how dense they are."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecc_px.cells.exports import CellDensity
from ecc_px.cells.filtering import signal_to_background
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.volumes.partial import written_whole

BINS = 100
SHOWN = 99.5
"""Percentile at which the linear axis of a profile ends; cells above it count in its last bin."""

INK, BAR, MARK = "#222222", "#3b6ea5", "#d1495b"

Scale = Literal["linear", "log"]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many cells have which values.

    Parameters
    ----------
    scale : {"linear", "log"}
    edges : (n + 1,) float64
        Bins are closed below and open above. The last linear bin has the cells above it too.
    counts : (n,) int64
    """

    scale: Scale
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Profile:
    """The distribution of one measure over all cells.

    Parameters
    ----------
    measure, unit : str
    cells : int
        All of them.
    positive : int
        With a finite value above 0: what a logarithmic axis can show.
    finite : int
        With a finite value.
    median, mean, p05, p95 : float
        Of the finite values; NaN where there are none.
    histograms : tuple of Histogram
        Linear and logarithmic; none where there are no values.
    """

    measure: str
    unit: str
    cells: int
    finite: int
    positive: int
    median: float
    mean: float
    p05: float
    p95: float
    histograms: tuple[Histogram, ...]


def profiles_of(cells: CellFile) -> list[Profile]:
    """Of intensity (deltaI), signal-to-background ratio and volume."""
    parts: list[npt.NDArray[np.float32]] = [np.zeros((3, 0), np.float32)]
    cells.require(POSITION)
    for rows in cells.rows(numbers=("deltaI", "BG", "vol")):
        table = rows.table
        parts.append(np.stack([table["deltaI"], signal_to_background(table), table["vol"]]).astype(np.float32))
    values = np.concatenate(parts, axis=1)
    measures = (("deltaI", "raw"), ("SBR", ""), ("vol", "µm³"))
    return [profile(row, measure, unit) for row, (measure, unit) in zip(values, measures, strict=True)]


def profile(values: npt.NDArray[np.float32], measure: str, unit: str) -> Profile:
    """The distribution of values, of which some may be infinite or NaN."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    nan = float("nan")
    median, p05, p95 = (float(p) for p in np.percentile(finite, (50, 5, 95))) if len(finite) else (nan, nan, nan)
    histograms = []
    if len(finite):
        low, high = min(0.0, float(finite.min())), float(np.percentile(finite, SHOWN))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        histograms.append(Histogram("linear", edges, np.histogram(np.minimum(finite, edges[-1]), edges)[0]))
    if len(positive):
        low, high = float(positive.min()), float(positive.max())
        edges = np.geomspace(low, high if high > low else low * 2, BINS + 1)
        edges[0], edges[-1] = low, max(high, edges[-1])  # a rounded edge must lose no cell
        histograms.append(Histogram("log", edges, np.histogram(positive, edges)[0]))
    mean = float(finite.mean(dtype=np.float64)) if len(finite) else nan
    return Profile(measure, unit, len(values), len(finite), len(positive), median, mean, p05, p95, tuple(histograms))


def write_profiles(profiles: Sequence[Profile], path: Path, *, overwrite: bool = False) -> None:
    """Write all histograms as one CSV file: measure, unit, scale, low, high, cells."""
    with (
        written_whole(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["measure", "unit", "scale", "low", "high", "cells"])
        for entry in profiles:
            for histogram in entry.histograms:
                bins = zip(histogram.edges[:-1], histogram.edges[1:], histogram.counts.tolist(), strict=True)
                table.writerows(
                    [entry.measure, entry.unit, histogram.scale, f"{low:.6g}", f"{high:.6g}", count]
                    for low, high, count in bins
                )


def draw_profiles(profiles: Sequence[Profile], path: Path, name: str, *, overwrite: bool = False) -> None:
    """Draw each profile on a linear and on logarithmic axes, as a PNG."""
    figure = Figure(figsize=(11, 3 * len(profiles)), facecolor="white", layout="constrained")
    for row, entry in zip(figure.subplots(len(profiles), 2, squeeze=False), profiles, strict=True):
        for axes, scale in zip(row, ("linear", "log"), strict=True):
            _draw(axes, entry, next((h for h in entry.histograms if h.scale == scale), None))
    cells = profiles[0].cells if profiles else 0
    figure.suptitle(f"{name}: {cells:,} cells", color=INK, x=0.01, ha="left")
    with written_whole(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def draw_density(density: CellDensity, path: Path, name: str, *, overwrite: bool = False) -> None:
    """Draw the mean density along z, y and x, as a PNG with a scale."""
    per_mm3, box = density.per_mm3, density.box_um
    views = (("along z", 0, ("x", "y")), ("along y", 1, ("x", "z")), ("along x", 2, ("y", "z")))
    means = [per_mm3.mean(axis=axis, dtype=np.float64) for _, axis, _ in views]
    widths = [max(mean.shape[1], 0.15 * max(m.shape[1] for m in means)) for mean in means]
    height = 14 * max(m.shape[0] for m in means) / sum(widths)
    figure = Figure(figsize=(15, min(max(height, 2.5), 12) + 1), facecolor="white", layout="constrained")
    top = max(float(mean.max()) for mean in means) or 1.0
    every = figure.subplots(1, 3, width_ratios=widths)
    for axes, mean, (title, _, (across, down)) in zip(every, means, views, strict=True):
        extent = (0, mean.shape[1] * box / 1000, mean.shape[0] * box / 1000, 0)
        image = axes.imshow(mean, cmap="magma", vmin=0, vmax=top, extent=extent, interpolation="nearest")
        axes.set_title(f"mean {title}", color=INK, fontsize=10, loc="left")
        axes.set_xlabel(f"{across} (mm)")
        axes.set_ylabel(f"{down} (mm)")
    figure.colorbar(image, ax=every, label="cells per mm³", shrink=0.8)
    figure.suptitle(f"{name}: {density.inside:,} cells in boxes of {box:g} µm", color=INK, x=0.01, ha="left")
    with written_whole(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw(axes: Axes, entry: Profile, histogram: Histogram | None) -> None:
    unit = f" ({entry.unit})" if entry.unit else ""
    axes.set_xlabel(f"{_LONG_NAMES[entry.measure]}{unit}", color=INK)
    axes.set_ylabel("cells", color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if histogram is None:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=INK)
        return
    axes.stairs(histogram.counts, histogram.edges, fill=True, color=BAR)
    axes.axvline(entry.median, color=MARK, linewidth=1.2)
    if histogram.scale == "log":
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(0.5)
        infinite = entry.cells - entry.finite
        left_out = [
            f"{count:,} {what}"
            for count, what in ((infinite, "infinite or unknown"), (entry.finite - entry.positive, "not above 0"))
            if count
        ]
        title = f"not shown: {', '.join(left_out)}" if left_out else ""
    else:
        title = f"median {entry.median:,.4g}, 5 % {entry.p05:,.4g}, 95 % {entry.p95:,.4g}; the last bin has all above"
    axes.set_title(title, color=INK, fontsize=9, loc="left")


_LONG_NAMES = {"deltaI": "deltaI: signal − background", "SBR": "signal-to-background ratio", "vol": "volume"}
