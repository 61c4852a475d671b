"""A random forest as flat arrays, with the votes that the stored forest gives.

The rule of every tree: a voxel goes left at a node iff ``float64(feature) < threshold``; equality goes right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import ClassifierMismatch
from ecc_px.models.nodes import Nodes, float32_thresholds
from ecc_px.models.walk import walk_fractions, walk_votes


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees that vote with the class fractions of the leaf a voxel ends in.

    Node numbers are global: `left` and `right` index the same arrays as `roots` does.

    Parameters
    ----------
    feature : (N,) int32
        Feature tested at each node; -1 at a leaf.
    threshold : (N,) float64
        The voxel goes left iff its feature is smaller. 0 at a leaf.
    left, right : (N,) int32
        Child nodes; -1 at a leaf.
    fractions : (N, C) float64
        Class fractions of a leaf, summing to 1; zeros at an inner node.
    roots : (T,) int32
        First node of each tree.
    part_sizes : tuple of int
        How the trees are grouped into the sub-forests they were stored in; sums to T.
    labels : (C,) int32
        The label that each class column stands for, ascending; labels without training voxels are absent.
    n_features : int
    """

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    fractions: npt.NDArray[np.float64]
    roots: npt.NDArray[np.int32]
    part_sizes: tuple[int, ...]
    labels: npt.NDArray[np.int32]
    n_features: int

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    @property
    def n_classes(self) -> int:
        return self.fractions.shape[1]

    @cached_property
    def is_pure(self) -> bool:
        """Whether every leaf holds a single class, so that a tree's vote is one class."""
        leaves: npt.NDArray[Any] = self.fractions[self.feature < 0]
        return bool(((leaves == 0) | (leaves == 1)).all())

    @cached_property
    def nodes(self) -> Nodes:
        """The trees in the form that the kernels read; made once."""
        return Nodes(
            feature=self.feature,
            threshold=float32_thresholds(self.threshold),
            left=self.left,
            right=self.right,
        )

    def votes(
        self, features: npt.NDArray[np.float32], out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """How many trees vote for each class, for a forest whose leaves are pure."""
        dtype = np.uint8 if self.n_trees <= 255 else np.uint16
        self._check(features)
        if out is None:
            out = np.empty((self.n_classes, *features.shape[1:]), dtype)
        leaf_class = self.fractions.argmax(axis=1).astype(np.int32)
        walk_votes(features, *self.nodes, leaf_class, self.roots, out)
        return out

    def probabilities(
        self, features: npt.NDArray[np.float32], out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Class probabilities as ilastik computes them from this forest."""
        self._check(features)
        if out is None:
            out = np.empty((self.n_classes, *features.shape[1:]), np.float32)
        if self.is_pure:
            return np.divide(self.votes(features), np.float32(self.n_trees), out=out)
        walk_fractions(
            features, *self.nodes, self.fractions, self.roots, np.array(self.part_sizes, np.int64), out
        )
        return out

    def _check(self, features: npt.NDArray[np.float32]) -> None:
        if len(features) != self.n_features:
            raise ClassifierMismatch(
                f"The forest was trained on {self.n_features} features and is applied to {len(features)}: "
                "select the same filters, scales and channels."
            )
