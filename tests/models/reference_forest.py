"""What a forest's votes must be: a plain numpy traversal, and forests to try it on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ecc_px.models.forest import Forest


def leaves_of(forest: Forest, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(T, M) leaf that each of (M, F) voxels ends in, in each tree."""
    node = np.repeat(forest.roots[:, None], len(rows), axis=1).astype(np.int64)
    while (inner := forest.feature[node] >= 0).any():
        value = rows[np.arange(len(rows)), np.maximum(forest.feature[node], 0)].astype(np.float64)
        child = np.where(value < forest.threshold[node], forest.left[node], forest.right[node])
        node = np.where(inner, child, node)
    return node


def reference_votes(forest: Forest, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(C, z, y, x) number of trees that vote for each class."""
    rows = features.reshape(len(features), -1).T
    votes = forest.fractions[leaves_of(forest, rows)].sum(axis=0)
    votes[np.isnan(rows).any(axis=1)] = 0
    return votes.T.reshape(-1, *features.shape[1:]).astype(np.int64)


def reference_probabilities(forest: Forest, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(C, z, y, x) probabilities, rounded where vigra and ilastik round."""
    rows = features.reshape(len(features), -1).T
    fractions = forest.fractions[leaves_of(forest, rows)]
    mean = np.zeros((len(rows), forest.n_classes), np.float32)
    first = 0
    for size in forest.part_sizes:
        part = np.zeros_like(mean)
        total = np.zeros(len(rows))
        for tree in fractions[first : first + size]:
            part += tree.astype(np.float32)
            for c in range(forest.n_classes):
                total += tree[:, c]
        part /= total.astype(np.float32)[:, None]
        part[np.isnan(rows).any(axis=1)] = 0
        mean += part * np.float32(size)
        first += size
    mean /= np.float32(forest.n_trees)
    return mean.T.reshape(-1, *features.shape[1:])


def grow_forest(
    rng: np.random.Generator,
    *,
    n_trees: int = 10,
    depth: int = 6,
    n_features: int = 5,
    n_classes: int = 3,
    n_parts: int = 1,
    mixed_share: float = 0.0,
) -> Forest:
    """Random trees, some no more than a leaf, whose thresholds are few so that voxels often equal them."""
    thresholds = np.concatenate([rng.normal(size=8).astype(np.float32), [0.0, -0.0], rng.normal(size=4)])
    nodes: list[tuple[int, float, int, int, npt.NDArray[np.float64]]] = []

    def grow(level: int) -> int:
        place = len(nodes)
        if level == 0 or rng.random() < 0.15:
            fractions = np.eye(n_classes)[rng.integers(n_classes)]
            if rng.random() < mixed_share:
                fractions = rng.dirichlet(np.ones(n_classes))
            nodes.append((-1, 0.0, -1, -1, fractions))
            return place
        nodes.append((0, 0.0, 0, 0, np.zeros(n_classes)))
        left, right = grow(level - 1), grow(level - 1)
        feature = int(rng.integers(n_features))
        nodes[place] = (feature, float(rng.choice(thresholds)), left, right, np.zeros(n_classes))
        return place

    roots = [grow(depth) for _ in range(n_trees)]
    feature, threshold, left, right, fractions = zip(*nodes, strict=True)
    return Forest(
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        fractions=np.array(fractions),
        roots=np.array(roots, np.int32),
        part_sizes=tuple(len(part) for part in np.array_split(roots, n_parts)),
        labels=np.arange(1, n_classes + 1, dtype=np.int32),
        n_features=n_features,
    )


def smooth_features(
    rng: np.random.Generator, shape: tuple[int, int, int], n_features: int = 5
) -> npt.NDArray[np.float32]:
    """(F, z, y, x) noise as coherent as the features of an image."""
    noise = rng.normal(size=(n_features, *shape))
    smooth = np.stack([gaussian_filter(noise[f], 1 + f % 3, mode="wrap") for f in range(n_features)])
    return (smooth / (smooth.std(axis=(1, 2, 3), keepdims=True) + 1e-9)).astype(np.float32)


def awkward_features(rng: np.random.Generator, forest: Forest, shape: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """Features that equal the thresholds, miss them by one float32, are infinite, or not a number."""
    thresholds = forest.threshold.astype(np.float32)
    near = np.concatenate(
        [thresholds, np.nextafter(thresholds, np.float32(np.inf)), np.nextafter(thresholds, np.float32(-np.inf))]
    )
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.finfo(np.float32).max, 1e-45], np.float32)
    features = rng.choice(np.concatenate([near, odd]), (forest.n_features, *shape))
    features[:, rng.random(shape) < 0.02] = np.nan
    features[0, rng.random(shape) < 0.02] = np.nan
    return features
