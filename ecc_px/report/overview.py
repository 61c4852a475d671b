"""One picture of a brain: what was imaged, what the classifier said, which cells were found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ecc_px.report.projection import maximum_projection
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.partial import written_whole

CLOSE_UP_UM = (40.0, 400.0, 400.0)
"""Extent of the close-up along (z, y, x)."""

THUMBNAIL = 480
"""Pixels that the longer side of a thumbnail may have."""

INK, PAPER, FOUND, TRUE = "#e8e8e8", "#111111", "#ff9f1c", "#2ec4f0"


@dataclass(frozen=True)
class Picture:
    """A projection and the place in the brain that it shows, (top, left) to (bottom, right) in µm."""

    image: npt.NDArray[Any]
    top: float
    left: float
    bottom: float
    right: float


def overview(
    raw: Volume,
    probabilities: Volume,
    cells: pd.DataFrame,
    path: str | Path,
    *,
    voxel_um: VoxelUm,
    object_class: int = 0,
    truth: npt.NDArray[np.float64] | None = None,
    thumbnail: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw a brain's raw data, probability image and cells, as a whole and close up where cells are densest.

    Parameters
    ----------
    raw, probabilities : Volume
        On the same grid; `probabilities` has one channel for each class.
    cells : DataFrame
        A cell table: columns X, Y, Z in µm.
    path : path
        The PNG to write.
    voxel_um : (z, y, x) µm
    object_class : int
        Channel of `probabilities` that the cells were found in.
    truth : (n, 3) array, optional
        Positions z, y, x of the cells that are really there, in µm from the corner of the volume.
    thumbnail : Path, optional
        A JPEG to write, too: the raw data and the cells, small.
    overwrite : bool

    Returns
    -------
    Path
        The PNG.
    """
    path = Path(path)
    # The table has voxel number × voxel size; half a voxel more is the middle of that voxel.
    found = cells[["Z", "Y", "X"]].to_numpy(float) + np.divide(voxel_um, 2)
    close = densest_box(found, raw.shape, voxel_um)
    whole = [_projected(volume, k, voxel_um) for volume, k in ((raw, 0), (probabilities, object_class))]
    detail = [_cut(volume, k, close, voxel_um) for volume, k in ((raw, 0), (probabilities, object_class))]
    certain = np.iinfo(probabilities.dtype).max if probabilities.dtype.kind in "ui" else 1.0

    aspect = (whole[0].bottom - whole[0].top) / (whole[0].right - whole[0].left)
    detail_aspect = (detail[0].bottom - detail[0].top) / (detail[0].right - detail[0].left)
    figure = Figure(figsize=(15, 5 * (aspect + detail_aspect) + 1.2), facecolor=PAPER, layout="constrained")
    axes = figure.subplots(2, 3, height_ratios=(aspect, detail_aspect))
    rows = zip(axes, (whole, detail), (found, _inside(found, close, voxel_um)), strict=True)
    for row, ((left, middle, right), (image, probability), centres) in enumerate(rows):
        depth = (raw.shape[0] if row == 0 else close[0].stop - close[0].start) * voxel_um[0]
        _show(left, image, f"{raw.name if row == 0 else 'close-up'}: maximum over {depth:,.0f} µm")
        _show(middle, probability, "probability of the object class", cmap="inferno", limits=(0.0, certain))
        _show(right, image, f"{len(centres):,} cells found", fade=0.6)
        if truth is not None and row == 1:
            true = _inside(truth, close, voxel_um)
            right.scatter(true[:, 2], true[:, 1], s=60, c=TRUE, marker="+", linewidths=1.2, label="true cell")
        _mark(right, centres, small=row == 0)
        _scale_bar(left, image)
    _frame(axes[0, 0], detail[0])
    axes[1, 2].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK, fontsize=9)
    with written_whole(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
    if thumbnail is not None:
        small = small_picture(whole[0].image, found[:, 1:] / (whole[0].bottom, whole[0].right))
        with written_whole(thumbnail, overwrite=overwrite) as temporary:
            imsave(temporary, small, format="jpeg", pil_kwargs={"quality": 85})
    return path


def small_picture(image: npt.NDArray[Any], centres: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """A projection with its cells, at most `THUMBNAIL` pixels large.

    Parameters
    ----------
    image : (rows, columns) array
    centres : (n, 2) array
        Positions of cells as shares of the height and of the width.

    Returns
    -------
    (rows, columns, 3) uint8
    """
    step = -(-max(image.shape) // THUMBNAIL)
    pooled = np.maximum.reduceat(image, np.arange(0, image.shape[0], step), axis=0)
    pooled = np.maximum.reduceat(pooled, np.arange(0, image.shape[1], step), axis=1).astype(np.float64)
    low, high = np.percentile(pooled, (1, 99.7))
    grey = np.clip((pooled - low) / max(high - low, 1e-6), 0, 1) * 0.75
    rows, columns = (np.clip(centres * pooled.shape, 0, np.subtract(pooled.shape, 1)).astype(int)).T
    # So many cells may share a pixel that the brain would vanish behind them: they shine through by their number.
    counts = np.zeros(pooled.shape)
    np.add.at(counts, (rows, columns), 1)
    shine = np.clip(counts / max(1.0, float(np.percentile(counts[counts > 0], 90)) if counts.any() else 1.0), 0, 1)
    blend = 0.85 * np.sqrt(shine)[..., np.newaxis]
    coloured = grey[..., np.newaxis] * (1 - blend) + np.array(to_rgb(FOUND)) * blend
    return np.round(coloured * 255).astype(np.uint8)


def densest_box(centres_um: npt.NDArray[np.float64], shape: Shape, voxel_um: VoxelUm) -> Region:
    """The box of `CLOSE_UP_UM` with most cells, of a grid of them; the middle one where there are no cells."""
    extent = [min(n, max(1, round(size / v))) for n, size, v in zip(shape, CLOSE_UP_UM, voxel_um, strict=True)]
    grid = [-(-n // e) for n, e in zip(shape, extent, strict=True)]
    edges = [np.arange(g + 1) * e * v for g, e, v in zip(grid, extent, voxel_um, strict=True)]
    counts, _ = np.histogramdd(centres_um, bins=edges)
    fullest = [int(i) for i in np.unravel_index(counts.argmax(), counts.shape)]
    chosen = fullest if counts.any() else [g // 2 for g in grid]
    starts = [min(i * e, n - e) for i, e, n in zip(chosen, extent, shape, strict=True)]
    z, y, x = (slice(start, start + e) for start, e in zip(starts, extent, strict=True))
    return z, y, x


def _projected(volume: Volume, channel: int, voxel_um: VoxelUm) -> Picture:
    image, _ = maximum_projection(volume, channel=channel)
    return Picture(image, 0.0, 0.0, volume.shape[1] * voxel_um[1], volume.shape[2] * voxel_um[2])


def _cut(volume: Volume, channel: int, region: Region, voxel_um: VoxelUm) -> Picture:
    image = volume.read(region, channel=channel)[0].max(axis=0)
    _, y, x = region
    return Picture(image, y.start * voxel_um[1], x.start * voxel_um[2], y.stop * voxel_um[1], x.stop * voxel_um[2])


def _inside(centres_um: npt.NDArray[np.float64], box: Region, voxel_um: VoxelUm) -> npt.NDArray[np.float64]:
    low = np.multiply([s.start for s in box], voxel_um)
    high = np.multiply([s.stop for s in box], voxel_um)
    return centres_um[((centres_um >= low) & (centres_um < high)).all(axis=1)]


def _show(
    axes: Axes,
    picture: Picture,
    title: str,
    *,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
    fade: float = 1.0,
) -> None:
    low, high = limits or np.percentile(picture.image, (1, 99.7))
    axes.imshow(
        picture.image,
        cmap=cmap,
        vmin=low,
        vmax=low + max(high - low, 1e-6) / fade,
        extent=(picture.left, picture.right, picture.bottom, picture.top),
        interpolation="nearest",
    )
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_axis_off()


def _mark(axes: Axes, centres_um: npt.NDArray[np.float64], *, small: bool) -> None:
    _, y, x = centres_um.T
    if small:
        axes.scatter(x, y, s=np.clip(2e4 / max(1, len(x)), 0.3, 8), c=FOUND, linewidths=0)
    else:
        axes.scatter(x, y, s=140, facecolors="none", edgecolors=FOUND, linewidths=1.4, label="found cell")


def _scale_bar(axes: Axes, picture: Picture) -> None:
    """A bar of a round length, about a fifth of the picture's width, in its lower left corner."""
    width, height = picture.right - picture.left, picture.bottom - picture.top
    decade = 10 ** np.floor(np.log10(width / 5))
    length = max(n for n in (1, 2, 5) if n * decade <= width / 5) * decade
    x, y = picture.left + 0.04 * width, picture.bottom - 0.05 * height
    axes.plot((x, x + length), (y, y), color=INK, linewidth=3, solid_capstyle="butt")
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    axes.text(x + length / 2, y - 0.02 * height, text, color=INK, ha="center", va="bottom", fontsize=10)


def _frame(axes: Axes, place: Picture) -> None:
    """Outline in the whole picture of what the close-up shows."""
    x = (place.left, place.right, place.right, place.left, place.left)
    y = (place.top, place.top, place.bottom, place.bottom, place.top)
    axes.plot(x, y, color=FOUND, linewidth=1.2)
