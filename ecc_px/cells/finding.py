"""From a probability image and the raw volume to a table of cells, block by block.

The way: threshold → connected components of every block, split into the basins of touching cells → fragments joined
across the seams → volume limits → intensities around the centres → table. Whatever crosses a block's border is a sum
of integers or follows a local rule, and objects are ordered by their first voxel; so the table is the same, to the
byte, for any block shape and number of threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ecc_px.cells.block_shape import LARGEST_BLOCK, LARGEST_SPLIT_BLOCK, block_shape_for
from ecc_px.cells.diameter import estimated_diameter
from ecc_px.cells.inputs import Inputs, Kind, channel_of_class, kind_of, label_of_class
from ecc_px.cells.measuring import BackgroundMode, IntensityMode, Measuring
from ecc_px.cells.objects import Objects
from ecc_px.cells.passes import Passes
from ecc_px.cells.selection import Selection, Sorting
from ecc_px.cells.splitting import Split, Splitter
from ecc_px.cells.table import Cells, Summary, cells_table, ecc_table
from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.volumes import Volume, VoxelUm, open_volume
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.dtypes import LABEL_DTYPES
from ecc_px.volumes.streaming import Progress
from ecc_px.volumes.voxel_size import resolve_voxel_size

THRESHOLD, ECC_THRESHOLD = 0.5, 0.7


def find_cells(
    probabilities: str | Path | Volume,
    raw: str | Path | Volume,
    *,
    voxel_um: VoxelUm | None = None,
    input: Kind | Literal["auto"] = "auto",
    threshold: float | None = None,
    split: Split | None = None,
    diameter_um: float | None = None,
    connectivity: int | None = None,
    min_volume: int | None = None,
    max_volume: int | None = None,
    class_: int | str | None = None,
    raw_channel: int = 0,
    intensity: IntensityMode = "obj_mean",
    local_max_rad: int = 1,
    background: BackgroundMode | None = None,
    local_min_rad: int = 4,
    local_min_percentile: float = 5.0,
    like: Literal["ecc"] | None = None,
    exclude: str | Path | Volume | None = None,
    jobs: int | None = None,
    block_shape: Shape | None = None,
    progress: Progress | None = None,
) -> Cells:
    """Find cells in a probability image and measure them in the raw volume.

    Parameters
    ----------
    probabilities : path or Volume
        uint8, uint16 or float32; ilastik's exports and ecc's ``probability`` included. Or a class map or a label
        image, see `input`.
    raw : path or Volume
        Intensities on the same grid.
    voxel_um : (z, y, x) µm, optional
        Default: what the files say.
    input : "auto", "probabilities", "classes" or "labels"
        What the first image holds: probabilities, the number of its class for each voxel, or the number of its
        object. "auto" takes integers of 32 bits or more for labels, a channel named ``class`` (our segmentations)
        for classes, and everything else for probabilities.
    threshold : float, optional
        A voxel is an object's when its probability is above it, strictly and meant in votes: 70 of 100 trees are
        not above 0.7. `ecc_px.cells.threshold` says how each dtype is compared. Default: 0.5; like ecc: 0.7.
    split : "auto", "none", "maxima" or "distance", optional
        How touching cells are parted, see `ecc_px.cells.splitting`. Default: "auto"; of labels and like ecc: "none".
    diameter_um : float, optional
        Of a cell; default: estimated from the connected components.
    connectivity : 6, 18 or 26, optional
        Which voxels are neighbours: by a face, also by an edge, also by a corner. Default: 26 where objects are
        split, which is all that splitting knows; else 6.
    min_volume, max_volume : int, optional
        Volume of a cell in voxels, both included; default: no limit. Like ecc, what has `min_volume` voxels is
        left out, too.
    class_ : int or str, optional
        Label or name of the class that is the cells. Default: label 1.
    raw_channel : int
        Channel of the raw volume to measure, counted from 0.
    intensity : "obj_mean", "max" or "local_mean"
        A cell's signal: mean over its voxels, or maximum or mean over a cube around its centre.
    local_max_rad : int
        Half-width in voxels of the cube for the signal (`max`, `local_mean`).
    background : "shell" or "percentile", optional
        Mean of what is no object in a box of 30 µm, or a percentile of a cube, the object included. Default: "shell";
        like ecc: "percentile".
    local_min_rad : int
        Half-width in voxels of the cube for the percentile.
    local_min_percentile : float
    like : "ecc", optional
        Make ecc's table: its columns and no others, its definitions, its rounding.
    exclude : path or Volume, optional
        Voxels above 0 are left out.
    jobs : int, optional
        Threads; default: one for each processor.
    block_shape : (z, y, x), optional
        Voxels of a block; memory and speed depend on it, the table does not.
    progress : callable, optional
        Called with the voxels done and the voxels to do.

    Returns
    -------
    Cells

    Raises
    ------
    GridMismatch
        Image, raw volume and excluded region differ in shape.
    UnknownVoxelSize
        Neither `voxel_um` nor the files say how large a voxel is.
    InvalidSetting
        A setting makes no sense, alone or together with another.
    UnreadableVolume
        A volume is damaged, holds NaN, or is no probability image.
    """
    _refuse_unknown("input", input, ("auto", *get_args(Kind)))
    _refuse_unknown("like", like, (None, "ecc"))
    _refuse_unknown("split", split, (None, *get_args(Split)))
    is_like_ecc = like == "ecc"
    how = Measuring(
        intensity,
        local_max_rad,
        background or ("percentile" if is_like_ecc else "shell"),
        local_min_rad,
        local_min_percentile,
    )
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if jobs < 1:
        raise InvalidSetting(f"jobs {jobs}: at least 1 thread is needed.")
    if block_shape is not None and min(block_shape) < 1:
        raise InvalidSetting(f"block shape {block_shape}: at least 1 voxel along each axis is needed.")
    if diameter_um is not None and not (math.isfinite(diameter_um) and diameter_um > 0):
        raise InvalidSetting(f"diameter {diameter_um} µm: a length above 0 is needed, or auto.")
    with ExitStack() as opened:
        image = _open(probabilities, opened, dtypes=LABEL_DTYPES)
        kind = kind_of(image) if input == "auto" else input
        method = split or ("none" if is_like_ecc or kind == "labels" else "auto")
        if kind == "labels" and method != "none":
            raise InvalidSetting(f"{image.path}: its labels are objects already: split {method} is for probabilities.")
        if diameter_um is not None and method == "none":
            raise InvalidSetting(f"diameter {diameter_um:g} µm: it is for splitting, and nothing is split.")
        selection = _selection(connectivity, min_volume, max_volume, is_split=method != "none", is_like_ecc=is_like_ecc)
        inputs = Inputs(
            image=image,
            kind=kind,
            channel=channel_of_class(image, class_) if kind == "probabilities" else 0,
            label=label_of_class(image, class_) if kind == "classes" else 1,
            threshold=threshold if threshold is not None else ECC_THRESHOLD if is_like_ecc else THRESHOLD,
            raw=_open(raw, opened),
            raw_channel=raw_channel,
            exclude=None if exclude is None else _open(exclude, opened),
            like_ecc=is_like_ecc,
        )
        voxel_um, warnings = _voxel_size(voxel_um, inputs)
        is_split = method != "none"
        largest = LARGEST_SPLIT_BLOCK if is_split else LARGEST_BLOCK
        core = block_shape_for(inputs.volumes, jobs, largest) if block_shape is None else block_shape
        count = 3 if is_split and diameter_um is None else 2
        passes = Passes(inputs, voxel_um, core, jobs, count, progress or (lambda done, total: None))
        objects, summary = _find(passes, selection, method, diameter_um)
        measured = passes.intensities(count - 1, objects, how)
        if is_like_ecc:
            table = ecc_table(objects, measured, voxel_um)
        else:
            table = cells_table(objects, measured, inputs, voxel_um)
    if not len(objects):
        asked = f"threshold {inputs.threshold:g}, " if kind == "probabilities" else ""
        warnings += (f"{image.path}: no cell was found ({asked}{summary.objects} objects).",)
    return Cells(table, summary, voxel_um, warnings)


def _find(passes: Passes, selection: Selection, method: Split, diameter_um: float | None) -> tuple[Objects, Summary]:
    """All objects that are cells, in raster order, and what became of the others."""
    inputs, number, splitter = passes.inputs, 0, None
    if method != "none":
        if diameter_um is None:
            components = passes.shapes(number, selection.connectivity)
            number += 1
            diameter_um = estimated_diameter(components, passes.voxel_um, flat=inputs.shape[0] == 1)
        splitter = Splitter(method, diameter_um, passes.voxel_um, inputs.shape)
    found = Sorting(selection, 0.0 if splitter is None else splitter.least_probability * inputs.probability_units)
    if inputs.kind == "labels":
        excluded = passes.labelled(number, found)
    else:
        excluded = passes.components(number, selection.connectivity, splitter, found)
    objects = found.cells()
    n, small, large = len(objects), found.too_small, found.too_large
    diameter = None if splitter is None else splitter.diameter_um
    return objects, Summary(found.components, n + small + large, small, large, n, excluded, diameter)


def _selection(
    connectivity: int | None, min_volume: int | None, max_volume: int | None, *, is_split: bool, is_like_ecc: bool
) -> Selection:
    """The limits that were asked for; ecc's lower one is the largest volume that is no cell."""
    if is_split and connectivity in (6, 18):
        raise InvalidSetting(f"connectivity {connectivity}: objects are split among 26 neighbours; or say split none.")
    least = (0 if min_volume is None else min_volume) + 1 if is_like_ecc else 1 if min_volume is None else min_volume
    chosen = connectivity if connectivity is not None else 26 if is_split else 6
    return Selection(chosen, least, max_volume)


def _refuse_unknown(name: str, chosen: object, known: Sequence[object]) -> None:
    if chosen not in known:
        raise InvalidSetting(f"{name} {chosen!r}: choose one of {', '.join(str(k) for k in known if k is not None)}.")


def _open(volume: str | Path | Volume, opened: ExitStack, **options: Any) -> Volume:
    """A volume that was given open stays open; one that we open is closed at the end."""
    return volume if isinstance(volume, Volume) else opened.enter_context(open_volume(volume, **options))


def _voxel_size(given: VoxelUm | None, inputs: Inputs) -> tuple[VoxelUm, tuple[str, ...]]:
    """The voxel size to use, and a sentence for every file that says something else."""
    chosen = given or inputs.raw.voxel_um or inputs.image.voxel_um
    if chosen is None:
        raise UnknownVoxelSize(
            f"{inputs.raw.path}: the file does not say how large a voxel is: pass --voxel-um Z Y X (µm)."
        )
    if not all(np.isfinite(size) and size > 0 for size in chosen):
        raise InvalidSetting(f"voxel size {chosen}: three lengths in µm (z, y, x) above 0 are needed.")
    doubts = [resolve_voxel_size(volume, chosen)[1] for volume in (inputs.raw, inputs.image)]
    return chosen, tuple(doubt for doubt in doubts if doubt is not None)
