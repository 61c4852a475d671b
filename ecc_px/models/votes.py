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
    scatter_brick,
    widen_bounds,
)
from ecc_px.models.lanes import WORD, add_where, bits_below
from ecc_px.models.nodes import LinkedNodes
from ecc_px.models.pruning import prune, pruning_scratch

Array = npt.NDArray[Any]

WORDS = VOXELS // WORD
"""Words in the mask of a brick."""


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
    rows = np.empty((BRICKS, n_features, VOXELS), np.float32)
    low, high = np.empty(n_features, np.float32), np.empty(n_features, np.float32)
    corners = np.empty((BRICKS, 3), np.int64)
    pruning = pruning_scratch(len(nodes), len(roots))
    links, kept = pruning[2], pruning[3]
    queue_size = len(roots) + 2 * len(nodes) + n_kinds + 2
    queue, masks = np.empty(queue_size, np.int32), np.empty(queue_size * WORDS, np.uint64)
    starts, ends = np.empty(n_kinds + 2, np.uintp), np.empty(n_kinds + 1, np.uintp)
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
        lay_out_queue(kept[:n_kept], starts)
        for b in range(n_bricks):
            some_features = (b * n_features // n_bricks, (b + 1) * n_features // n_bricks)
            fetch_box(memory, strides, shape, corner, side, some_features)
            route(kept, links[:n_entries], everyone, rows[b].ravel(), queue, masks, starts, ends)
            _count(masks, starts, ends, settled, len(roots), counts)
            if has_nan:
                clear_nan_voxels(rows[b], counts)
            scatter_brick(counts, corners[b], brick, shape, out_memory)


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
def lay_out_queue(kept: Array, starts: Array) -> None:
    """Give each kind of entry its part of the queue: inner nodes first, then the leaves of each kind.

    A pruned forest is a set of trees, so that an entry is put down at most once for each link: the parts are
    exactly as long as the links are many.
    """
    starts[:] = 0
    for k in range(len(kept)):
        starts[_part(kept[k].left) + np.uintp(1)] += np.uintp(1)
        starts[_part(kept[k].right) + np.uintp(1)] += np.uintp(1)
    starts[1] = len(kept)
    for part in range(1, len(starts)):
        starts[part] += starts[part - 1]


@kernel()
def _part(link: int) -> Any:
    """The part of the queue that a link belongs to: 0 for an inner node, 1 + kind for a leaf."""
    return np.uintp(max(0, -link))


@kernel()
def route(
    kept: Array,
    entries: Array,
    members: Array,
    row: Array,
    queue: Array,
    masks: Array,
    starts: Array,
    ends: Array,
) -> None:
    """Send voxels of a brick through the pruned forest, all at once.

    Without a branch on the data: a child is always written, and its part grows only if a voxel reaches it.

    Parameters
    ----------
    kept : (N,) NODE
    entries : (T,) int32
        Roots of the trees.
    members : (WORDS,) uint64
        The voxels.
    row : (F * 256,) float32
    queue, masks : (Q,) int32, (Q * WORDS,) uint64
        Which node waits, and which voxels have reached it.
    starts, ends : (K + 2,), (K + 1,) unsigned
        Where each part of the queue starts, and on return where it ends.
    """
    ends[:] = starts[:-1]
    queue[: len(entries)] = entries
    for w in range(WORDS):
        masks[w : len(entries) * WORDS : WORDS] = members[w]
    ends[0] = len(entries)
    head = np.uintp(0)
    while head < ends[0]:
        node = kept[np.uintp(queue[head])]
        first = np.uintp(node.feature) * np.uintp(VOXELS)
        m = head * np.uintp(WORDS)
        m0, m1, m2, m3 = masks[m], masks[m + np.uintp(1)], masks[m + np.uintp(2)], masks[m + np.uintp(3)]
        b0 = bits_below(row, first, node.threshold)
        b1 = bits_below(row, first + np.uintp(WORD), node.threshold)
        b2 = bits_below(row, first + np.uintp(2 * WORD), node.threshold)
        b3 = bits_below(row, first + np.uintp(3 * WORD), node.threshold)
        _put_down(node.left, m0 & b0, m1 & b1, m2 & b2, m3 & b3, queue, masks, ends)
        _put_down(node.right, m0 & ~b0, m1 & ~b1, m2 & ~b2, m3 & ~b3, queue, masks, ends)
        head += np.uintp(1)


@kernel()
def _put_down(link: int, m0: Any, m1: Any, m2: Any, m3: Any, queue: Array, masks: Array, ends: Array) -> None:
    """Write a link and the mask of the voxels that follow it; it counts only if there are any."""
    part = _part(link)
    slot = ends[part]
    queue[slot] = link
    m = slot * np.uintp(WORDS)
    masks[m], masks[m + np.uintp(1)], masks[m + np.uintp(2)], masks[m + np.uintp(3)] = m0, m1, m2, m3
    ends[part] = slot + np.uintp((m0 | m1 | m2 | m3) != 0)


@kernel()
def _count(masks: Array, starts: Array, ends: Array, settled: Array, n_trees: int, counts: Array) -> None:
    """Count a brick's votes for each kind: what the pruning settled, and the masks put down.

    The kind with the longest part, often the background, gets the votes that the others leave.
    """
    rest = np.argmax(np.diff(starts[1:].astype(np.int64)))
    counts[rest] = n_trees
    for kind in range(len(counts)):
        if kind != rest:
            counts[kind] = settled[kind]
            add_masks(masks[starts[kind + 1] * WORDS : ends[kind + 1] * WORDS], counts[kind])
            counts[rest] -= counts[kind]


@kernel()
def add_masks(masks: Array, counts: Array) -> None:
    """Add 1 to the count of every voxel for each mask that it is in.

    64 counters of 8 bits are kept as 8 words (p0 holds bit 0 of each of them …), so that a mask is added to all
    of them at once, as one column after the other is added by hand.
    """
    zero = np.uint64(0)
    n_masks = len(masks) // WORDS
    for first in range(0, n_masks, 255):
        stop = min(first + 255, n_masks)
        for w in range(WORDS):
            p0, p1, p2, p3, p4, p5, p6, p7 = zero, zero, zero, zero, zero, zero, zero, zero
            for i in range(first, stop):
                carry = masks[i * WORDS + w]
                p0, carry = p0 ^ carry, p0 & carry
                p1, carry = p1 ^ carry, p1 & carry
                p2, carry = p2 ^ carry, p2 & carry
                p3, carry = p3 ^ carry, p3 & carry
                p4, carry = p4 ^ carry, p4 & carry
                p5, carry = p5 ^ carry, p5 & carry
                p6, carry = p6 ^ carry, p6 & carry
                p7 ^= carry
            first_voxel = np.uintp(w * WORD)
            for bit, plane in enumerate((p0, p1, p2, p3, p4, p5, p6, p7)):
                add_where(counts, first_voxel, plane, counts.dtype.type(1 << bit))
