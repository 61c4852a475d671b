"""The votes of one class where there are many of them, and no more work than that takes.

Where only "is it above the threshold, and then how much" is asked, most of a brain is decided early.

1. A gate (`gates`) closes the voxels that can't get enough votes, as they lie in memory: most of them, as a rule.
2. Those left open are gathered from wherever they are, those together that gave the same answers, and the forest is
   pruned to a box of bricks of them. The other classes are one; a tree is cut back where both sides of a node then say
   the same.
3. In a brick, as many trees are walked as can decide against the class. A few at a time, the others follow, with those
   voxels alone that are still open; as a rule that is soon none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.models.bricks import BRICKS, VOXELS, bounds, clear_nan_voxels, rows_for, widen_bounds
from ecc_px.models.gates import CLOSED
from ecc_px.models.lanes import WORD, WORDS, bits_from, lowest_bit
from ecc_px.models.nodes import LinkedNodes
from ecc_px.models.pruning import collapse, prune, pruning_scratch
from ecc_px.models.votes import add_leaves, flat_memory, queue_for, route, settle

Array = npt.NDArray[Any]

WANTED, REST = 0, 1
"""Kinds of leaves: of the class that is asked for, and of all others."""

BOX = BRICKS * VOXELS
"""Voxels that a forest is pruned to."""

WAITING = 4 * BOX
"""So many voxels wait: the more of them, the more alike are those that are walked together."""

MORE_TREES = 6
"""So many trees are walked before it is asked again which voxels are open: few, but asking is not free."""


def count_frequent_votes(
    features: npt.NDArray[np.float32], forest: LinkedNodes, gate: LinkedNodes, at_least: int, out: Array
) -> int:
    """Count the trees that end in a leaf of kind `WANTED`; 0 for a voxel with fewer than `at_least`, or with a NaN.

    Parameters
    ----------
    features : (F, z, y, x) float32
        Read in place if each feature is C-contiguous.
    forest : LinkedNodes
        Its leaves are of the kinds `WANTED` and `REST`.
    gate : LinkedNodes
        Built for this forest and `at_least`.
    at_least : int
        From 1 on.
    out : (z, y, x) uint8 or uint16, C-contiguous
        Must hold the number of trees.

    Returns
    -------
    int
        Voxels that the gate left open.
    """
    out[:] = 0
    if out.size == 0:
        return 0
    if not features[0].flags.c_contiguous:
        features = np.array(features, order="C")
    memory, (step, _, _) = flat_memory(features)
    n_open = _count_frequent(memory, step, len(features), gate, forest, at_least, out.reshape(-1))
    # A voxel that was closed has the votes of the trees walked until then: less than all, so less than enough.
    out[out < at_least] = 0
    return int(n_open)


class _Scratch(NamedTuple):
    """Memory of `_walk`; `rows`, (bricks, F, 256), is room for features."""

    rows: Array
    low: Array
    high: Array
    lows: Array
    highs: Array
    pruning: Any
    leads_to: Array
    queue: Array
    masks: Array
    is_open: Array
    settled: Array
    counts: Array


@kernel()
def _scratch_for(forest: LinkedNodes, n_features: int, out: Array) -> Any:
    n_nodes, n_trees = len(forest.nodes), len(forest.roots)
    queue, masks = queue_for(n_nodes, n_trees)
    return _Scratch(
        rows_for(n_features),
        np.empty(n_features, np.float32),
        np.empty(n_features, np.float32),
        np.empty(VOXELS, np.float32),
        np.empty(VOXELS, np.float32),
        pruning_scratch(n_nodes, n_trees),
        np.empty(n_nodes + 1, np.int32),
        queue,
        masks,
        np.empty(WORDS, np.uint64),
        np.empty(2, np.int64),
        np.empty((2, VOXELS), out.dtype),
    )


@kernel()
def _count_frequent(
    memory: Array, step: int, n_features: int, gate: LinkedNodes, forest: LinkedNodes, at_least: int, out: Array
) -> int:
    """Ask the gate about 256 voxels at a time, and walk those left open as soon as there are many."""
    n_voxels = len(out)
    n_questions = len(gate.nodes)
    queue, masks = queue_for(n_questions, 1)
    everyone = np.full(WORDS, ~np.uint64(0))
    last_voxels = np.empty(n_features * VOXELS, np.float32)
    place, leaf = np.empty(WAITING, np.int64), np.empty(WAITING, np.int32)
    scratch = _scratch_for(forest, n_features, out)
    n_open = n_waiting = 0
    for begin in range(0, n_voxels, VOXELS):
        n = min(VOXELS, n_voxels - begin)
        if n_waiting + n > WAITING:
            n_open += n_waiting
            _walk_all(memory, step, place[:n_waiting], leaf, n_questions, forest, at_least, scratch, out)
            n_waiting = 0
        if n == VOXELS:
            first, last = route(gate.nodes, gate.roots, everyone, memory, begin, step, queue, masks)
        else:
            for f in range(n_features):
                last_voxels[f * VOXELS : f * VOXELS + n] = memory[f * step + begin : f * step + begin + n]
            first, last = route(gate.nodes, gate.roots, everyone, last_voxels, 0, VOXELS, queue, masks)
        for i in range(first, last):
            if queue[i] != ~CLOSED:
                for w in range(WORDS):
                    word = masks[i * np.uintp(WORDS) + np.uintp(w)]
                    while word != np.uint64(0):
                        bit = w * WORD + lowest_bit(word)
                        word &= word - np.uint64(1)
                        if bit < n:
                            place[n_waiting], leaf[n_waiting] = begin + bit, ~queue[i]
                            n_waiting += 1
    n_open += n_waiting
    _walk_all(memory, step, place[:n_waiting], leaf, n_questions, forest, at_least, scratch, out)
    return n_open


@kernel()
def _walk_all(
    memory: Array,
    step: int,
    place: Array,
    leaf: Array,
    n_questions: int,
    forest: LinkedNodes,
    at_least: int,
    scratch: Any,
    out: Array,
) -> None:
    """Walk the voxels that the gate left open, a box of them after the other, ordered by the leaf that they came to."""
    first = np.zeros(n_questions + 3, np.int64)
    for i in range(len(place)):
        first[leaf[i] + 1] += 1
    first = np.cumsum(first)
    ordered = np.empty(len(place), np.int64)
    for i in range(len(place)):
        ordered[first[leaf[i]]] = place[i]
        first[leaf[i]] += 1
    for begin in range(0, len(place), BOX):
        _walk(memory, step, ordered[begin : begin + BOX], forest, at_least, scratch, out)


@kernel()
def _walk(memory: Array, step: int, place: Array, forest: LinkedNodes, at_least: int, scratch: Any, out: Array) -> None:
    """Prune the forest to a box of voxels, and walk the trees of each brick of them while there are open ones.

    Parameters
    ----------
    place : (n,) int64
        Where the voxels are in each feature, and in `out`.
    """
    rows, low, high, lows, highs, pruning, leads_to, queue, masks, is_open, settled, counts = scratch
    n, n_trees, n_features = len(place), len(forest.roots), rows.shape[1]
    n_bricks = (n + VOXELS - 1) // VOXELS
    has_nan = False
    for f in range(n_features):
        feature = memory[f * step :]
        lows[:], highs[:] = np.inf, -np.inf
        for b in range(n_bricks):
            row = rows[b, f]
            for i in range(VOXELS):
                # The last brick is filled up with the last voxel.
                row[i] = feature[np.uintp(place[min(b * VOXELS + i, n - 1)])]
            has_nan |= widen_bounds(row, lows, highs)
        low[f], high[f] = bounds(lows, highs)
    n_kept = prune(forest.nodes, forest.roots, low, high, pruning)
    links, kept = pruning[2], pruning[3]
    collapse(kept[:n_kept], links[:n_trees], leads_to)
    settled[:] = 0
    n_entries = settle(links[:n_trees], settled)
    if n_trees - settled[REST] < at_least:
        return
    can_decide = n_trees - at_least + 1 - settled[REST]
    values = rows.reshape(-1)
    for b in range(n_bricks):
        counts[WANTED], counts[REST] = settled[WANTED], settled[REST]
        is_open[:] = ~np.uint64(0)
        begin, end = 0, min(can_decide, n_entries)
        while begin < n_entries:
            base = b * n_features * VOXELS
            first, last = route(kept[:n_kept], links[begin:end], is_open, values, base, VOXELS, queue, masks)
            add_leaves(queue, masks, first, last, counts)
            begin, end = end, min(end + MORE_TREES, n_entries)
            if not _find_open(counts[WANTED], at_least - (n_entries - begin), is_open):
                break
        if has_nan:
            clear_nan_voxels(rows[b], counts)
        for i in range(min(VOXELS, n - b * VOXELS)):
            out[place[b * VOXELS + i]] = counts[WANTED, i]


@kernel()
def _find_open(counts: Array, least: int, is_open: Array) -> bool:
    """Mark the voxels of a brick that have so many votes by now that they may get enough; whether there are any."""
    enough = counts.dtype.type(max(0, least))
    anywhere = np.uint64(0)
    for w in range(WORDS):
        is_open[w] = bits_from(counts, np.uintp(w * WORD), enough)
        anywhere |= is_open[w]
    return bool(anywhere != np.uint64(0))
