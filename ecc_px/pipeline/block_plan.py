"""How a volume is cut for a prediction: blocks, and how many of them are read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ecc_px.pipeline.block_groups import Computation
from ecc_px.pipeline.export_files import CHUNK_EDGE, FLAT_CHUNK_EDGE
from ecc_px.volumes.blocks import Shape

BLOCK: Shape = (64, 64, 256)
"""Voxels of a block: long rows for the filters' vector loops, a halo that costs little, whole 64³ chunks."""
FLAT_BLOCK: Shape = (1, 512, 512)
RUN_LENGTH = 2048
"""Voxels along x that are read at once: a run's region is tens of MB."""
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


def plan_blocks(computation: Computation, jobs: int, block: Shape | None) -> BlockPlan:
    """The cut for so many threads; `block` where somebody chose it."""
    volume, features = computation.volume, computation.classifier.features
    flat = volume.shape[0] == 1
    columns = features.count(volume.channels, flat=flat)
    return BlockPlan(block or block_shape_for(volume.shape, columns, jobs), features.halo(flat=flat), RUN_LENGTH)


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
