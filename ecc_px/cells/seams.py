"""Putting together the fragments of objects that blocks have cut."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecc_px.cells.components import BlockObjects, Rim, voxel_key
from ecc_px.cells.objects import Objects
from ecc_px.cells.runs import STEPS
from ecc_px.volumes.blocks import Shape

Place = tuple[int, int, int]
"""A block's number along (z, y, x)."""


class Seams:
    """Joins the fragments of blocks, which must come in raster order.

    Only what a later block could still touch is remembered: the far rims of the last layer of blocks, and the
    fragments that reach them.

    Parameters
    ----------
    shape : (z, y, x)
        The volume's.
    connectivity : 6, 18 or 26
    patience : int
        New fragments after which those that have become complete are put together and let go of.
    """

    def __init__(self, shape: Shape, connectivity: int, *, patience: int = 1 << 16) -> None:
        steps = STEPS[connectivity]
        moves = [m for m in product((-1, 0, 1), repeat=3) if 0 < sum(map(abs, m)) <= steps]
        self._shifts = [voxel_key(dz, dy, dx, shape) for dz, dy, dx in moves]
        self._earlier = [m for m in moves if m < (0, 0, 0)]
        self._patience = patience
        self._far_rims: dict[Place, Rim] = {}
        self._fragments: list[Objects] = []
        self._touching: list[npt.NDArray[np.int64]] = []
        self._count = 0
        self._settle_at = patience

    def add(self, place: Place, block: BlockObjects) -> Objects:
        """Take in a block's fragments; returns objects that are now known to be complete."""
        offset = self._count
        self._touching.append(self._touching_pairs(place, Rim(block.near.key, block.near.fragment + offset)))
        self._far_rims[place] = Rim(block.far.key, block.far.fragment + offset)
        self._fragments.append(block.fragments)
        self._count += len(block.fragments)
        self._forget_before((place[0] - 1, place[1] - 1, place[2] - 1))
        return self._settle() if self._count > self._settle_at else Objects.empty()

    def finish(self) -> Objects:
        """The objects that are left after the last block."""
        self._far_rims.clear()
        return self._settle()

    def _touching_pairs(self, place: Place, near: Rim) -> npt.NDArray[np.int64]:
        """(n, 2) numbers of fragments that are neighbours across a seam."""
        around = [(place[0] + dz, place[1] + dy, place[2] + dx) for dz, dy, dx in self._earlier]
        rims = [self._far_rims[p] for p in around if p in self._far_rims]
        far_key = np.concatenate([np.zeros(0, np.int64), *(r.key for r in rims)])
        far_fragment = np.concatenate([np.zeros(0, np.int64), *(r.fragment for r in rims)])
        if not len(far_key) or not len(near.key):
            return np.zeros((0, 2), np.int64)
        order = np.argsort(far_key)
        far_key, far_fragment = far_key[order], far_fragment[order]
        pairs = []
        for shift in self._shifts:
            sought = near.key + shift
            at = np.minimum(np.searchsorted(far_key, sought), len(far_key) - 1)
            found = far_key[at] == sought
            pairs.append(np.stack([far_fragment[at[found]], near.fragment[found]], axis=1))
        return np.unique(np.concatenate(pairs), axis=0)

    def _forget_before(self, oldest: Place) -> None:
        """Drop the rims that come before `oldest` in raster order: no later block touches them."""
        while self._far_rims and (first := next(iter(self._far_rims))) < oldest:
            del self._far_rims[first]

    def _settle(self) -> Objects:
        """Put fragments together; keep the objects that reach a far rim, return the others."""
        fragments = Objects.concatenated(self._fragments)
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._touching])
        n = len(fragments)
        graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        count, group = connected_components(graph, directed=False) if n else (0, np.zeros(0, np.int64))
        objects = fragments.grouped(group, count)

        is_open = np.zeros(count, bool)
        for rim in self._far_rims.values():
            is_open[group[rim.fragment]] = True
        number = (np.cumsum(is_open) - 1)[group]
        self._far_rims = {p: Rim(rim.key, number[rim.fragment]) for p, rim in self._far_rims.items()}
        self._fragments, self._touching = [objects.take(is_open)], []
        self._count = int(is_open.sum())
        self._settle_at = 2 * self._count + self._patience
        return objects.take(~is_open)
