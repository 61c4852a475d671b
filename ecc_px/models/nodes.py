"""A forest's nodes as the kernels read them: one 16-byte record per inner node, leaves folded into the links.

A *link* (the root of a tree, the left or the right child of a node) is the number of an inner node, or ``~kind``
for a leaf. The kind of a leaf is the class that it votes for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

NODE = np.dtype([("threshold", np.float32), ("feature", np.int32), ("left", np.int32), ("right", np.int32)], align=True)
"""An inner node: ``feature < threshold`` follows the link `left`, everything else follows `right`."""


class LinkedNodes(NamedTuple):
    """The inner nodes of some trees, and the link to the root of each tree."""

    nodes: npt.NDArray[Any]
    roots: npt.NDArray[np.int32]


def link_nodes(
    feature: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float64],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    leaf_kind: npt.NDArray[np.int32],
    roots: npt.NDArray[np.int32],
) -> LinkedNodes:
    """Fold the leaves into their parents' links.

    Parameters
    ----------
    feature, threshold, left, right : (N,) arrays
        As in `Forest`; feature is -1 at a leaf.
    leaf_kind : (N,) int32
        What each leaf stands for; not read at inner nodes.
    roots : (T,) int32
    """
    inner = feature >= 0
    link = np.where(inner, np.cumsum(inner) - 1, ~leaf_kind).astype(np.int32)
    nodes = np.empty(np.count_nonzero(inner), NODE)
    nodes["threshold"] = float32_thresholds(threshold[inner])
    nodes["feature"] = feature[inner]
    nodes["left"] = link[left[inner]]
    nodes["right"] = link[right[inner]]
    return LinkedNodes(nodes, link[roots])


def float32_thresholds(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The smallest float32 that is not below each threshold.

    For every float32 x, ``float64(x) < threshold`` is then the same as ``x < result``.
    """
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
        above: npt.NDArray[np.float32] = np.nextafter(nearest, np.float32(np.inf))
    return np.where(nearest < threshold, above, nearest)


def check_trees(
    feature: npt.NDArray[np.int32],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    roots: npt.NDArray[np.int32],
    n_features: int,
) -> None:
    """Refuse arrays that are no trees: the kernels follow links without looking.

    Raises
    ------
    ValueError
    """
    n_nodes = len(feature)
    inner = feature >= 0
    links = np.concatenate([roots, left[inner], right[inner]])
    if feature.max(initial=-1) >= n_features:
        raise ValueError(f"A node tests feature {feature.max()}, the forest has {n_features} features.")
    if links.min(initial=0) < 0 or links.max(initial=-1) >= n_nodes:
        raise ValueError(f"A link leads outside the forest's {n_nodes} nodes.")
    if np.bincount(links, minlength=1).max() > 1:
        raise ValueError("Two links lead to the same node: the nodes form no trees.")
