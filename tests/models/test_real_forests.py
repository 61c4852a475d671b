"""Forests that real ilastik trained: the votes are those of vigra's own arrays, followed by vigra's rule.

The projects and the features in them are described in tests/data/synthetic/README.md.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px.ilastik import read_project

REPO = Path(__file__).resolve().parents[2]
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
PROJECTS = [
    *sorted((REPO / "tests" / "data" / "synthetic").glob("*/project.ilp")),
    *(path for path in sorted(GOLDEN.glob("*/project.ilp")) if "autocontext" not in str(path)),
]
STORED_FEATURES = sorted(GOLDEN.glob("*/features_lane*.npz"))
LEAF = 0x40000000


def vigra_trees(path):
    """The (topology, parameters) of every tree, part by part."""
    with h5py.File(path) as file:
        parts = file["PixelClassification/ClassifierForests"]
        return [
            [(tree["topology"][...], tree["parameters"][...]) for name, tree in part.items() if name[0] != "_"]
            for name, part in parts.items()
            if name.startswith("Forest")
        ]


def vigra_fractions(topology, parameters, rows):
    """(M, C) class fractions of the leaves that (M, F) voxels end in."""
    node = np.full(len(rows), 2)
    while (inner := topology[node] != LEAF).any():
        at = node[inner]
        left = rows[inner, topology[at + 4]].astype(np.float64) < parameters[topology[at + 1] + 1]
        node[inner] = np.where(left, topology[at + 2], topology[at + 3])
    return parameters[topology[node + 1][:, None] + 1 + np.arange(topology[1])]


def vigra_votes(parts, features):
    rows = features.reshape(len(features), -1).T
    votes = sum(vigra_fractions(*tree, rows) for trees in parts for tree in trees)
    return votes.T.reshape(-1, *features.shape[1:])


def ilastik_probabilities(parts, features):
    """As ilastik combines the sub-forests, every step in float32."""
    rows = features.reshape(len(features), -1).T
    whole = 0
    for trees in parts:
        part = sum(vigra_fractions(*tree, rows).astype(np.float32) for tree in trees)
        whole = whole + part / np.float32(len(trees)) * np.float32(len(trees))
    mean = whole / np.float32(sum(map(len, parts)))
    return mean.T.reshape(-1, *features.shape[1:])


def near_thresholds(forest, shape, rng):
    """Features at the forest's thresholds, one float32 beside them, and farther away."""
    features = np.empty((forest.n_features, *shape), np.float32)
    for f in range(forest.n_features):
        thresholds = forest.threshold[forest.feature == f]
        at = rng.choice(thresholds if len(thresholds) else np.zeros(1), shape).astype(np.float32)
        beside = np.nextafter(at, rng.choice(np.array([-np.inf, np.inf], np.float32), shape))
        away = at + rng.normal(scale=np.std(thresholds) if len(thresholds) else 1, size=shape)
        features[f] = np.choose(rng.integers(3, size=shape), [at, beside, away])
    return features


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_votes_at_the_thresholds_of_a_real_forest_are_vigras(path):
    forest = read_project(path).require_trained()
    features = near_thresholds(forest, (6, 12, 20), np.random.default_rng(0))
    parts = vigra_trees(path)
    np.testing.assert_array_equal(forest.votes(features), vigra_votes(parts, features))
    # ilastik rounds once for each part, and its own runs differ by one such rounding
    np.testing.assert_allclose(
        forest.probabilities(features), ilastik_probabilities(parts, features), rtol=0, atol=2e-7
    )


@pytest.mark.parametrize("path", STORED_FEATURES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_votes_of_features_that_ilastik_stored_are_vigras(path):
    project = path.parent / "project.ilp"
    forest = read_project(project).require_trained()
    stored = np.load(path)["features"]
    rows = stored.reshape(-1, stored.shape[-1])[:30_000]
    features = np.ascontiguousarray(rows.T).reshape(len(rows[0]), 1, 1, -1)
    np.testing.assert_array_equal(forest.votes(features), vigra_votes(vigra_trees(project), features))
