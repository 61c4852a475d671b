"""The random forests in an .ilp: vigra's arrays → one flat `Forest`.

vigra stores each tree as two arrays. `topology` (int32) begins with the feature and the class count; the root
stands at index 2. A node is ``[0, parameters address, left, right, column]``, a leaf ``[LEAF, parameters
address]``; addresses are absolute indices. In `parameters` (float64) a node has ``[weight, threshold]`` and a
leaf ``[samples, fraction of class 0, fraction of class 1, …]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import UnsupportedProject
from ecc_px.ilastik.hdf5 import Group
from ecc_px.models.forest import Forest

LEAF = 0x40000000
ROOT = 2

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def read_forest(group: Group) -> Forest:
    """All trees of a `ClassifierForests` group as one forest.

    Parameters
    ----------
    group : Group
        Holds Forest0000, Forest0001, … and, except in the oldest files, `known_labels`.

    Raises
    ------
    UnreadableProject
        Something is missing, or an address leads nowhere, out of the tree, or round in a circle.
    UnsupportedProject
        A kind of forest that ilastik never makes.
    """
    parts = [_read_part(group.group(name)) for name in group.names() if name.startswith("Forest")]
    if not parts:
        raise group.damaged("there is no Forest0000")
    n_classes, n_features = parts[0].n_classes, parts[0].n_features
    if any((part.n_classes, part.n_features) != (n_classes, n_features) for part in parts):
        raise group.damaged("its forests differ in their numbers of classes or features")
    trees = [tree for part in parts for tree in part.trees]
    return Forest(
        **_flatten(_end_to_end(group, trees, n_features, n_classes)),
        part_sizes=tuple(len(part.trees) for part in parts),
        labels=_read_labels(group, n_classes),
        n_features=n_features,
    )


@dataclass(frozen=True)
class _Tree:
    name: str
    topology: npt.NDArray[Any]
    parameters: npt.NDArray[Any]


@dataclass(frozen=True)
class _Part:
    trees: list[_Tree]
    n_classes: int
    n_features: int


def _read_part(group: Group) -> _Part:
    options, learned = group.group("_options"), group.group("_ext_param")
    if "predict_weighted_" in options and options.number("predict_weighted_") != 0:
        raise UnsupportedProject(
            f"{group.project}: the forest at {group.place} weighs its leaves by their samples, which ilastik "
            "never does; train it again in ilastik."
        )
    names = [name for name in group.names() if name.startswith("Tree_")]
    n_trees = options.count("tree_count_")
    if len(names) < n_trees:
        raise group.damaged(f"it should hold {n_trees} trees and has {len(names)}")
    trees = [
        _Tree(
            name=f"{group.place}/{name}",
            topology=group.numbers(f"{name}/topology", kinds="iu"),
            parameters=group.numbers(f"{name}/parameters", kinds="f"),
        )
        for name in names[:n_trees]
    ]
    return _Part(trees, learned.count("class_count_"), learned.count("column_count_"))


def _read_labels(group: Group, n_classes: int) -> npt.NDArray[np.int32]:
    """The label of each class column; the oldest files leave them out and mean 1, 2, 3, …"""
    if "known_labels" not in group:
        return np.arange(1, n_classes + 1, dtype=np.int32)
    labels = group.numbers("known_labels", kinds="iuf").astype(np.int64)
    if labels.shape != (n_classes,) or labels[0] < 1 or labels[-1] > 255 or (np.diff(labels) < 1).any():
        raise group.damaged(f"known_labels {labels.tolist()} don't fit a forest of {n_classes} classes")
    return labels.astype(np.int32)


@dataclass(frozen=True)
class _Stored:
    """All trees end to end, in vigra's form; addresses inside stay relative to the tree's own start."""

    group: Group
    tree_names: list[str]
    topology: Ints
    parameters: npt.NDArray[np.float64]
    topology_sizes: Ints
    parameter_sizes: Ints
    n_features: int
    n_classes: int

    @property
    def topology_starts(self) -> Ints:
        return np.cumsum(self.topology_sizes) - self.topology_sizes

    @property
    def parameter_starts(self) -> Ints:
        return np.cumsum(self.parameter_sizes) - self.parameter_sizes

    def require(self, good: Flags, tree: Ints, what: str) -> None:
        """Refuse the file where not all is `good`, naming the first bad tree."""
        if not good.all():
            raise self.group.damaged(f"{self.tree_names[tree[np.argmin(good)]]}: {what}")


def _end_to_end(group: Group, trees: Sequence[_Tree], n_features: int, n_classes: int) -> _Stored:
    for tree in trees:
        if tree.topology.ndim != 1 or tree.topology.size < ROOT + 2 or tree.parameters.ndim != 1:
            raise group.damaged(f"{tree.name}: a tree can't be stored like this")
        if tree.topology[0] != n_features or tree.topology[1] != n_classes:
            raise group.damaged(f"{tree.name}: it is made for other numbers of features or classes")
    return _Stored(
        group=group,
        tree_names=[tree.name for tree in trees],
        topology=np.concatenate([tree.topology for tree in trees]).astype(np.int64),
        parameters=np.concatenate([tree.parameters for tree in trees]).astype(np.float64),
        topology_sizes=np.array([tree.topology.size for tree in trees]),
        parameter_sizes=np.array([tree.parameters.size for tree in trees]),
        n_features=n_features,
        n_classes=n_classes,
    )


def _nodes_of(stored: _Stored) -> Ints:
    """Where in `topology` the nodes stand, ascending: all trees followed at once, level by level.

    Afterwards every address in these nodes is known to be good, and every node to have one parent.
    """
    topology, starts, sizes = stored.topology, stored.topology_starts, stored.topology_sizes
    visitor = np.full(topology.size, -1)
    tree = np.arange(len(sizes))
    at = starts + ROOT
    while at.size:
        unseen = visitor[at] < 0
        visitor[at] = np.arange(at.size)
        alone = visitor[at] == np.arange(at.size)
        stored.require(unseen & alone, tree, "two branches lead to the same node")
        kind = topology[at]
        stored.require((kind & ~LEAF) == 0, tree, "it holds a node of a kind that ilastik never makes")
        inner = kind == 0
        local = at - starts[tree]
        stored.require(local + np.where(inner, 5, 2) <= sizes[tree], tree, "a node is cut off")
        address = topology[at + 1]
        last = stored.parameter_sizes[tree] - np.where(inner, 2, 1 + stored.n_classes)
        stored.require((address >= 0) & (address <= last), tree, "a node's parameters lie outside")

        at, tree = at[inner], tree[inner]
        column = topology[at + 4]
        stored.require((column >= 0) & (column < stored.n_features), tree, "it asks for a feature beyond the last")
        tree = np.concatenate([tree, tree])
        child = np.concatenate([topology[at + 2], topology[at + 3]])
        stored.require((child >= ROOT) & (child <= sizes[tree] - 2), tree, "a child lies outside")
        at = child + starts[tree]
    return np.flatnonzero(visitor >= 0)


def _flatten(stored: _Stored) -> dict[str, Any]:
    """The arrays of a `Forest`; its nodes are numbered as they are stored, so each tree stays together."""
    topology, parameters = stored.topology, stored.parameters
    nodes = _nodes_of(stored)
    tree = np.repeat(np.arange(len(stored.topology_sizes)), stored.topology_sizes)[nodes]
    number = np.full(topology.size, -1, np.int32)
    number[nodes] = np.arange(nodes.size)
    inner = topology[nodes] == 0
    address = topology[nodes + 1] + stored.parameter_starts[tree]
    splits, origin = nodes[inner], stored.topology_starts[tree[inner]]

    feature = np.full(nodes.size, -1, np.int32)
    left, right = feature.copy(), feature.copy()
    threshold = np.zeros(nodes.size)
    fractions = np.zeros((nodes.size, stored.n_classes))
    feature[inner] = topology[splits + 4]
    left[inner] = number[topology[splits + 2] + origin]
    right[inner] = number[topology[splits + 3] + origin]
    threshold[inner] = parameters[address[inner] + 1]
    votes = parameters[address[~inner, np.newaxis] + 1 + np.arange(stored.n_classes)]
    fractions[~inner] = votes

    stored.require(~np.isnan(threshold), tree, "a threshold is not a number")
    sums_to_one = (votes >= 0).all(axis=1) & (np.abs(votes.sum(axis=1) - 1) < 1e-6)
    stored.require(sums_to_one, tree[~inner], "the class fractions of a leaf don't sum to 1")
    return {
        "feature": feature,
        "threshold": threshold,
        "left": left,
        "right": right,
        "fractions": fractions,
        "roots": number[stored.topology_starts + ROOT],
    }
