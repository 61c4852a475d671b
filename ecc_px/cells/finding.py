"""From a probability image and the raw volume to a table of cells, block by block.

The way: threshold → connected components of every block → fragments joined across the seams → volume limits →
intensities around the centres → table. Whatever crosses a block's border is a sum of integers, and objects are
ordered by their first voxel; so the table is the same, to the byte, for any block shape and number of threads.

Splitting of touching cells belongs between `find_objects` and `measure_objects`: both know objects only by their sums.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.block_shape import block_shape_for
from ecc_px.cells.components import BlockObjects, objects_of_block
from ecc_px.cells.inputs import Inputs, channel_of_class
from ecc_px.cells.measuring import Intensities, IntensityMode, Measuring, measure
from ecc_px.cells.objects import Objects
from ecc_px.cells.runs import STEPS
from ecc_px.cells.seams import Seams
from ecc_px.cells.table import Cells, Summary, cells_table
from ecc_px.cells.threshold import check_threshold
from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.volumes import Volume, VoxelUm, open_volume
from ecc_px.volumes.blocks import Block, Region, Shape, blocks_of, shape_of
from ecc_px.volumes.streaming import Progress, in_order, usable_processors
from ecc_px.volumes.voxel_size import refuse_impossible, resolve_voxel_size


@dataclass(frozen=True)
class Selection:
    """Which connected components are cells: neighbourhood, and volume in voxels, both limits included."""

    connectivity: int = 6
    min_volume: int = 1
    max_volume: int | None = None

    def __post_init__(self) -> None:
        if self.connectivity not in STEPS:
            raise InvalidSetting(f"connectivity {self.connectivity}: choose 6, 18 or 26 neighbours.")
        if self.min_volume < 1:
            raise InvalidSetting(f"min volume {self.min_volume}: an object has at least 1 voxel.")
        if self.max_volume is not None and self.max_volume < self.min_volume:
            raise InvalidSetting(
                f"max volume {self.max_volume} is below min volume {self.min_volume}: no object could be a cell."
            )

    def too_small(self, objects: Objects) -> npt.NDArray[np.bool_]:
        return objects.voxels < self.min_volume

    def too_large(self, objects: Objects) -> npt.NDArray[np.bool_]:
        if self.max_volume is None:
            return np.zeros(len(objects), bool)
        return objects.voxels > self.max_volume


def find_cells(
    probabilities: str | Path | Volume,
    raw: str | Path | Volume,
    *,
    voxel_um: VoxelUm | None = None,
    threshold: float = 0.7,
    connectivity: int = 6,
    min_volume: int = 1,
    max_volume: int | None = None,
    class_: int | str | None = None,
    raw_channel: int = 0,
    intensity: IntensityMode = "obj_mean",
    local_max_rad: int = 1,
    local_min_rad: int = 4,
    local_min_percentile: float = 5.0,
    exclude: str | Path | Volume | None = None,
    jobs: int | None = None,
    block_shape: Shape | None = None,
    progress: Progress | None = None,
) -> Cells:
    """Find cells in a probability image and measure them in the raw volume.

    Parameters
    ----------
    probabilities : path or Volume
        uint8, uint16 or float32; ilastik's exports and ecc's ``probability`` included.
    raw : path or Volume
        Intensities on the same grid.
    voxel_um : (z, y, x) µm, optional
        Default: what the files say.
    threshold : float
        A voxel is an object's when its probability is above it, strictly and meant in votes: 70 of 100 trees are
        not above 0.7. `ecc_px.cells.threshold` says how each dtype is compared.
    connectivity : 6, 18 or 26
        Which voxels are neighbours: by a face, also by an edge, also by a corner.
    min_volume, max_volume : int
        Volume of a cell in voxels, both included; None: no limit. (ecc drops what has `min_volume` voxels or less.)
    class_ : int or str, optional
        Label or name of the class that is the cells. Default: label 1.
    raw_channel : int
        Channel of the raw volume to measure, counted from 0.
    intensity : "obj_mean", "max" or "local_mean"
        A cell's signal: mean over its voxels, or maximum or mean over a cube around its centre.
    local_max_rad, local_min_rad : int
        Half-width in voxels of the cubes for the signal (`max`, `local_mean`) and for the background.
    local_min_percentile : float
        Which percentile of its cube is the background.
    exclude : path or Volume, optional
        Voxels above 0 in any channel are left out.
    jobs : int, optional
        Threads; default: one for each processor.
    block_shape : (z, y, x), optional
        Voxels of a block; memory and speed depend on it, the table does not.
    progress : callable, optional
        Called with the voxels done and the voxels in all; finding and measuring are half of each voxel's work.

    Returns
    -------
    Cells

    Raises
    ------
    GridMismatch
        Probabilities, raw volume and excluded region differ in shape.
    UnknownVoxelSize
        Neither `voxel_um` nor the files say how large a voxel is.
    InvalidSetting
        A setting makes no sense, alone or together with another.
    UnreadableVolume
        A volume is damaged, holds NaN, or is no probability image.
    """
    check_settings(voxel_um=voxel_um, threshold=threshold, jobs=jobs, block_shape=block_shape)
    selection = Selection(connectivity, min_volume, max_volume)
    how = Measuring(intensity, local_max_rad, local_min_rad, local_min_percentile)
    jobs = usable_processors() if jobs is None else jobs
    with ExitStack() as opened:
        image = _open(probabilities, opened)
        inputs = Inputs(
            probabilities=image,
            channel=channel_of_class(image, class_),
            threshold=threshold,
            raw=_open(raw, opened),
            raw_channel=raw_channel,
            exclude=None if exclude is None else _open(exclude, opened),
        )
        voxel_um, warnings = _voxel_size(voxel_um, inputs)
        core = block_shape_for(inputs.volumes, jobs) if block_shape is None else block_shape
        report = progress or (lambda done, total: None)
        objects, summary = find_objects(inputs, selection, how, core, jobs, report)
        intensities = measure_objects(inputs, objects, how, core, jobs, report)
    if not len(objects):
        warnings += (f"{image.path}: no cell was found (threshold {threshold:g}, {summary.objects} objects).",)
    return Cells(cells_table(objects, intensities, voxel_um), summary, voxel_um, warnings)


def effective_settings(**settings: Any) -> dict[str, Any]:
    """All settings of `find_cells`: the given ones, and the defaults of the others."""
    call = inspect.signature(find_cells).bind(None, None, **settings)
    call.apply_defaults()
    return {name: value for name, value in call.arguments.items() if name not in ("probabilities", "raw", "progress")}


def check_settings(**settings: Any) -> None:
    """Refuse settings of `find_cells` that make no sense, whatever the volumes: before hours of work for nothing.

    Raises
    ------
    InvalidSetting
    """
    every = effective_settings(**settings)
    Selection(**{part.name: every[part.name] for part in fields(Selection)})
    Measuring(**{part.name: every[part.name] for part in fields(Measuring)})
    check_threshold(every["threshold"])
    if every["voxel_um"] is not None:
        refuse_impossible(every["voxel_um"])
    if every["jobs"] is not None and every["jobs"] < 1:
        raise InvalidSetting(f"jobs {every['jobs']}: at least 1 thread is needed.")
    if every["block_shape"] is not None and min(every["block_shape"]) < 1:
        raise InvalidSetting(f"block shape {every['block_shape']}: at least 1 voxel along each axis is needed.")


def find_objects(
    inputs: Inputs, selection: Selection, how: Measuring, core: Shape, jobs: int, report: Progress
) -> tuple[Objects, Summary]:
    """All objects within the volume limits, in raster order, and what became of the others."""
    needs_raw = how.intensity == "obj_mean"

    def work(block: Block) -> tuple[BlockObjects, int]:
        foreground, excluded = inputs.foreground(block.core)
        raw = None
        if needs_raw and foreground.any():
            raw = inputs.intensities(block.core)
            inputs.refuse_unmeasurable(raw, block.core, [foreground])
        found = objects_of_block(foreground, raw, block.core, inputs.shape, selection.connectivity)
        return found, excluded

    seams = Seams(inputs.shape, selection.connectivity)
    kept: list[Objects] = []
    small = large = excluded_voxels = done = 0

    def sort_out(objects: Objects) -> None:
        nonlocal small, large
        too_small, too_large = selection.too_small(objects), selection.too_large(objects)
        small += int(too_small.sum())
        large += int(too_large.sum())
        kept.append(objects.take(~(too_small | too_large)))

    for block, (found, excluded) in in_order(work, blocks_of(inputs.shape, core), jobs):
        sort_out(found.closed)
        z, y, x = (side.start // n for side, n in zip(block.core, core, strict=True))
        sort_out(seams.add((z, y, x), found))
        excluded_voxels += excluded
        done += int(np.prod(shape_of(block.core)))
        report(done // 2, int(np.prod(inputs.shape)))
    sort_out(seams.finish())

    objects = Objects.concatenated(kept).in_raster_order()
    n = len(objects)
    return objects, Summary(n + small + large, small, large, n, excluded_voxels)


def measure_objects(
    inputs: Inputs, objects: Objects, how: Measuring, core: Shape, jobs: int, report: Progress
) -> Intensities:
    """Signal and background of every object, each measured in the block that holds its centre."""
    centres = objects.centre
    intensities = Intensities(np.zeros(len(objects)), np.zeros(len(objects)))

    def work(group: npt.NDArray[np.int64]) -> Intensities:
        region = _surroundings(centres[group], how.reach, inputs.shape)
        corner = np.array([side.start for side in region], np.int64)
        raw = inputs.intensities(region)
        cubes = (_surroundings(centre[None], how.reach, inputs.shape) for centre in centres[group])
        inputs.refuse_unmeasurable(raw, region, (Block(cube, region).core_in_outer for cube in cubes))
        return measure(raw, objects.take(group), corner, how)

    voxels, done = int(np.prod(inputs.shape)), 0
    for group, measured in in_order(work, _by_block(centres, core), jobs):
        intensities.signal[group] = measured.signal
        intensities.background[group] = measured.background
        done += len(group)
        report((voxels + voxels * done // len(objects)) // 2, voxels)
    report(voxels, voxels)
    return intensities


def _by_block(centres: npt.NDArray[np.int64], core: Shape) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the centres in each block that has any, block after block."""
    places = centres // np.array(core)
    order = np.lexsort(places.T[::-1])
    is_next = np.any(np.diff(places[order], axis=0) != 0, axis=1)
    yield from (group for group in np.split(order, np.flatnonzero(is_next) + 1) if len(group))


def _surroundings(centres: npt.NDArray[np.int64], reach: int, shape: Shape) -> Region:
    """The smallest box that holds all voxels within reach of the centres."""
    low = np.maximum(centres.min(axis=0) - reach, 0)
    high = np.minimum(centres.max(axis=0) + reach + 1, shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _open(volume: str | Path | Volume, opened: ExitStack) -> Volume:
    """A volume that was given open stays open; one that we open is closed at the end."""
    return volume if isinstance(volume, Volume) else opened.enter_context(open_volume(volume))


def _voxel_size(given: VoxelUm | None, inputs: Inputs) -> tuple[VoxelUm, tuple[str, ...]]:
    """The voxel size to use, and a sentence for every file that says something else."""
    chosen = given or inputs.raw.voxel_um or inputs.probabilities.voxel_um
    if chosen is None:
        raise UnknownVoxelSize(
            f"{inputs.raw.path}: the file does not say how large a voxel is: pass --voxel-um Z Y X (µm)."
        )
    doubts = [resolve_voxel_size(volume, chosen)[1] for volume in (inputs.raw, inputs.probabilities)]
    return chosen, tuple(doubt for doubt in doubts if doubt is not None)
