"""A gate: one small decision tree, made from a forest, that knows where too few trees can vote for a class.

Most of a brain is so dark, flat or smooth that half of the trees are against a class whatever the other features are.
A gate asks a voxel some ten questions and either closes it, which proves that it can't get enough votes, or leaves it
open, which says nothing.

A leaf of a forest is a box in the space of features. In the part of that space that some questions leave, a tree can
vote for the class as long as one of its boxes for the class lies partly there. So a part is closed when too few trees
have such a box. What is asked next is the question that leaves fewest voxels of a sample open and, where none closes
any yet, takes them away from most boxes: as a tree of boxes is built to trace rays. The sample decides how much a gate
closes, never whether that is right.
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

PROMISING = 31
"""After so many questions, a gate that closes next to nothing is given up."""

MOST_OPEN, NEXT_TO_NOTHING = 0.4, 0.1
"""A gate that leaves a larger share of the sample open is no gain; nor one that has closed so little at first."""

MOST_BOXES = 1 << 14
"""Of a forest with more of them, no gate is built: that takes long, and such forests are too undecided to be closed."""

SAMPLE = 4096
"""Voxels that a gate learns from, or up to twice as many."""

MORE_IN_VAIN = 0.05
"""The share of voxels that a gate may leave open for nothing, beyond that of its sample."""

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

    Threads may share it: a gate is never changed, only replaced, and what they miss of each other's voxels is no loss.
    """

    def __init__(self, boxes: Boxes, at_least: int) -> None:
        self._boxes, self._at_least = boxes, at_least
        self._gate: LinkedNodes | None = None
        self._sample = np.empty((boxes.low.shape[1], 0), np.float32)
        # One voxel of so many is in the sample.
        self._spacing = 0
        # Voxels seen before the gate was built, and since then; how many of these it left open for nothing.
        self._before = self._since = self._in_vain = 0
        # The share of voxels that it may be expected to leave open.
        self._expected = 0.0

    def gate(self, features: npt.NDArray[np.float32]) -> LinkedNodes | None:
        """The gate as it stands, built from these features, (F, z, y, x), if they are the first; None: no gain."""
        if self._spacing == 0:
            self._spacing = 1 + features[0].size // SAMPLE
            self._since = features[0].size
            self._look_at(features)
            self._build()
        return self._gate

    def learn(self, features: npt.NDArray[np.float32], n_open: int, n_found: int) -> None:
        """Take in how many voxels the gate left open, and how many of them had enough votes.

        A gate stays until twice as many voxels have been seen as when it was built, so that building is no work, and
        longer while it does what it did for the sample; one that was no gain, until there are eight times as many.
        """
        self._look_at(features)
        self._since += features[0].size
        self._in_vain += n_open - n_found
        patience = 7 if self._gate is None else 1
        if self._since >= patience * self._before and self._in_vain > (self._expected + MORE_IN_VAIN) * self._since:
            self._build()

    def _look_at(self, features: npt.NDArray[np.float32]) -> None:
        """Put some voxels into the sample, which is even over all that was seen."""
        size = features[0].size
        some = np.linspace(0, size - 1, size // self._spacing).astype(np.int64)
        z, y, x = np.unravel_index(some, features.shape[1:])
        sample = np.concatenate([self._sample, features[:, z, y, x]], axis=1)
        while sample.shape[1] > 2 * SAMPLE:
            sample = sample[:, ::2]
            self._spacing *= 2
        self._sample = sample

    def _build(self) -> None:
        # First of all: what building takes, in time and memory, isn't taken by every thread that learns meanwhile.
        self._before += self._since
        self._since = self._in_vain = 0
        sample, gate, expected = self._sample, None, 0.0
        if len(self._boxes.tree) <= MOST_BOXES:
            gate, n_open = build_gate(self._boxes, self._at_least, sample)
            if n_open <= MOST_OPEN * sample.shape[1]:
                expected = n_open / max(1, sample.shape[1])
            else:
                gate = None
        self._gate, self._expected = gate, expected
        # What was left open since then was by the gate before.
        self._before += self._since
        self._since = self._in_vain = 0


def build_gate(boxes: Boxes, at_least: int, sample: npt.NDArray[np.float32]) -> tuple[LinkedNodes, int]:
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
    gate : LinkedNodes
        One tree. Its leaves are of the kind `CLOSED`, or open and numbered from `OPEN` on, neighbours side by side.
    n_open : int
        Voxels of the sample that it leaves open.
    """
    nodes = np.zeros(MOST_NODES, NODE)
    root = np.full(1, ~OPEN, np.int32)
    # Closing a voxel is worth more than any number of boxes.
    worth = 2 * len(boxes.tree)
    n_nodes = n_open = 0
    number = count()  # tells parts of equal weight apart
    waiting: list[tuple[int, int, Boxes, npt.NDArray[np.float32], npt.NDArray[np.int32]]] = []

    def put(part: Boxes, voxels: npt.NDArray[np.float32], link: npt.NDArray[np.int32]) -> int:
        """Close a part, or let it wait to be divided; returns the voxels that are open for the time being."""
        if len(np.unique(part.tree)) < at_least:
            link[0] = ~CLOSED
            return 0
        link[0] = ~OPEN
        n = voxels.shape[1]
        heapq.heappush(waiting, (-n * (len(part.tree) + worth), next(number), part, voxels, link))
        return n

    n_open += put(boxes, sample, root)
    while waiting and n_nodes < MOST_NODES:
        if n_nodes == PROMISING and n_open > (1 - NEXT_TO_NOTHING) * sample.shape[1]:
            break
        weight, _, part, voxels, link = heapq.heappop(waiting)
        left, feature, threshold = _best_question(
            *(np.sort(bounds.T) for bounds in (part.low, part.high, *part.reach())), np.sort(voxels), at_least, worth
        )
        if left >= -weight:
            continue
        node = nodes[n_nodes : n_nodes + 1]
        node["feature"], node["threshold"] = feature, threshold
        link[0] = n_nodes
        n_nodes += 1
        below = voxels[feature] < threshold
        n_open -= voxels.shape[1]
        n_open += put(part.within(feature, -INFINITY, threshold), voxels[:, below], node["left"])
        n_open += put(part.within(feature, threshold, INFINITY), voxels[:, ~below], node["right"])
    if n_nodes == 0:
        # Whoever walks trees need not think of one without a question: no number lies below this.
        nodes[0] = (-INFINITY, 0, root[0], root[0])
        root[0], n_nodes = 0, 1
    gate = LinkedNodes(nodes[:n_nodes], root)
    _number_open_leaves(gate)
    return gate, n_open


@kernel()
def _best_question(
    low: Bounds, high: Bounds, first: Bounds, last: Bounds, voxels: Bounds, at_least: int, worth: int
) -> tuple[int, int, np.float32]:
    """The weight that the best question leaves, its feature and its threshold.

    A part's weight is that of its voxels times its boxes and `worth`; nothing if it is closed.

    Parameters
    ----------
    low, high : (F, boxes) float32
        Where the boxes begin and end along each feature, each row sorted: left of a threshold are those that begin
        below it, right of it those that end beyond it. So nothing changes between these values.
    first, last : (F, trees) float32
        Where the first box of each tree begins and where the last one ends, each row sorted.
    voxels : (F, n) float32
        Each row sorted.
    """
    (n_boxes, n_trees), n = (low.shape[1], first.shape[1]), voxels.shape[1]
    least, best_feature, best_threshold = n * (n_boxes + worth), 0, low.dtype.type(0)
    for feature in range(len(low)):
        for ends in (low[feature], high[feature]):
            boxes_begun = boxes_ended = trees_begun = trees_ended = below = 0
            for threshold in ends:
                if not np.isfinite(threshold):
                    continue
                while boxes_begun < n_boxes and low[feature, boxes_begun] < threshold:
                    boxes_begun += 1
                while boxes_ended < n_boxes and high[feature, boxes_ended] <= threshold:
                    boxes_ended += 1
                while trees_begun < n_trees and first[feature, trees_begun] < threshold:
                    trees_begun += 1
                while trees_ended < n_trees and last[feature, trees_ended] <= threshold:
                    trees_ended += 1
                while below < n and voxels[feature, below] < threshold:
                    below += 1
                weight = 0
                if trees_begun >= at_least:
                    weight += below * (boxes_begun + worth)
                if n_trees - trees_ended >= at_least:
                    weight += (n - below) * (n_boxes - boxes_ended + worth)
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
