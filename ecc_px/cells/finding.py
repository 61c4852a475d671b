"""From a probability image and the raw volume to a table of cells, block by block.

The way: threshold → connected components of every block, split into the basins of touching cells → fragments joined
across the seams → volume limits → doubtful ones judged by how many cells are around → intensities around the
centres → table. Whatever crosses a block's border is a sum of integers or follows a local rule, and objects are
ordered by their first voxel; so the table is the same, to the byte, for any block shape and number of threads.
"""

from __future__ import annotations

import inspect
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from ecc_px.cells.block_shape import LARGEST_BLOCK, LARGEST_SPLIT_BLOCK, block_shape_for
from ecc_px.cells.centring import Centring
from ecc_px.cells.crowding import Crowding
from ecc_px.cells.inputs import Inputs, Kind, channel_of_class, kind_of, label_of_class
from ecc_px.cells.measuring import BackgroundMode, IntensityMode
from ecc_px.cells.packing import PackedObjects
from ecc_px.cells.passes import Passes
from ecc_px.cells.selection import Evidence, Sorting
from ecc_px.cells.settings import Input, Like, Settings, refuse_unknown, settings_for
from ecc_px.cells.splitting import Split, Splitter
from ecc_px.cells.table import Cells, Origin, Summary, TableRows
from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.volumes import Volume, VoxelUm, open_volume
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.dtypes import LABEL_DTYPES
from ecc_px.volumes.streaming import Progress, usable_processors
from ecc_px.volumes.voxel_size import refuse_impossible, resolve_voxel_size

NO_SETTINGS = ("probabilities", "raw", "executor", "progress")
"""Parameters of `find_cells` that say nothing of what a cell is."""


def find_cells(
    probabilities: str | Path | Volume,
    raw: str | Path | Volume,
    *,
    voxel_um: VoxelUm | None = None,
    input: Input = "auto",
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
    like: Like | None = None,
    exclude: str | Path | Volume | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
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
        Voxels above 0 in any channel are left out.
    jobs : int, optional
        Threads; default: one for each processor. With an `executor`, how many workers to keep busy.
    executor : concurrent.futures.Executor, optional
        What works on the blocks, threads or processes on this machine or another; it stays open. The table does not
        depend on it. Volumes are opened again in other processes. Default: threads.
    block_shape : (z, y, x), optional
        Voxels of a block; memory and speed depend on it, the table does not.
    progress : callable, optional
        Called with the voxels done and the voxels in all; each pass over the volume is a share of a voxel's work.

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
    WorkerDied
        A process of the executor was killed.
    """
    check_settings(voxel_um=voxel_um, input=input, jobs=jobs, block_shape=block_shape)
    choose = partial(
        settings_for,
        threshold=threshold,
        split=split,
        diameter_um=diameter_um,
        connectivity=connectivity,
        min_volume=min_volume,
        max_volume=max_volume,
        intensity=intensity,
        local_max_rad=local_max_rad,
        background=background,
        local_min_rad=local_min_rad,
        local_min_percentile=local_min_percentile,
        like=like,
    )
    choose("probabilities" if input == "auto" else input)  # refuses before anything is opened
    jobs = usable_processors() if jobs is None else jobs
    with ExitStack() as opened:
        image = _open(probabilities, opened, dtypes=LABEL_DTYPES)
        kind = kind_of(image) if input == "auto" else input
        settings = choose(kind)
        inputs = Inputs(
            image=image,
            kind=kind,
            channel=channel_of_class(image, class_) if kind == "probabilities" else 0,
            label=label_of_class(image, class_) if kind == "classes" else 1,
            threshold=settings.threshold,
            raw=_open(raw, opened),
            raw_channel=raw_channel,
            exclude=None if exclude is None else _open(exclude, opened),
            like_ecc=settings.is_like_ecc,
        )
        voxel_um, warnings = _voxel_size(voxel_um, inputs)
        largest = LARGEST_SPLIT_BLOCK if settings.is_split else LARGEST_BLOCK
        core = block_shape_for(inputs.volumes, jobs, largest) if block_shape is None else block_shape
        count = 3 if settings.is_split else 2
        passes = Passes(inputs, voxel_um, core, jobs, executor, count, progress or (lambda done, total: None))
        objects, summary, centring = _find(passes, settings)
        measured = passes.intensities(count - 1, objects, replace(settings.measuring, centring=centring))
        origin = Origin.of(inputs, voxel_um, like_ecc=settings.is_like_ecc)
    if not len(objects):
        asked = f"threshold {inputs.threshold:g}, " if kind == "probabilities" else ""
        in_all = f"{summary.objects:,} object{'s' * (summary.objects != 1)}"
        warnings += (f"{image.path}: no cell was found ({asked}{in_all}).",)
    return Cells(TableRows(objects, measured, origin), summary, voxel_um, warnings)


def effective_settings(image: Volume | None = None, **settings: Any) -> dict[str, Any]:
    """All settings of `find_cells`: the given ones, and the defaults of the others.

    Some defaults depend on what the image holds; without one, it is taken for probabilities.

    Raises
    ------
    InvalidSetting
    """
    every = _with_plain_defaults(settings)
    return {**every, **_settings(every, image).by_name()}


def check_settings(**settings: Any) -> None:
    """Refuse settings of `find_cells` that make no sense, whatever the volumes: before hours of work for nothing.

    Raises
    ------
    InvalidSetting
    """
    every = _with_plain_defaults(settings)
    _settings(every, None)
    if every["voxel_um"] is not None:
        refuse_impossible(every["voxel_um"])
    if every["jobs"] is not None and every["jobs"] < 1:
        raise InvalidSetting(f"jobs {every['jobs']}: at least 1 thread is needed.")
    if every["block_shape"] is not None and min(every["block_shape"]) < 1:
        raise InvalidSetting(f"block shape {every['block_shape']}: at least 1 voxel along each axis is needed.")


def _with_plain_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """All settings, those that were not given as the signature of `find_cells` has them."""
    call = inspect.signature(find_cells).bind(None, None, **settings)
    call.apply_defaults()
    return {name: value for name, value in call.arguments.items() if name not in NO_SETTINGS}


def _settings(every: dict[str, Any], image: Volume | None) -> Settings:
    refuse_unknown("input", every["input"], get_args(Input))
    kind: Kind = every["input"]
    if every["input"] == "auto":
        kind = "probabilities" if image is None else kind_of(image)
    names = (name for name in inspect.signature(settings_for).parameters if name != "kind")
    return settings_for(kind, **{name: every[name] for name in names})


def _find(passes: Passes, settings: Settings) -> tuple[PackedObjects, Summary, Centring | None]:
    """All objects that are cells, what became of the others, and how the middle of a cell is found."""
    inputs, number = passes.inputs, 0
    splitter, evidence, crowding, centring = None, None, None, None
    connectivity = settings.selection.connectivity
    if settings.is_split:
        cell = passes.shapes(number, connectivity).typical_cell(settings.diameter_um)
        number += 1
        splitter = Splitter(settings.split, cell, passes.voxel_um, inputs.shape)
        evidence = Evidence(cell, passes.voxel_um, inputs.shape[0] == 1, inputs.probability_units)
        # Of a single plane, nobody knows how many cells there are in a mm³.
        crowding = None if inputs.shape[0] == 1 else Crowding(inputs.shape, passes.voxel_um)
        centring = None if settings.is_like_ecc else Centring.on(cell, passes.voxel_um)
    found = Sorting(settings.selection, evidence, crowding)
    if inputs.kind == "labels":
        excluded = passes.labelled(number, found)
    else:
        excluded = passes.components(number, connectivity, splitter, found)
    found.finish()
    n, small, large = len(found.cells), found.too_small_or_faint, found.too_large
    diameter = None if splitter is None else splitter.cell.diameter_um
    summary = Summary(found.components, n + small + large, small, large, n, excluded, diameter)
    return found.cells, summary, centring


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
    doubts = [resolve_voxel_size(volume, chosen)[1] for volume in (inputs.raw, inputs.image)]
    return chosen, tuple(doubt for doubt in doubts if doubt is not None)
