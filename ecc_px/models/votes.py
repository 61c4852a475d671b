"""Which class each tree of a forest votes for, counted for every voxel of a block.

Neighbouring voxels take nearly the same way through a tree, so the forest is walked once for many voxels instead
of each voxel through the forest.

1. *Pruning.* In a box of 16 bricks most nodes send all voxels the same way. Those are skipped (`prune`); the
   small forest that remains gives exactly the same votes in this box.
2. *Routing.* In a brick of 256 voxels, a node is visited once with a mask: a bit for each voxel that reaches it.
   Comparing the feature's row with the threshold divides the mask between the children; a child that no voxel
   reaches is dropped. Inner nodes wait in a queue, leaves are put down under their class.
3. *Counting.* The masks put down under a class are added, bit by bit, to the votes of the voxels.

The cost is that of the nodes visited in a brick, not of voxels × trees × depth.
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
    bounds,
    brick_corners,
    clear_nan_voxels,
    fetch_box,
    gather_brick,
    next_corner,
    rows_for,
    scatter_brick,
    widen_bounds,
)
from ecc_px.models.lanes import WORD, WORDS, add_where, visit
from ecc_px.models.nodes import LinkedNodes
from ecc_px.models.pruning import prune, pruning_scratch

Array = npt.NDArray[Any]


def count_votes(features: npt.NDArray[np.float32], forest: LinkedNodes, out: Array) -> None:
    """Count the trees that end in each kind of leaf; none for a voxel with a NaN.

    Parameters
    ----------
    features : (F, z, y, x) float32
        Any view whose x is contiguous is read in place.
    forest : LinkedNodes
    out : (K, z, y, x) uint8 or uint16, C-contiguous
        One channel for each kind of leaf; must hold the number of trees.
    """
    if out.size == 0:
        return
    memory, strides = flat_memory(features)
    brick, bricks = FLAT if features.shape[1] == 1 else SOLID
    _count_votes(memory, strides, brick, bricks, forest.nodes, forest.roots, len(features), out.shape[1:], out)


def flat_memory(features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Triple]:
    """The memory under a view as one 1-D array, and its strides along feature, z, y in values.

    One kernel then serves every view, and knows that neighbours along x lie side by side.
    """
    size = features.itemsize
    in_place = features.flags.writeable and all(s >= 0 and s % size == 0 for s in features.strides)
    if not in_place or (features.strides[-1] != size and features.shape[-1] > 1):
        features = np.array(features, order="C")
    f, z, y = (s // size for s in features.strides[:3])
    last = sum((n - 1) * s for n, s in zip(features.shape[:3], (f, z, y), strict=True)) + features.shape[-1]
    return np.lib.stride_tricks.as_strided(features, (last,), (size,)), (f, z, y)


@kernel()
def _count_votes(
    memory: Array,
    strides: Triple,
    brick: Triple,
    bricks: Triple,
    nodes: Array,
    roots: Array,
    n_features: int,
    shape: Triple,
    out: Array,
) -> None:
    """Box after box: gather, prune, then route and count each brick, while the next box is fetched.

    All scratch belongs to the call.
    """
    n_kinds = len(out)
    rows = rows_for(n_features)
    values = rows.reshape(-1)
    low, high = np.empty(n_features, np.float32), np.empty(n_features, np.float32)
    corners = np.empty((BRICKS, 3), np.int64)
    pruning = pruning_scratch(len(nodes), len(roots))
    links, kept = pruning[2], pruning[3]
    queue, masks = queue_for(len(nodes), len(roots))
    everyone = np.full(WORDS, ~np.uint64(0))
    settled = np.empty(n_kinds, np.int64)
    counts = np.empty((n_kinds, VOXELS), out.dtype)
    out_memory = out.reshape(-1)

    side = (brick[0] * bricks[0], brick[1] * bricks[1], brick[2] * bricks[2])
    corner = (0, 0, 0)
    while corner[0] < shape[0]:
        n_bricks = brick_corners(corner, brick, bricks, shape, corners)
        corner = next_corner(corner, side, shape)
        has_nan = gather_box(memory, strides, shape, corners[:n_bricks], brick, rows, low, high)
        n_kept = prune(nodes, roots, low, high, pruning)
        settled[:] = 0
        n_entries = settle(links[: len(roots)], settled)
        for b in range(n_bricks):
            some_features = (b * n_features // n_bricks, (b + 1) * n_features // n_bricks)
            fetch_box(memory, strides, shape, corner, side, some_features)
            begin = b * n_features * VOXELS
            first, last = route(kept[:n_kept], links[:n_entries], everyone, values, begin, VOXELS, queue, masks)
            for kind in range(n_kinds):
                counts[kind] = settled[kind]
            add_leaves(queue, masks, first, last, counts)
            if has_nan:
                clear_nan_voxels(rows[b], counts)
            scatter_brick(counts, corners[b], brick, shape, out_memory)


@kernel()
def queue_for(n_nodes: int, n_trees: int) -> tuple[Array, Array]:
    """Room for `route`: links, and the voxels that follow each."""
    size = 2 * n_nodes + n_trees + 2
    return np.empty(size, np.int32), np.empty(size * WORDS, np.uint64)


@kernel()
def gather_box(
    memory: Array,
    strides: Triple,
    shape: Triple,
    corners: Array,
    brick: Triple,
    rows: Array,
    low: Array,
    high: Array,
) -> bool:
    """Copy a box's features into rows and find their bounds; tell whether there is a NaN."""
    lows, highs = np.empty(VOXELS, np.float32), np.empty(VOXELS, np.float32)
    has_nan = False
    for f in range(rows.shape[1]):
        lows[:], highs[:] = np.inf, -np.inf
        plane = memory[f * strides[0] :]
        for b in range(len(corners)):
            gather_brick(plane, strides[1:], shape, corners[b], brick, rows[b, f])
            has_nan |= widen_bounds(rows[b, f], lows, highs)
        low[f], high[f] = bounds(lows, highs)
    return has_nan


@kernel()
def settle(roots: Array, settled: Array) -> int:
    """Count the trees that pruning reduced to a leaf under its kind, and move the roots of the others to the front.

    Returns
    -------
    int
        Number of trees that are left to walk.
    """
    n_entries = 0
    for tree in range(len(roots)):
        if roots[tree] >= 0:
            roots[n_entries] = roots[tree]
            n_entries += 1
        else:
            settled[~roots[tree]] += 1
    return n_entries


@kernel()
def route(
    kept: Array,
    entries: Array,
    members: Array,
    values: Array,
    begin: int,
    step: int,
    queue: Array,
    masks: Array,
) -> tuple[Any, Any]:
    """Send voxels of a brick through the pruned forest, all at once.

    Parameters
    ----------
    kept : (N,) NODE
    entries : (T,) int32
        Roots of the trees.
    members : (WORDS,) uint64
        The voxels.
    values : 1-D float32
    begin, step : int
        Voxel i of the brick has the features ``values[begin + f * step + i]``.
    queue, masks : (Q,) int32, (Q * WORDS,) uint64
        Links, and which voxels follow each: up to N of inner nodes, which wait, then those of leaves, one for each
        leaf that a voxel has reached.

    Returns
    -------
    first, last : unsigned
        The leaves in the queue.
    """
    n_entries = len(entries)
    queue[:n_entries] = entries
    for w in range(WORDS):
        masks[w : n_entries * WORDS : WORDS] = members[w]
    # A tree has one link to each node, so that no node waits twice; one place more is written to, but not counted.
    first_leaf = np.uintp(len(kept) + 1)
    head, tail, leaf_tail = np.uintp(0), np.uintp(n_entries), first_leaf
    while head < tail:
        node = kept[np.uintp(queue[head])]
        first = np.uintp(begin) + np.uintp(node.feature) * np.uintp(step)
        tail, leaf_tail = visit(
            values, first, node.threshold, node.left, node.right, queue, masks, head, tail, leaf_tail
        )
        head += np.uintp(1)
    return first_leaf, leaf_tail


@kernel()
def add_leaves(queue: Array, masks: Array, first: Any, last: Any, counts: Array) -> None:
    """Give the voxels that follow each link from `first` to `last` a vote for the kind of its leaf.

    Parameters
    ----------
    queue, masks, first, last
        As `route` leaves them.
    counts : (K, 256) unsigned
    """
    of_all_kinds, one = counts.reshape(-1), counts.dtype.type(1)
    for i in range(first, last):
        to = np.uintp(~queue[i]) * np.uintp(VOXELS)
        for w in range(np.uintp(WORDS)):
            add_where(of_all_kinds, to + w * np.uintp(WORD), masks[i * np.uintp(WORDS) + w], one)
