"""Random forests grown on labelled samples, such as ilastik grows them, in the form that gives exact votes.

The rules are those of vigra as ilastik calls it: each tree sees as many samples as there are, drawn with replacement;
at each node floor(√columns + ½) columns are tried for the split that lowers Gini's impurity most; trees are not
pruned. scikit-learn grows the trees, with its own random numbers: two forests agree as two runs of ilastik do.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

from ecc_px.errors import InvalidSetting
from ecc_px.models.forest import Forest

ClassWeight = Literal["balanced"] | Mapping[int, float] | None
"""Weight of each label's samples; "balanced" gives every label the same weight in all; None: 1 for all samples."""

PARTS = 8
"""Sub-forests that the trees are stored in: ilastik evaluates one on each thread."""

LARGEST = 2.0**20
"""Columns of small numbers are scaled up to about this before the trees are grown, by a power of two."""

MAX_TREES = 10_000


@dataclass(frozen=True, eq=False)
class TrainedForest:
    """A forest and what its growing says about it.

    Parameters
    ----------
    forest : Forest
    out_of_bag : (N, C) float64
        Class fractions of each sample by the trees that did not see it, in the order of `forest.labels`; NaN where
        every tree saw the sample.
    importance : (F,) float64
        How much of the impurity's decrease is due to each column (mean over the trees); sums to 1.
    """

    forest: Forest
    out_of_bag: npt.NDArray[np.float64]
    importance: npt.NDArray[np.float64]


def train_forest(
    samples: npt.NDArray[np.float32],
    labels: npt.NDArray[np.integer[Any]],
    *,
    trees: int = 100,
    seed: int = 0,
    jobs: int | None = None,
    class_weight: ClassWeight = None,
) -> TrainedForest:
    """Grow a random forest.

    Parameters
    ----------
    samples : (N, F) float32
    labels : (N,) int
        Of each sample, 1 to 255.
    trees : int
    seed : int
        Same samples, settings and seed: the same forest to the last bit, whatever `jobs`.
    jobs : int, optional
        Threads; default one for each processor.
    class_weight : "balanced", mapping of label to weight, optional

    Raises
    ------
    InvalidSetting
        Samples that are no numbers, a single label, or nothing that tells the labels apart.
    """
    _check(samples, labels, trees, seed)
    known, classes = np.unique(labels, return_inverse=True)
    weights = _sample_weights(known, classes, class_weight)
    scaled, exponents = _scaled_up(samples)
    grower = _Grower(scaled, classes, weights, exponents, len(known))
    out_of_bag = np.zeros((len(samples), len(known)))
    grown = []
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        for tree, unseen, fractions in pool.map(grower.grow, np.random.SeedSequence(seed).spawn(trees)):
            grown.append(tree)
            out_of_bag[unseen] += fractions
    voters = out_of_bag.sum(axis=1, keepdims=True)
    np.divide(out_of_bag, voters, out=out_of_bag, where=voters > 0)
    out_of_bag[voters[:, 0] == 0] = np.nan
    importance = np.mean([tree.importance for tree in grown], axis=0)
    return TrainedForest(
        _planted(grown, known, samples.shape[1]), out_of_bag, importance / max(importance.sum(), np.finfo(float).tiny)
    )


@dataclass(frozen=True, eq=False)
class _Tree:
    """One tree in the arrays of a `Forest`, its nodes numbered from 0."""

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    fractions: npt.NDArray[np.float64]
    importance: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Grower:
    """Grows single trees on the same samples; may be asked from several threads."""

    samples: npt.NDArray[np.float32]
    classes: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64]
    exponents: npt.NDArray[np.intp]
    n_classes: int

    def grow(self, seed: np.random.SeedSequence) -> tuple[_Tree, npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """A tree, the samples that it did not see, and the class fractions that it gives them."""
        count, n_columns = self.samples.shape
        random = np.random.default_rng(seed)
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        grown = DecisionTreeClassifier(
            max_features=math.floor(math.sqrt(n_columns) + 0.5), random_state=int(random.integers(2**32))
        ).fit(self.samples, self.classes, sample_weight=drawn * self.weights, check_input=False)
        tree = self._converted(grown)
        unseen = np.flatnonzero(drawn == 0)
        leaves = grown.apply(self.samples[unseen], check_input=False)
        return tree, unseen, tree.fractions[leaves]

    def _converted(self, grown: DecisionTreeClassifier) -> _Tree:
        nodes = grown.tree_
        leaf = nodes.children_left < 0
        # scikit-learn sends x <= t left, a Forest x < t: for float32 x the next larger float64 decides the same.
        unscaled = np.ldexp(nodes.threshold, -self.exponents[np.where(leaf, 0, nodes.feature)])
        # A bag may lack a class, which scikit-learn then does not know.
        fractions = np.zeros((nodes.node_count, self.n_classes))
        shares = nodes.value[leaf, 0, :]
        fractions[np.ix_(leaf, grown.classes_)] = shares / shares.sum(axis=1, keepdims=True)
        return _Tree(
            feature=np.where(leaf, -1, nodes.feature).astype(np.int32),
            threshold=np.where(leaf, 0.0, np.nextafter(unscaled, np.inf)),
            left=nodes.children_left.astype(np.int32),
            right=nodes.children_right.astype(np.int32),
            fractions=fractions,
            importance=grown.feature_importances_,
        )


def _planted(grown: list[_Tree], labels: npt.NDArray[Any], n_features: int) -> Forest:
    sizes = [len(tree.feature) for tree in grown]
    roots = np.cumsum([0, *sizes[:-1]]).astype(np.int32)

    def renumbered(children: npt.NDArray[np.int32], root: np.int32) -> npt.NDArray[np.int32]:
        return np.where(children < 0, np.int32(-1), children + root)

    parts = min(PARTS, len(grown))
    return Forest(
        feature=np.concatenate([tree.feature for tree in grown]),
        threshold=np.concatenate([tree.threshold for tree in grown]),
        left=np.concatenate([renumbered(tree.left, root) for tree, root in zip(grown, roots, strict=True)]),
        right=np.concatenate([renumbered(tree.right, root) for tree, root in zip(grown, roots, strict=True)]),
        fractions=np.concatenate([tree.fractions for tree in grown]),
        roots=roots,
        part_sizes=tuple(len(grown) // parts + (part < len(grown) % parts) for part in range(parts)),
        labels=labels.astype(np.int32),
        n_features=n_features,
    )


def _scaled_up(samples: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """The samples with small columns multiplied by a power of two, which loses nothing; and the exponents.

    scikit-learn takes numbers less than 1e-7 apart for equal, so that nothing could be learned from an image whose
    values are small.
    """
    largest = np.abs(samples).max(axis=0, initial=0).astype(np.float64)
    exponents = np.zeros(samples.shape[1], np.intp)
    small = (largest > 0) & (largest < LARGEST)
    exponents[small] = np.frexp(LARGEST / largest[small])[1] - 1
    return np.ldexp(samples, exponents.astype(np.int32)), exponents


def _sample_weights(
    known: npt.NDArray[Any], classes: npt.NDArray[np.intp], class_weight: ClassWeight
) -> npt.NDArray[np.float64]:
    if class_weight is None:
        return np.ones(len(classes))
    if class_weight == "balanced":
        return (len(classes) / (len(known) * np.bincount(classes)))[classes]
    unknown = sorted(set(class_weight) - set(known.tolist()))
    if unknown:
        raise InvalidSetting(
            f"A class weight is given for label {unknown[0]}, which no sample has: "
            f"there are {', '.join(map(str, known.tolist()))}."
        )
    for label, weight in class_weight.items():
        if not 0 < weight < math.inf:
            raise InvalidSetting(f"The class weight of label {label} must be a positive number, not {weight}.")
    return np.array([float(class_weight.get(int(label), 1.0)) for label in known])[classes]


def _check(samples: npt.NDArray[np.float32], labels: npt.NDArray[np.integer[Any]], trees: int, seed: int) -> None:
    if samples.ndim != 2 or labels.shape != samples.shape[:1] or samples.dtype != np.float32:
        raise ValueError(f"samples {samples.dtype} {samples.shape} and labels {labels.shape} don't fit")
    if not 1 <= trees <= MAX_TREES:
        raise InvalidSetting(f"A forest of {trees} trees can't be grown: choose 1 to {MAX_TREES}.")
    if seed < 0:
        raise InvalidSetting(f"The seed {seed} is negative: choose 0 or more.")
    if samples.shape[1] == 0:
        raise InvalidSetting("No features are selected: choose some.")
    bad = ~np.isfinite(samples).all(axis=0)
    if bad.any():
        raise InvalidSetting(
            f"Column {int(bad.argmax())} of the samples holds values that are no finite numbers: "
            "is the image damaged where the labels are?"
        )
    known = np.unique(labels)
    if len(known) < 2:
        which = f"all have label {known[0]}" if len(known) else "there are none"
        raise InvalidSetting(f"A forest needs samples of two classes at least, and {which}: label another class.")
    if known[0] < 1 or known[-1] > 255:
        raise InvalidSetting(f"Labels must be 1 to 255; there are {known[0]} to {known[-1]}.")
    if (samples == samples[0]).all():
        raise InvalidSetting("All samples have the same features, so nothing tells the classes apart.")
