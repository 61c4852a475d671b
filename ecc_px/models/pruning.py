"""A forest cut down to the nodes at which the voxels of one box part ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.models.nodes import NODE

Array = npt.NDArray[Any]


@kernel()
def pruning_scratch(n_nodes: int, n_trees: int) -> tuple[Array, Array, Array, Array]:
    """Room for `prune`: nodes to look at, where each is linked from, the links, and the nodes kept.

    One entry more than can be used, because `prune` writes before it knows whether the entry counts.
    """
    to_visit = np.empty(n_nodes + 1, np.int32)
    linked_from = np.empty(n_nodes + 1, np.int32)
    links = np.empty(n_trees + 2 * n_nodes + 2, np.int32)
    kept = np.empty(n_nodes + 1, NODE)
    return to_visit, linked_from, links, kept


@kernel()
def prune(
    nodes: Array,
    roots: Array,
    low: Array,
    high: Array,
    scratch: tuple[Array, Array, Array, Array],
) -> int:
    """Keep the nodes at which a box of voxels is divided, and link them past the others.

    A node whose threshold lies above all of the box's values sends every voxel left, one whose threshold lies
    at or below them sends every voxel right; it can be skipped without changing a single vote.

    Parameters
    ----------
    nodes : (N,) NODE
    roots : (T,) int32 links
    low, high : (F,) float32
        Least and greatest value of each feature in the box.
    scratch
        From `pruning_scratch`. Afterwards its `kept` holds the nodes that remain, linked among themselves, and
        the first T of its `links` are the roots.

    Returns
    -------
    int
        Number of nodes kept.

    Notes
    -----
    The loop has no branch that depends on the data, since none could be predicted: every outcome is written,
    and the counters advance only past what is true.
    """
    to_visit, linked_from, links, kept = scratch
    n_trees = len(roots)
    tail = np.uintp(0)
    for tree in range(n_trees):
        links[tree] = roots[tree]
        to_visit[tail] = roots[tree]
        linked_from[tail] = tree
        tail += np.uintp(roots[tree] >= 0)

    head = np.uintp(0)
    n_kept = np.uintp(0)
    while head < tail:
        node = nodes[np.uintp(to_visit[head])]
        origin = np.uintp(linked_from[head])
        head += np.uintp(1)
        feature = np.uintp(node.feature)
        some_left = low[feature] < node.threshold
        some_right = high[feature] >= node.threshold
        divided = some_left & some_right

        kept[n_kept].threshold = node.threshold
        kept[n_kept].feature = node.feature
        own_left = np.uintp(n_trees) + np.uintp(2) * n_kept
        own_right = own_left + np.uintp(1)
        child = node.left if some_left else node.right
        child_origin = own_left if divided else origin
        links[origin] = n_kept
        links[child_origin] = child
        links[own_right] = node.right
        to_visit[tail] = child
        linked_from[tail] = child_origin
        tail += np.uintp(child >= 0)
        to_visit[tail] = node.right
        linked_from[tail] = own_right
        tail += np.uintp(divided & (node.right >= 0))
        n_kept += np.uintp(divided)

    for k in range(n_kept):
        kept[k].left = links[np.uintp(n_trees) + np.uintp(2) * k]
        kept[k].right = links[np.uintp(n_trees) + np.uintp(2) * k + np.uintp(1)]
    return int(n_kept)


@kernel()
def collapse(kept: Array, roots: Array, leads_to: Array) -> None:
    """Replace nodes of a pruned forest whose two sides end in leaves of one kind by such a leaf.

    Parameters
    ----------
    kept : (N,) NODE
        From `prune`: children stand behind their parents. Those replaced stay, but nothing links to them.
    roots : (T,) int32 links
    leads_to : (N or more,) int32
        Scratch: what a link to each node becomes.
    """
    for k in range(len(kept) - 1, -1, -1):
        left, right = kept[k].left, kept[k].right
        left = leads_to[left] if left >= 0 else left
        right = leads_to[right] if right >= 0 else right
        kept[k].left, kept[k].right = left, right
        leads_to[k] = left if left == right else k
    for tree in range(len(roots)):
        if roots[tree] >= 0:
            roots[tree] = leads_to[roots[tree]]
