"""What a prediction will take, told before it begins: memory, disk and time, from a few of its blocks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ecc_px.errors import NoRoom
from ecc_px.pipeline.block_groups import BlockGroup
from ecc_px.pipeline.block_plan import BlockPlan
from ecc_px.pipeline.memory import memory_needed
from ecc_px.pipeline.task import Task
from ecc_px.volumes.blocks import Run, shape_of
from ecc_px.volumes.streaming import usable_processors

PLACES = (0.5, 0.25, 0.75)
"""Where blocks are tried, along the volume's diagonal: the middle first, where there is most to compute."""

LEAST_BLOCKS = 24
"""A volume of fewer blocks is done as quickly as it is forecast."""


@dataclass(frozen=True)
class Forecast:
    """What a prediction will take at most, roughly.

    Parameters
    ----------
    jobs : int
        Threads.
    memory_bytes : int
        Peak resident memory.
    disk_bytes : int
        On the outputs' disk until the end: the outputs, and the finished blocks that they are put together from.
    free_bytes : int
        There now.
    seconds : float or None
        None where a volume is so small that trying would take as long.
    """

    jobs: int
    memory_bytes: int
    disk_bytes: int
    free_bytes: int
    seconds: float | None

    def require_disk(self, folder: Path) -> None:
        """Refuse what does not fit.

        Raises
        ------
        NoRoom
        """
        if self.disk_bytes > self.free_bytes:
            raise NoRoom(
                f"{folder}: about {self.disk_bytes / 1e9:.2f} GB are needed on this disk and "
                f"{self.free_bytes / 1e9:.2f} GB are free: make room or choose another place."
            )


def forecast_of(task: Task, blocks: BlockPlan, jobs: int, missing: Sequence[BlockGroup], kept: int = 0) -> Forecast:
    """Try a few blocks.

    Parameters
    ----------
    missing : sequence of BlockGroup
        Those that are still to be computed.
    kept : int
        Bytes of the finished ones: where few are missing, they say what the disk must hold, and none is tried.
    """
    memory = memory_needed(task.computation, blocks.block, blocks.run_length, jobs)
    free = shutil.disk_usage(task.outputs[0].parent).free
    voxel_bytes = sum(plan.dtype.itemsize * len(plan.channel_names) for plan in task.plans)
    missing_voxels = sum(group.voxels for group in missing)
    tried = sum(len(group.run.blocks) for group in missing)
    if tried < LEAST_BLOCKS:
        seconds, encoded = None, kept / max(1, task.voxels - missing_voxels)
    else:
        seconds, encoded = _try(task, blocks, missing)
    output = voxel_bytes * task.voxels if task.settings.file_format == "tiff" else int(encoded * task.voxels)
    disk = int(encoded * missing_voxels) + output
    threads = min(jobs, usable_processors())
    return Forecast(jobs, memory, disk, free, None if seconds is None else seconds * missing_voxels / threads)


def _try(task: Task, blocks: BlockPlan, groups: Sequence[BlockGroup]) -> tuple[float, float]:
    """Seconds of one thread, and encoded bytes, for a voxel."""
    encoders = task.writers(blocks, overwrite=True)
    seconds, encoded, voxels = 0.0, 0, 0
    # The first one is tried twice: at first it loads, or compiles, the kernels.
    for attempt, place in enumerate((PLACES[0], *PLACES)):
        group = groups[int(place * len(groups))]
        block = group.run.blocks[int(place * len(group.run.blocks))]
        began = time.perf_counter()
        size = 0
        for made in task.computation.blocks(BlockGroup(group.number, group.frame, Run((block,), block.outer))):
            for encoder, image in zip(encoders, made.images or (), strict=False):
                size += len(encoder.encode(block.core, np.asarray(image), frame=group.frame))
        if attempt == 0:
            continue
        seconds += time.perf_counter() - began
        encoded += size
        voxels += prod(shape_of(block.core))
    return seconds / voxels, encoded / voxels
