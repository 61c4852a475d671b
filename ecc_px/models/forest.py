"""A random forest as flat arrays, with the votes that the stored forest gives.

The rule of every tree: a voxel goes left at a node iff ``float64(feature) < threshold``; equality goes right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
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

    @property
    def is_pure(self) -> bool:
        """Whether every leaf holds a single class, so that a tree's vote is one class."""
        leaves: npt.NDArray[Any] = self.fractions[self.feature < 0]
        return bool(((leaves == 0) | (leaves == 1)).all())
