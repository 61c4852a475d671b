"""A random forest as flat arrays, with the votes that the stored forest gives.

The rule of every tree: a voxel goes left at a node iff ``float64(feature) < threshold``; equality goes right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import ClassifierMismatch, InvalidSetting
from ecc_px.models.decisions import REST, WANTED, count_frequent_votes
from ecc_px.models.gates import Gatekeeper, boxes_of
from ecc_px.models.nodes import LinkedNodes, check_trees, link_nodes
from ecc_px.models.votes import count_votes
from ecc_px.models.walk import mean_fractions

Features = npt.NDArray[np.float32]


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

    def __repr__(self) -> str:
        # The arrays would fill screens.
        return f"Forest({self.n_trees} trees, {len(self.feature):,} nodes, {self.n_features} features)"

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    @property
    def n_classes(self) -> int:
        return self.fractions.shape[1]

    @cached_property
    def is_pure(self) -> bool:
        """Whether every leaf holds a single class, so that a tree's vote is one class."""
        return not _is_mixed(self.fractions[self.feature < 0]).any()

    def votes(self, features: Features, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """How many trees vote for each class.

        Parameters
        ----------
        features : (F, z, y, x) float32
            Read in place if x is contiguous.
        out : (C, z, y, x), optional
            C-contiguous array to write to.

        Returns
        -------
        (C, z, y, x) uint8, or uint16 if there are more than 255 trees
            Zero for every class where a feature is NaN, as in ilastik.

        Raises
        ------
        InvalidSetting
            The forest is not pure: its trees don't vote for one class.
        ClassifierMismatch
            The number of features is another than the forest was trained on.
        """
        self._require_pure()
        self._check_features(features)
        out = _output(out, (self.n_classes, *features.shape[1:]), _count_dtype(self.n_trees))
        if not out.flags.c_contiguous:
            raise ValueError("out: a C-contiguous array")
        if _is_one_voxel_repeated(features):
            out[:] = self.votes(features[:, :1, :1, :1].copy())
        else:
            count_votes(features, self._linked, out)
        return out

    def frequent_votes(self, features: Features, label: int, at_least: int) -> npt.NDArray[Any]:
        """The votes for one class where it gets at least so many; trees that can't matter are not walked.

        Parameters
        ----------
        features : (F, z, y, x) float32
            Read in place if x is contiguous.
        label : int
            The class; one without training voxels gets no vote.
        at_least : int
            From 1 on.

        Returns
        -------
        (z, y, x) uint8, or uint16 if there are more than 255 trees
            Exactly what `votes` gives for the class where that is `at_least` or more; 0 everywhere else.

        Raises
        ------
        InvalidSetting, ClassifierMismatch
            As `votes`.
        """
        self._require_pure()
        self._check_features(features)
        out = np.zeros(features.shape[1:], _count_dtype(self.n_trees))
        if label not in self.labels or at_least > self.n_trees:
            return out
        if _is_one_voxel_repeated(features):
            out[:] = self.frequent_votes(features[:, :1, :1, :1].copy(), label, at_least)
        else:
            one_class, gatekeeper = self._against_the_rest(label), self._gatekeeper(label, at_least)
            gate = gatekeeper.gate(features)
            if gate is None:
                of_kinds = np.empty((2, *out.shape), out.dtype)
                count_votes(features, one_class, of_kinds)
                np.copyto(out, of_kinds[WANTED], where=of_kinds[WANTED] >= at_least)
                n_open = out.size
            else:
                n_open = count_frequent_votes(features, one_class, gate, at_least, out)
            gatekeeper.learn(features, n_open, int(np.count_nonzero(out)))
        return out

    def _gatekeeper(self, label: int, at_least: int) -> Gatekeeper:
        asked = label, at_least
        if asked not in self._gatekeepers:
            boxes = boxes_of(self._against_the_rest(label), WANTED, self.n_features)
            self._gatekeepers[asked] = Gatekeeper(boxes, at_least)
        return self._gatekeepers[asked]

    @cached_property
    def _gatekeepers(self) -> dict[tuple[int, int], Gatekeeper]:
        return {}

    def _against_the_rest(self, label: int) -> LinkedNodes:
        """The trees with two kinds of leaves: of a class, and of all others."""
        if label not in self._one_class:
            check_trees(self.feature, self.left, self.right, self.roots, self.n_features)
            is_wanted = self.fractions[:, np.flatnonzero(self.labels == label)[0]] > 0
            kind = np.where(is_wanted, WANTED, REST).astype(np.int32)
            linked = link_nodes(self.feature, self.threshold, self.left, self.right, kind, self.roots)
            self._one_class[label] = linked
        return self._one_class[label]

    @cached_property
    def _one_class(self) -> dict[int, LinkedNodes]:
        return {}

    def _require_pure(self) -> None:
        if not self.is_pure:
            raise InvalidSetting(
                "This forest has leaves of more than one class, so that its trees have no whole votes: "
                "ask for probabilities."
            )

    def probabilities(self, features: Features, out: Features | None = None) -> Features:
        """Class probabilities as ilastik computes them from this forest.

        Parameters
        ----------
        features : (F, z, y, x) float32
            Read in place if x is contiguous.
        out : (C, z, y, x) float32, optional
            Array to write to.

        Returns
        -------
        (C, z, y, x) float32
            ``votes / n_trees``, correctly rounded, if the forest is pure. Otherwise the mean over the leaves'
            class fractions, with the roundings of vigra and of ilastik. Zeros where a feature is NaN.

        Raises
        ------
        ClassifierMismatch
            The number of features is another than the forest was trained on.
        """
        self._check_features(features)
        out = _output(out, (self.n_classes, *features.shape[1:]), np.float32)
        if _is_one_voxel_repeated(features):
            out[:] = self.probabilities(features[:, :1, :1, :1].copy())
            return out
        if self.is_pure:
            return np.divide(self.votes(features), np.float32(self.n_trees), out=out)
        return self._mixed_probabilities(features, out)

    def _mixed_probabilities(self, features: Features, out: Features) -> Features:
        """Whole votes where all trees give them, and a walk for the voxels that meet a leaf of several classes.

        Such leaves are few, as a rule, and with them the voxels that have to be walked. Each part's mean is
        rounded to float32 before the parts are weighed and added, as ilastik does.
        """
        dtype = _count_dtype(max(self.part_sizes))
        votes = np.empty((self.n_classes + 1, *features.shape[1:]), dtype)
        meets_mixed = np.zeros(features.shape[1:], bool)
        out[:] = 0
        first = 0
        for size in self.part_sizes:
            part = LinkedNodes(self._linked.nodes, self._linked.roots[first : first + size])
            count_votes(features, part, votes)
            meets_mixed |= votes[-1] > 0
            out += votes[:-1] / np.float32(size) * np.float32(size)
            first += size
        out /= np.float32(self.n_trees)
        out[:, meets_mixed] = mean_fractions(
            np.ascontiguousarray(features[:, meets_mixed].T),
            *(self.feature, self.threshold, self.left, self.right, self.fractions, self.roots),
            np.array(self.part_sizes, np.int64),
        ).T
        return out

    @cached_property
    def _linked(self) -> LinkedNodes:
        """The trees as the kernel reads them; a leaf's kind is its class, or C if it holds several."""
        check_trees(self.feature, self.left, self.right, self.roots, self.n_features)
        kind = np.where(_is_mixed(self.fractions), self.n_classes, self.fractions.argmax(axis=1))
        return link_nodes(self.feature, self.threshold, self.left, self.right, kind.astype(np.int32), self.roots)

    def _check_features(self, features: Features) -> None:
        if features.ndim != 4 or features.dtype != np.float32:
            raise ValueError(f"features: (F, z, y, x) float32, not {features.shape} {features.dtype}")
        if len(features) != self.n_features:
            raise ClassifierMismatch(
                f"The forest was trained on {self.n_features} features and is applied to {len(features)}: "
                "use the filters, scales and channels that it was trained with."
            )


def warm_up() -> None:
    """Compile every kernel that votes and probabilities need; numba keeps them on disk."""
    features = np.zeros((1, 1, 1, 1), np.float32)
    for n_trees in (1, 256):
        for fraction in (1.0, 0.5):
            leaves = np.full(n_trees, -1, np.int32)
            forest = Forest(
                feature=leaves,
                threshold=np.zeros(n_trees),
                left=leaves,
                right=leaves,
                fractions=np.full((n_trees, 1), fraction) * [1.0, 0.0] + [0.0, 1.0 - fraction],
                roots=np.arange(n_trees, dtype=np.int32),
                part_sizes=(n_trees,),
                labels=np.array([1, 2], np.int32),
                n_features=1,
            )
            forest.probabilities(features)
            if forest.is_pure:
                forest.frequent_votes(features, 1, 1)


def _is_mixed(fractions: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which nodes hold more than one class."""
    return ((fractions != 0) & (fractions != 1)).any(axis=1)


def _count_dtype(n_trees: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that counts the trees."""
    return np.uint8 if n_trees <= 255 else np.uint16


def _is_one_voxel_repeated(features: Features) -> bool:
    """Whether all voxels of a view are the same memory, as the features of a constant image are."""
    sides = zip(features.shape[1:], features.strides[1:], strict=True)
    return features[0].size > 1 and all(stride == 0 or extent == 1 for extent, stride in sides)


def _output(out: npt.NDArray[Any] | None, shape: tuple[int, ...], dtype: type[Any]) -> npt.NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out: {shape} {dtype.__name__}, not {out.shape} {out.dtype}")
    return out
