"""The votes of one class where there are many of them, and no more work than that takes.

Where only "is it above the threshold, and then how much" is asked, most of a brain is decided early.

1. The other classes are one; what is left of a tree in a box is cut back where both sides of a node then say the same.
2. A box in which too few trees can still vote for the class is done without walking any.
3. In a brick, as many trees are walked as can decide against the class. A few at a time, the others follow, with those
   voxels alone that are still open; as a rule that is soon none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.models.bricks import (
    BRICKS,
    FLAT,
    SOLID,
    VOXELS,
    Triple,
    brick_corners,
    clear_nan_voxels,
    fetch_box,
    next_corner,
    rows_for,
    scatter_brick,
)
from ecc_px.models.lanes import WORD, WORDS, bits_from
from ecc_px.models.nodes import LinkedNodes
from ecc_px.models.pruning import collapse, prune, pruning_scratch
from ecc_px.models.votes import add_leaves, flat_memory, gather_box, queue_for, route, settle

Array = npt.NDArray[Any]

WANTED, REST = 0, 1
"""Kinds of leaves: of the class that is asked for, and of all others."""

MORE_TREES = 6
"""So many trees are walked before it is asked again which voxels are open: few, but asking is not free."""


def count_frequent_votes(features: npt.NDArray[np.float32], forest: LinkedNodes, at_least: int, out: Array) -> None:
    """Count the trees that end in a leaf of kind `WANTED`; 0 for a voxel with fewer than `at_least`, or with a NaN.

    Parameters
    ----------
    features : (F, z, y, x) float32
        Any view whose x is contiguous is read in place.
    forest : LinkedNodes
        Its leaves are of the kinds `WANTED` and `REST`.
    at_least : int
        From 1 on.
    out : (z, y, x) uint8 or uint16, C-contiguous
        Must hold the number of trees.
    """
    out[:] = 0
    if out.size == 0:
        return
    memory, strides = flat_memory(features)
    brick, bricks = FLAT if features.shape[1] == 1 else SOLID
    _count_frequent(memory, strides, brick, bricks, forest.nodes, forest.roots, len(features), at_least, out)
    # A voxel that was closed has the votes of the trees walked until then: less than all, so less than enough.
    out[out < at_least] = 0


@kernel()
def _count_frequent(
    memory: Array,
    strides: Triple,
    brick: Triple,
    bricks: Triple,
    nodes: Array,
    roots: Array,
    n_features: int,
    at_least: int,
    out: Array,
) -> None:
    """Box after box: gather, prune, and walk the trees of each brick while there are open voxels."""
    shape = out.shape
    n_trees = len(roots)
    rows = rows_for(n_features)
    low, high = np.empty(n_features, np.float32), np.empty(n_features, np.float32)
    corners = np.empty((BRICKS, 3), np.int64)
    pruning = pruning_scratch(len(nodes), n_trees)
    links, kept = pruning[2], pruning[3]
    leads_to = np.empty(len(nodes) + 1, np.int32)
    queue, masks = queue_for(len(nodes), n_trees)
    is_open = np.empty(WORDS, np.uint64)
    settled = np.empty(2, np.int64)
    counts = np.empty((2, VOXELS), out.dtype)
    out_memory = out.reshape(-1)

    side = (brick[0] * bricks[0], brick[1] * bricks[1], brick[2] * bricks[2])
    corner = (0, 0, 0)
    while corner[0] < shape[0]:
        n_bricks = brick_corners(corner, brick, bricks, shape, corners)
        corner = next_corner(corner, side, shape)
        has_nan = gather_box(memory, strides, shape, corners[:n_bricks], brick, rows, low, high)
        n_kept = prune(nodes, roots, low, high, pruning)
        collapse(kept[:n_kept], links[:n_trees], leads_to)
        settled[:] = 0
        n_entries = settle(links[:n_trees], settled)
        if n_trees - settled[REST] < at_least:
            continue
        can_decide = n_trees - at_least + 1 - settled[REST]
        for b in range(n_bricks):
            some_features = (b * n_features // n_bricks, (b + 1) * n_features // n_bricks)
            fetch_box(memory, strides, shape, corner, side, some_features)
            counts[WANTED], counts[REST] = settled[WANTED], settled[REST]
            is_open[:] = ~np.uint64(0)
            begin, end = 0, min(can_decide, n_entries)
            while begin < n_entries:
                first, last = route(kept[:n_kept], links[begin:end], is_open, rows[b].ravel(), queue, masks)
                add_leaves(queue, masks, first, last, counts)
                begin, end = end, min(end + MORE_TREES, n_entries)
                if not _find_open(counts[WANTED], at_least - (n_entries - begin), is_open):
                    break
            if has_nan:
                clear_nan_voxels(rows[b], counts)
            scatter_brick(counts[:1], corners[b], brick, shape, out_memory)


@kernel()
def _find_open(counts: Array, least: int, is_open: Array) -> bool:
    """Mark the voxels of a brick that have so many votes by now that they may get enough; whether there are any."""
    enough = counts.dtype.type(max(0, least))
    anywhere = np.uint64(0)
    for w in range(WORDS):
        is_open[w] = bits_from(counts, np.uintp(w * WORD), enough)
        anywhere |= is_open[w]
    return bool(anywhere != np.uint64(0))
