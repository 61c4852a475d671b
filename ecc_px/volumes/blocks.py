"""Cutting a volume into blocks, each with the border that filters need around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

Shape = tuple[int, int, int]
"""Voxels along (z, y, x)."""

Region = tuple[slice, slice, slice]
"""A box of a volume: one slice with explicit start and stop along each of (z, y, x)."""


@dataclass(frozen=True)
class Block:
    """One piece of a volume: the `core` it owns and the `outer` region read for it (both zyx slices)."""

    core: Region
    outer: Region

    @property
    def core_in_outer(self) -> Region:
        """The core's place in an array that holds the outer region."""
        z, y, x = (slice(c.start - o.start, c.stop - o.start) for c, o in zip(self.core, self.outer, strict=True))
        return z, y, x


def blocks_of(shape: Shape, core: Shape, halo: Shape = (0, 0, 0)) -> Iterator[Block]:
    """Cut a volume into disjoint cores, each padded by `halo` and clipped at the volume's border."""
    grid = [range(0, n, step) for n, step in zip(shape, core, strict=True)]
    for corner in product(*grid):
        yield block_at(corner, shape, core, halo)


@dataclass(frozen=True)
class Run:
    """Blocks that follow each other along x, and the region that is read for all of them at once."""

    blocks: tuple[Block, ...]
    outer: Region


def runs_of(shape: Shape, core: Shape, halo: Shape, longest: int) -> Iterator[Run]:
    """Cut a volume into the blocks of `blocks_of`, in runs of at most `longest` voxels along x (at least one block).

    Runs follow each other along z first: most of what a run reads, the one before it has read, too, and a reader's
    cache may still hold it. Along x, nothing is read twice within a run.
    """
    length = max(1, longest // core[2]) * core[2]
    for y, x, z in product(range(0, shape[1], core[1]), range(0, shape[2], length), range(0, shape[0], core[0])):
        corners = [(z, y, begin) for begin in range(x, min(x + length, shape[2]), core[2])]
        blocks = tuple(block_at(corner, shape, core, halo) for corner in corners)
        outer_z, outer_y, first = blocks[0].outer
        yield Run(blocks, (outer_z, outer_y, slice(first.start, blocks[-1].outer[2].stop)))


def block_at(corner: tuple[int, ...], shape: Shape, core: Shape, halo: Shape) -> Block:
    """The block whose core begins at `corner`."""
    inner = tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, core, shape, strict=True))
    outer = tuple(slice(max(0, s.start - h), min(n, s.stop + h)) for s, h, n in zip(inner, halo, shape, strict=True))
    return Block(core=(inner[0], inner[1], inner[2]), outer=(outer[0], outer[1], outer[2]))


def whole(shape: Shape) -> Region:
    """The region that is all of a volume."""
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def shape_of(region: Region) -> Shape:
    """Voxels along each axis of a region."""
    z, y, x = (s.stop - s.start for s in region)
    return z, y, x
