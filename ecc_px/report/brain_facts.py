"""What a person wants to know of a brain that is done: numbers from its table and its receipts, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SLABS = 80
"""Pieces of each axis, at most, in which cells are counted."""
BINS = 48
"""Of a histogram."""
SHOWN = 99.0
"""Percentile at which a histogram ends; the cells above it are in its last bin."""
AT_BORDER = 0.05
"""Share of cells at the border of the image above which it is worth a remark."""
AROUND_A_GAP = 30
"""Cells, in as many planes before and after planes without any, from which on these are worth a remark."""


_Slabs = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Edges of slabs along an axis in µm, and how many cells are in each."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Counts along one axis.

    Parameters
    ----------
    title, unit : str
        What the axis is.
    edges : (n + 1,) float64
    values : (n,) float64
    value_unit : str
        What is counted.
    """

    title: str
    unit: str
    edges: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    value_unit: str


@dataclass(frozen=True, eq=False)
class BrainFacts:
    """A brain in numbers and words.

    Parameters
    ----------
    name : str
    cells : int
    figures : sequence of (value, what it is)
        The few numbers that are shown large.
    sentence : str
        The result in one sentence.
    remarks : sequence of str
        What a person should know before trusting it; empty where nothing was noticed.
    density : sequence of Profile
        Cells per mm³ of image along z, y and x.
    distributions : sequence of Profile
        How many cells are how large, and how clear.
    made : sequence of (what, value)
        How it was made.
    """

    name: str
    cells: int
    figures: Sequence[tuple[str, str]]
    sentence: str
    remarks: Sequence[str]
    density: Sequence[Profile]
    distributions: Sequence[Profile]
    made: Sequence[tuple[str, str]]


def facts_of(name: str, table: pd.DataFrame, prediction: Mapping[str, Any], found: Mapping[str, Any]) -> BrainFacts:
    """The facts of one brain.

    Parameters
    ----------
    name : str
    table : DataFrame
        A cell table: X, Y, Z, vol in µm and µm³, and more where it has more.
    prediction, found : mapping
        The receipts of the probability image and of the table.
    """
    voxel_um = np.array(found["voxel_um_zyx"], float)
    raw = found["raw"]
    shape = np.array([dict(zip(raw["axes"], raw["shape"], strict=True)).get(axis, 1) for axis in "zyx"])
    extent_um = shape * voxel_um
    volume_mm3 = float(np.prod(extent_um / 1000))
    slabs = {a: _slabs(table, a, float(v), int(n)) for a, v, n in zip("zyx", voxel_um, shape, strict=True)}
    sections_mm2 = volume_mm3 / (extent_um / 1000)
    remarks = [*prediction.get("warnings", ()), *found.get("warnings", ()), *_remarks(table, float(voxel_um[0]))]
    size_mm = " × ".join(f"{length / 1000:.2f}" for length in extent_um)
    per_mm3 = len(table) / volume_mm3
    figures = [
        (f"{len(table):,}", "cell" if len(table) == 1 else "cells"),
        (_short(per_mm3), "per mm³ of image"),
        (_short(volume_mm3), "mm³ imaged"),
    ]
    if len(table):
        figures.append((f"{_diameter(float(table['vol'].median())):.1f} µm", "median diameter"))
    sentence = (
        f"{len(table):,} {'cell was' if len(table) == 1 else 'cells were'} found in an image of {size_mm} mm "
        f"(z, y, x), which is {_short(per_mm3)} in each mm³."
    )
    return BrainFacts(
        name,
        len(table),
        figures,
        sentence,
        list(dict.fromkeys(remarks)),
        [_density(axis, slabs[axis], float(mm2)) for axis, mm2 in zip("zyx", sections_mm2, strict=True)],
        _distributions(table, float(np.prod(voxel_um))),
        _made(prediction, found),
    )


def _slabs(table: pd.DataFrame, axis: str, voxel_um: float, voxels: int) -> _Slabs:
    """Cells in slabs across one axis, each of whole voxels, so that none has more positions than its share."""
    per_slab = -(-voxels // SLABS)
    edges_um = np.append(np.arange(0, voxels, per_slab), voxels) * voxel_um
    # The table has voxel number × voxel size; half a voxel more is the middle of that voxel.
    counts, _ = np.histogram(table[axis.upper()].to_numpy(float) + voxel_um / 2, edges_um)
    return edges_um, counts


def _density(axis: str, slabs: _Slabs, section_mm2: float) -> Profile:
    edges_mm, counts = slabs[0] / 1000, slabs[1]
    return Profile(f"along {axis}", "mm", edges_mm, counts / (np.diff(edges_mm) * section_mm2), "cells per mm³")


def _distributions(table: pd.DataFrame, voxel_um3: float) -> tuple[Profile, ...]:
    measures = (("vol", "volume", "µm³"), ("SBR", "signal to background", ""), ("deltaI", "signal − background", "raw"))
    chosen = [(column, title, unit) for column, title, unit in measures if column in table][:2]
    profiles = []
    for column, title, unit in chosen:
        values = table[column].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values):
            edges = _bins(values, voxel_um3 if column == "vol" else None)
            counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
            profiles.append(Profile(title, unit, edges, counts.astype(float), "cells"))
    return tuple(profiles)


def _bins(values: npt.NDArray[np.float64], quantum: float | None) -> npt.NDArray[np.float64]:
    """Edges of a histogram: bins of whole multiples where values come in such, or it would have spikes."""
    low, high = float(values.min()), float(np.percentile(values, SHOWN))
    if quantum is None:
        return np.linspace(low, high if high > low else low + 1, BINS + 1)
    first, last = np.floor(low / quantum - 0.25), np.ceil(high / quantum + 0.25)
    step = max(1.0, np.ceil((last - first) / BINS))
    return (np.arange(first, last + step, step) + 0.5) * quantum


def _remarks(table: pd.DataFrame, voxel_z_um: float) -> list[str]:
    """What the table itself shows that is unusual."""
    if not len(table):
        return [
            "No cell was found. Is it the classifier for this stain, and is the right channel read? The picture of the "
            "probabilities shows whether the classifier saw any."
        ]
    remarks = []
    if "at_border" in table and (share := float(table["at_border"].mean())) > AT_BORDER:
        remarks.append(
            f"{share * 100:.0f} % of the cells touch the border of the image and may be cut: is the brain wholly in it?"
        )
    gap = _gap(table["Z"].to_numpy(float), voxel_z_um)
    if gap is not None:
        remarks.append(
            f"There is not one cell between {gap[0] / 1000:.2f} and {gap[1] / 1000:.2f} mm along z, while there are "
            "cells before and after: look at these planes."
        )
    return remarks


def _gap(z_um: npt.NDArray[np.float64], voxel_um: float) -> tuple[float, float] | None:
    """The longest stretch of planes without cells, unless it is the end of the brain, or chance."""
    z_um = np.sort(z_um)
    if len(z_um) < 2:
        return None
    widest = int(np.diff(z_um).argmax())
    low, high = float(z_um[widest]) + voxel_um, float(z_um[widest + 1])
    width = high - low
    before = np.count_nonzero((z_um >= low - voxel_um - width) & (z_um < low))
    after = np.count_nonzero((z_um >= high) & (z_um <= high + width))
    return (low, high) if width > 0 and min(before, after) >= AROUND_A_GAP else None


def _made(prediction: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str]]:
    raw, classifier, settings, summary = found["raw"], prediction["classifier"], found["settings"], found["summary"]
    voxel_um = " × ".join(f"{v:g}" for v in found["voxel_um_zyx"])
    limits = [f"at least {settings['min_volume']} voxels" if (settings.get("min_volume") or 1) > 1 else ""]
    limits += [f"at most {settings['max_volume']} voxels" if settings.get("max_volume") else ""]
    diameter = summary.get("diameter_um")
    return [
        ("raw data", str(raw["path"])),
        ("image", f"{' × '.join(f'{n:,}' for n in raw['shape'])} ({', '.join(raw['axes'])}), {raw['dtype']}"),
        ("voxel", f"{voxel_um} µm (z, y, x)"),
        ("classifier", f"{classifier['path']}, sha256 {classifier['sha256'][:12]}…"),
        ("classes", ", ".join(classifier["classes"].values())),
        ("threshold", f"{settings['threshold']:g}" if settings.get("threshold") is not None else "–"),
        ("touching cells", f"split, of {diameter:.1f} µm" if diameter else "not split"),
        ("size of a cell", ", ".join(filter(None, limits)) or "any"),
        (
            "left out",
            f"{summary['too_small_or_faint']:,} "
            f"{'parts of objects too small or too faint' if diameter else 'objects too small'}, "
            f"{summary['too_large']:,} too large"
            + (f", {summary['excluded_voxels']:,} voxels excluded" if summary.get("excluded_voxels") else ""),
        ),
        (
            "time",
            f"{prediction['seconds'] / 60:,.1f} min to classify, {found['seconds'] / 60:,.1f} min to find the cells",
        ),
        ("finished", str(found["finished"]).replace("T", " ")),
        ("made with", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
    ]


def _diameter(volume_um3: float) -> float:
    """Of a sphere of this volume."""
    return float((6 * volume_um3 / np.pi) ** (1 / 3))


def _short(value: float) -> str:
    """Three figures, thousands in groups."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
