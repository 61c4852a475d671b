"""A gate: one small decision tree, made from a forest, that knows where too few trees can vote for a class.

Most of a brain is so dark, flat or smooth that half of the trees are against a class whatever the other features are.
A gate asks a voxel some ten questions and either closes it, which proves that it can't get enough votes, or leaves it
open, which says nothing.

A leaf of a forest is a box in the space of features. In the part of that space that some questions leave, a tree can
vote for the class as long as one of its boxes for the class lies partly there. So a part is closed when too few trees
have such a box. What is asked next is the question that leaves fewest trees with a vote, over a sample of voxels. The
sample decides how much a gate closes, never whether that is right.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.models.nodes import NODE, LinkedNodes

CLOSED, OPEN = 0, 1
"""Kinds of a gate's leaves: closed, and the first of those that are open."""

MOST_NODES = 255
"""Questions in a gate; with more, few other voxels are closed, and all are asked more."""

SAMPLE = 4096
"""Voxels that a gate learns from, each time that it is built."""

MOST_IN_VAIN = 0.1
"""The share of voxels that a gate may leave open for nothing."""

INFINITY = np.float32(np.inf)

Bounds = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Boxes:
    """The leaves that vote for a class: for each, the tree (ascending) and the bounds of every feature.

    A voxel ends there iff ``low <= x < high`` for each feature; a NaN, as in the trees, is at or above any number.
    """

    tree: npt.NDArray[np.int64]
    low: Bounds
    high: Bounds

    def take(self, which: npt.NDArray[Any]) -> Boxes:
        return Boxes(self.tree[which], self.low[which], self.high[which])

    def within(self, feature: int, low: np.float32, high: np.float32) -> Boxes:
        """Those that lie partly in a slab of the space of features, cut off there."""
        cut_low, cut_high = np.maximum(self.low[:, feature], low), np.minimum(self.high[:, feature], high)
        here = _holds_values(cut_low, cut_high)
        inside = self.take(here)
        inside.low[:, feature], inside.high[:, feature] = cut_low[here], cut_high[here]
        return inside

    def reach(self) -> tuple[Bounds, Bounds]:
        """Where along each feature a tree can vote for the class, from its lowest to its highest box: (trees, F)."""
        if len(self.tree) == 0:
            return self.low, self.high
        first = np.flatnonzero(np.diff(self.tree, prepend=-1))
        return np.minimum.reduceat(self.low, first), np.maximum.reduceat(self.high, first)


def boxes_of(forest: LinkedNodes, kind: int, n_features: int) -> Boxes:
    """The boxes of all leaves of a kind."""
    link, tree = forest.roots, np.arange(len(forest.roots))
    low = np.full((len(link), n_features), -np.inf, np.float32)
    high = np.full((len(link), n_features), np.inf, np.float32)
    found = []
    while len(link):
        at_leaf = link == ~kind
        found.append(Boxes(tree[at_leaf], low[at_leaf], high[at_leaf]))
        inner = link >= 0
        node, tree, low, high = forest.nodes[link[inner]], tree[inner], low[inner], high[inner]
        left_high, right_low = high.copy(), low.copy()
        of_node = np.arange(len(node)), node["feature"]
        left_high[of_node] = np.minimum(high[of_node], node["threshold"])
        right_low[of_node] = np.maximum(low[of_node], node["threshold"])
        link, tree = np.concatenate([node["left"], node["right"]]), np.concatenate([tree, tree])
        low, high = np.concatenate([low, right_low]), np.concatenate([left_high, high])
    tree, low, high = (np.concatenate([getattr(b, part) for b in found]) for part in ("tree", "low", "high"))
    reachable = np.flatnonzero(_holds_values(low, high).all(axis=1))
    return Boxes(tree, low, high).take(reachable[np.argsort(tree[reachable], kind="stable")])


def _holds_values(low: Bounds, high: Bounds) -> npt.NDArray[np.bool_]:
    """Whether there is anything between two bounds; where there is no upper one, infinity and NaN are."""
    return (low < high) | (high == INFINITY)


class Gatekeeper:
    """Builds a class's gate from the first voxels that it sees, and anew when it leaves too many others open.

    Threads may share it: a gate is never changed, only replaced.
    """

    def __init__(self, boxes: Boxes, at_least: int) -> None:
        self._boxes, self._at_least = boxes, at_least
        self._gate: LinkedNodes | None = None
        self._sample = np.empty((boxes.low.shape[1], 0), np.float32)
        # Voxels seen before the gate was built, and since then; how many of these it left open for nothing.
        self._before = self._since = self._in_vain = 0

    def gate(self, features: npt.NDArray[np.float32]) -> LinkedNodes:
        """The gate as it stands; if there is none, it is built from these features, (F, z, y, x)."""
        gate = self._gate
        return self._build(features) if gate is None else gate

    def learn(self, features: npt.NDArray[np.float32], n_open: int, n_found: int) -> None:
        """Take in how many voxels the gate left open, and how many of them had enough votes.

        A gate stays until twice as many voxels have been seen as when it was built, so that building is no work.
        """
        self._since += features[0].size
        self._in_vain += n_open - n_found
        if self._since >= self._before and self._in_vain > MOST_IN_VAIN * self._since:
            self._build(features)

    def _build(self, features: npt.NDArray[np.float32]) -> LinkedNodes:
        some = np.linspace(0, features[0].size - 1, SAMPLE).astype(np.int64)
        z, y, x = np.unravel_index(some, features.shape[1:])
        voxels = features[:, z, y, x]
        # Of what was seen before, less and less is kept.
        self._sample = np.concatenate([self._sample[:, ::2], voxels], axis=1)
        self._gate = gate = build_gate(self._boxes, self._at_least, self._sample)
        self._before += self._since
        self._since = self._in_vain = 0
        return gate


def build_gate(boxes: Boxes, at_least: int, sample: npt.NDArray[np.float32]) -> LinkedNodes:
    """The tree of questions after which voxels that can't get so many votes are closed.

    Parameters
    ----------
    boxes : Boxes
        Of the leaves that vote for the class.
    at_least : int
    sample : (F, n) float32
        Voxels like those that will be asked.

    Returns
    -------
    LinkedNodes
        One tree. Its leaves are of the kind `CLOSED`, or open and numbered from `OPEN` on, neighbours side by side.
    """
    nodes = np.zeros(MOST_NODES, NODE)
    root = np.full(1, ~OPEN, np.int32)
    n_nodes = 0
    number = count()  # tells parts of equal weight apart
    waiting: list[tuple[int, int, Boxes, npt.NDArray[np.float32], npt.NDArray[np.int32]]] = []

    def put(part: Boxes, voxels: npt.NDArray[np.float32], link: npt.NDArray[np.int32]) -> None:
        trees = len(np.unique(part.tree))
        link[0] = ~OPEN if trees >= at_least else ~CLOSED
        if trees >= at_least:
            heapq.heappush(waiting, (-trees * voxels.shape[1], next(number), part, voxels, link))

    put(boxes, sample, root)
    while waiting and n_nodes < MOST_NODES:
        weight, _, part, voxels, link = heapq.heappop(waiting)
        low, high = part.reach()
        left, feature, threshold = _best_question(np.sort(low.T), np.sort(high.T), np.sort(voxels), at_least)
        if left >= -weight:
            continue
        node = nodes[n_nodes : n_nodes + 1]
        node["feature"], node["threshold"] = feature, threshold
        link[0] = n_nodes
        n_nodes += 1
        below = voxels[feature] < threshold
        put(part.within(feature, -INFINITY, threshold), voxels[:, below], node["left"])
        put(part.within(feature, threshold, INFINITY), voxels[:, ~below], node["right"])
    if n_nodes == 0:
        # Whoever walks trees need not think of one without a question: no number lies below this.
        nodes[0] = (-INFINITY, 0, root[0], root[0])
        root[0], n_nodes = 0, 1
    gate = LinkedNodes(nodes[:n_nodes], root)
    _number_open_leaves(gate)
    return gate


@kernel()
def _best_question(low: Bounds, high: Bounds, voxels: Bounds, at_least: int) -> tuple[int, int, np.float32]:
    """The weight that the best question leaves, its feature and its threshold.

    A part's weight is that of its voxels times the trees that can vote for the class there; nothing if it is closed.

    Parameters
    ----------
    low, high : (F, trees) float32
        Where along each feature the trees' reach begins and ends, each row sorted: left of a threshold, those can
        vote that begin below it, right of it those that end beyond it. So nothing changes between these values.
    voxels : (F, n) float32
        Each row sorted.
    """
    n_trees, n = low.shape[1], voxels.shape[1]
    least, best_feature, best_threshold = n_trees * n, 0, low.dtype.type(0)
    for feature in range(len(low)):
        for ends in (low[feature], high[feature]):
            begun = ended = below = 0
            for threshold in ends:
                if not np.isfinite(threshold):
                    continue
                while begun < n_trees and low[feature, begun] < threshold:
                    begun += 1
                while ended < n_trees and high[feature, ended] <= threshold:
                    ended += 1
                while below < n and voxels[feature, below] < threshold:
                    below += 1
                left, right = begun, n_trees - ended
                weight = below * (left if left >= at_least else 0) + (n - below) * (right if right >= at_least else 0)
                if weight < least:
                    least, best_feature, best_threshold = weight, feature, threshold
    return int(least), best_feature, best_threshold


def _number_open_leaves(gate: LinkedNodes) -> None:
    number = count(OPEN)
    to_visit = [(gate.roots, 0)]
    while to_visit:
        links, i = to_visit.pop()
        if links[i] == ~OPEN:
            links[i] = ~next(number)
        elif links[i] >= 0:
            to_visit += [(gate.nodes["right"], links[i]), (gate.nodes["left"], links[i])]
