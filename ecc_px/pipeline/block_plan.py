"""How a volume is cut for a prediction: blocks, and how many of them are read at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ecc_px.errors import InvalidSetting
from ecc_px.pipeline.block_groups import Computation
from ecc_px.pipeline.export_files import CHUNK_EDGE, FLAT_CHUNK_EDGE
from ecc_px.pipeline.memory import memory_needed, usual_memory
from ecc_px.volumes.blocks import Shape

BLOCK: Shape = (64, 64, 256)
"""Voxels of a block: long rows for the filters' vector loops, a halo that costs little, whole 64³ chunks."""
FLAT_BLOCK: Shape = (1, 512, 512)
RUN_LENGTH = 2048
"""Voxels along x that are read at once: a run's region is tens of MB."""
SMALLEST_EDGE = 16
FEATURE_BYTES = 96 * 2**20
"""Most memory for one block's features; with more features than fit, blocks are smaller."""
ALL_FEATURE_BYTES = 512 * 2**20
"""Most memory for the features of all threads together, as long as blocks are no smaller than a chunk."""


@dataclass(frozen=True)
class BlockPlan:
    """A cut into block groups; with it, a volume and a list of exports, every byte of the outputs is settled.

    Parameters
    ----------
    block : (z, y, x)
    halo : (z, y, x)
    run_length : int
        Voxels along x of a group.
    """

    block: Shape
    halo: Shape
    run_length: int

    def as_json(self) -> dict[str, Any]:
        return {"block": list(self.block), "halo": list(self.halo), "run_length": self.run_length}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BlockPlan:
        block, halo = (tuple(map(int, content[key])) for key in ("block", "halo"))
        return cls((block[0], block[1], block[2]), (halo[0], halo[1], halo[2]), int(content["run_length"]))


def plan_blocks(
    computation: Computation,
    jobs: int,
    memory: int | None,
    *,
    block: Shape | None = None,
    run_length: int | None = None,
    fixed: BlockPlan | None = None,
) -> tuple[BlockPlan, int]:
    """The cut, and the number of threads, with which a prediction goes fastest in so much memory.

    Parameters
    ----------
    computation : Computation
    jobs : int
        Threads at most.
    memory : int, optional
        Bytes at most; default `memory.usual_memory`.
    block, run_length : optional
        Chosen by somebody.
    fixed : BlockPlan, optional
        Chosen by an earlier attempt.

    Raises
    ------
    InvalidSetting
        Not even the smallest fits.
    """
    volume, features = computation.volume, computation.classifier.features
    flat = volume.shape[0] == 1
    halo = features.halo(flat=flat)
    columns = features.count(volume.channels, flat=flat)
    usual = block_shape_for(volume.shape, columns, jobs)
    if fixed is not None:
        cuts = [fixed]
    else:
        blocks = [block] if block else list(_smaller(usual))
        cuts = [
            BlockPlan(b, halo, length) for b in blocks for length in ([run_length] if run_length else _run_lengths(b))
        ]
    bound = memory if memory is not None else usual_memory()
    choices = [(cut, threads) for cut in cuts for threads in range(jobs, 0, -1)]
    needs = [memory_needed(computation, cut.block, cut.run_length, threads) for cut, threads in choices]
    fitting = [choice for choice, need in zip(choices, needs, strict=True) if bound is None or need <= bound]
    if not fitting:
        given = f"--memory {_gb(bound or 0)}" if memory is not None else f"{_gb(bound or 0)}, most of what is free,"
        raise InvalidSetting(
            f"{volume.path}: {given} is not enough, even with one thread and the smallest blocks: "
            f"{_gb(min(needs))} is needed" + (", or --restart." if fixed is not None else ".")
        )
    # Of equals the first: the largest block, the longest run, the most threads.
    return max(fitting, key=lambda choice: choice[1] / _cost(choice[0]))


def _cost(cut: BlockPlan) -> float:
    """Time for a voxel, relative: the votes take most, and filters compute a part of the halo, too."""
    half = [b + h for b, h in zip(cut.block, cut.halo, strict=True)]
    run = [cut.block[0] + 2 * cut.halo[0], cut.block[1] + 2 * cut.halo[1], cut.run_length + 2 * cut.halo[2]]
    read = prod(run) / (cut.block[0] * cut.block[1] * cut.run_length)
    return 0.6 + 0.3 * prod(half) / prod(cut.block) + 0.02 * read


def _smaller(block: Shape) -> Iterator[Shape]:
    """A block, then ever smaller ones, halved along their longest edge."""
    edges = list(block)
    while True:
        yield edges[0], edges[1], edges[2]
        if max(edges) <= SMALLEST_EDGE:
            return
        edges[int(np.argmax(edges))] //= 2


def _run_lengths(block: Shape) -> Iterator[int]:
    length = RUN_LENGTH
    while length > block[2]:
        yield length
        length //= 2
    yield block[2]


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def block_shape_for(shape: Shape, features: int, jobs: int = 1) -> Shape:
    """Voxels of a block: `BLOCK`, halved along its longest edge until the features of all threads fit in memory."""
    flat = shape[0] == 1
    block = list(FLAT_BLOCK if flat else BLOCK)
    chunk = FLAT_CHUNK_EDGE if flat else CHUNK_EDGE

    def too_large() -> bool:
        size = prod(block) * features * 4
        return size > FEATURE_BYTES or (size * jobs > ALL_FEATURE_BYTES and max(block) > chunk)

    while too_large() and max(block) > 8:
        block[int(np.argmax(block))] //= 2
    return block[0], block[1], block[2]
