"""Putting together the fragments of objects that blocks have cut."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecc_px.cells.components import BlockObjects, Rim
from ecc_px.cells.numbering import voxel_key, voxel_of_key
from ecc_px.cells.objects import Objects
from ecc_px.cells.runs import STEPS
from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Shape

Place = tuple[int, int, int]
"""A block's number along (z, y, x)."""

Pairs = npt.NDArray[np.int64]
"""(n, 2) numbers of fragments."""


class Seams:
    """Joins the fragments of blocks, which must come in raster order.

    Fragments are joined on two levels: those that touch are one component, those that a link leads to are one object.
    An object is let go of when its component is complete. Only what a later block could still touch is remembered.

    Parameters
    ----------
    shape : (z, y, x)
        The volume's.
    core : (z, y, x)
        The blocks'; those at the end may be smaller.
    connectivity : 6, 18 or 26
    reach : (z, y, x), optional
        Voxels that a link leads beyond its block, at most. Default: there are no links, and what touches is one object.
    patience : int
        New fragments after which those that have become complete are put together and let go of.
    """

    def __init__(
        self, shape: Shape, core: Shape, connectivity: int, *, reach: Shape | None = None, patience: int = 1 << 16
    ) -> None:
        steps = STEPS[connectivity]
        moves = [m for m in product((-1, 0, 1), repeat=3) if 0 < sum(map(abs, m)) <= steps]
        self._shape, self._core = shape, core
        self._shifts = [voxel_key(dz, dy, dx, shape) for dz, dy, dx in moves]
        self._earlier = [m for m in moves if m < (0, 0, 0)]
        self._is_split = reach is not None
        self._back = [max(1, -(-r // n)) for r, n in zip(reach or (1, 1, 1), core, strict=True)]
        self._patience = patience
        self._far_rims: dict[Place, Rim] = {}
        self._goals: dict[Place, Rim] = {}
        self._awaited: dict[Place, list[Rim]] = {}
        self._fragments: list[Objects] = []
        self._touching: list[Pairs] = []
        self._linked: list[Pairs] = []
        self._count = 0
        self._settle_at = patience

    def add(self, place: Place, block: BlockObjects) -> Objects:
        """Take in a block's fragments; returns objects that are now known to be complete."""
        offset = self._count
        self._touching.append(_chained(block.component) + offset)
        self._touching.append(self._touching_pairs(place, block.near.shifted(offset)))
        self._far_rims[place] = block.far.shifted(offset)
        goals = [rim.shifted(offset) for rim in (block.near, block.far, block.summits)]
        self._goals[place] = Rim.together(goals).in_order()
        self._follow_links(place, block.links.shifted(offset))
        self._fragments.append(block.fragments)
        self._count += len(block.fragments)
        for rims, back in ((self._far_rims, (1, 1, 1)), (self._goals, self._back)):
            _forget_before((place[0] - back[0], place[1] - back[1], place[2] - back[2]), rims)
        return self._settle() if self._count > self._settle_at else Objects.empty()

    def finish(self) -> Objects:
        """The objects that are left after the last block."""
        self._far_rims.clear()
        return self._settle()

    def _touching_pairs(self, place: Place, near: Rim) -> Pairs:
        """Fragments that are neighbours across a seam."""
        around = [(place[0] + dz, place[1] + dy, place[2] + dx) for dz, dy, dx in self._earlier]
        far = Rim.together([self._far_rims[p] for p in around if p in self._far_rims]).in_order()
        near = near.in_order()
        pairs = [_meeting(Rim(near.key + shift, near.fragment), far) for shift in self._shifts]
        return _once(np.concatenate(pairs))

    def _follow_links(self, place: Place, links: Rim) -> None:
        """Tie links to the fragments that they lead to, in this block, an earlier one, or a later one."""
        if waiting := self._awaited.pop(place, []):
            self._linked.append(_meeting(Rim.together(waiting).in_order(), self._goals[place]))
        if not len(links.key):
            return
        z, y, x = (at // n for at, n in zip(voxel_of_key(links.key, self._shape), self._core, strict=True))
        number = voxel_key(z, y, x, self._shape)
        order = np.argsort(number, kind="stable")
        for there in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            at = (int(z[there[0]]), int(y[there[0]]), int(x[there[0]]))
            some = Rim(links.key[there], links.fragment[there])
            if at in self._goals:
                self._linked.append(_meeting(some.in_order(), self._goals[at]))
            else:
                self._awaited.setdefault(at, []).append(some)

    def _settle(self) -> Objects:
        """Put fragments together; keep those of components that reach a far rim, return the others' objects."""
        fragments = Objects.concatenated(self._fragments)
        component, components = _grouped([*self._linked, *self._touching], len(fragments))
        object_, count = _grouped(self._linked, len(fragments)) if self._is_split else (component, components)
        objects = fragments.grouped(object_, count)
        component_of_object = np.zeros(count, np.int64)
        component_of_object[object_] = component

        reaches_rim = np.zeros(components, bool)
        for rim in self._far_rims.values():
            reaches_rim[component[rim.fragment]] = True
        is_open = reaches_rim[component_of_object]
        number = np.where(is_open, np.cumsum(is_open) - 1, -1)[object_]
        self._far_rims = {p: rim.open_only(number) for p, rim in self._far_rims.items()}
        self._goals = {p: rim.open_only(number) for p, rim in self._goals.items()}
        self._awaited = {p: [rim.open_only(number) for rim in rims] for p, rims in self._awaited.items()}
        self._fragments, self._linked = [objects.take(is_open)], []
        self._touching = [_chained(component_of_object[is_open])]
        self._count = int(is_open.sum())
        self._settle_at = 2 * self._count + self._patience
        return objects.take(~is_open).completed(component_of_object[~is_open])


def _meeting(wanted: Rim, there: Rim) -> Pairs:
    """Pairs of fragments with the same voxel; both rims are in order, and a voxel of `there` has but one fragment."""
    pairs = np.empty((len(wanted.key), 2), np.int64)
    count = _meet(wanted.key, wanted.fragment, there.key, there.fragment, pairs)
    return pairs[:count]


@kernel()
def _meet(wanted: Any, seekers: Any, there: Any, holders: Any, pairs: Any) -> int:
    k = count = 0
    for n in range(len(wanted)):
        while k < len(there) and there[k] < wanted[n]:
            k += 1
        if k == len(there):
            break
        if there[k] == wanted[n]:
            pairs[count] = holders[k], seekers[n]
            count += 1
    return count


def _once(pairs: Pairs) -> Pairs:
    """Each pair once."""
    if not len(pairs):
        return pairs
    base = int(pairs[:, 1].max()) + 1
    return np.stack(np.divmod(np.unique(pairs[:, 0] * base + pairs[:, 1]), base), axis=1)


def _chained(component: npt.NDArray[np.int64]) -> Pairs:
    """Pairs that tie all fragments with the same number together."""
    order = np.argsort(component, kind="stable")
    same = component[order[1:]] == component[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def _grouped(pairs: list[Pairs], n: int) -> tuple[npt.NDArray[np.int64], int]:
    """Number of the group of each of n fragments, and how many there are."""
    if not n:
        return np.zeros(0, np.int64), 0
    first, second = np.concatenate([np.zeros((0, 2), np.int64), *pairs]).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    count, group = connected_components(graph, directed=False)
    return group.astype(np.int64), count


def _forget_before(oldest: Place, rims: dict[Place, Rim]) -> None:
    """Drop the rims that come before `oldest` in raster order: no later block touches them."""
    while rims and (first := next(iter(rims))) < oldest:
        del rims[first]
