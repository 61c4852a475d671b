"""A gate closes nothing that can have enough votes, and most of what can't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_forest import awkward_features, grow_forest, smooth_features

from ecc_px import load_classifier, open_volume
from ecc_px.models.decisions import REST, WANTED
from ecc_px.models.gates import OPEN, Gatekeeper, boxes_of, build_gate
from ecc_px.models.nodes import NODE, LinkedNodes
from ecc_px.models.training import train_forest

SEED_SET = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset"


def is_open(gate: LinkedNodes, voxel: np.ndarray) -> bool:
    link = gate.roots[0]
    while link >= 0:
        node = gate.nodes[link]
        link = node["left"] if voxel[node["feature"]] < node["threshold"] else node["right"]
    return bool(~link >= OPEN)


def of_gate(gate: LinkedNodes, features: np.ndarray) -> np.ndarray:
    return np.array([is_open(gate, voxel) for voxel in features.reshape(len(features), -1).T])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_trees=st.sampled_from([1, 7, 30]),
    depth=st.integers(0, 6),
    share=st.floats(0, 1),
    kind=st.sampled_from(["awkward", "smooth"]),
)
def test_a_closed_voxel_never_has_enough_votes(seed, n_trees, depth, share, kind):
    rng = np.random.default_rng(seed)
    forest = grow_forest(rng, n_trees=n_trees, depth=depth, n_features=4, n_classes=3)
    shape = (3, 6, 7)
    features = awkward_features(rng, forest, shape) if kind == "awkward" else smooth_features(rng, shape, 4)
    learnt_from = smooth_features(rng, shape, 4).reshape(4, -1)
    at_least = 1 + int(share * (n_trees - 1))
    for column, label in enumerate(forest.labels):
        boxes = boxes_of(forest._against_the_rest(label), WANTED, 4)
        gate, _ = build_gate(boxes, at_least, learnt_from)
        has_enough = forest.votes(features)[column].reshape(-1) >= at_least
        assert (of_gate(gate, features) >= has_enough).all()


def test_boxes_are_the_leaves_of_a_class():
    # x0 < 1 ? WANTED : (x1 < 2 ? REST : WANTED), and a tree that can't be reached beyond its root's left side.
    nodes = np.array([(1, 0, ~WANTED, 1), (2, 1, ~REST, ~WANTED), (5, 0, 3, ~REST), (7, 0, ~REST, ~WANTED)], NODE)
    boxes = boxes_of(LinkedNodes(nodes, np.array([0, 2, ~WANTED], np.int32)), WANTED, 2)
    infinity = np.inf
    assert boxes.tree.tolist() == [0, 0, 2]
    assert boxes.low.tolist() == [[-infinity, -infinity], [1, 2], [-infinity, -infinity]]
    assert boxes.high.tolist() == [[1, infinity], [infinity, infinity], [infinity, infinity]]


@pytest.fixture(scope="module")
def seed_set():
    classifier = load_classifier(SEED_SET / "project.ilp")
    image = open_volume(SEED_SET / "train.h5").read()
    return classifier.forest, classifier.features.compute(image)


def test_most_of_a_real_forests_voxels_are_closed(seed_set):
    forest, features = seed_set
    label, at_least = int(forest.labels[1]), forest.n_trees // 2 + 1
    boxes = boxes_of(forest._against_the_rest(label), WANTED, forest.n_features)
    keeper = Gatekeeper(boxes, at_least)
    some = features[:, ::5, ::5, ::5]
    left_open = of_gate(keeper.gate(features), some)
    enough = forest.votes(np.ascontiguousarray(some))[1].reshape(-1) >= at_least
    assert (left_open & ~enough).mean() < 0.35
    assert not (enough & ~left_open).any()


def test_a_gate_that_learnt_from_air_is_built_anew_in_tissue(seed_set):
    forest, features = seed_set
    label, at_least = int(forest.labels[1]), forest.n_trees // 2 + 1
    boxes = boxes_of(forest._against_the_rest(label), WANTED, forest.n_features)
    keeper = Gatekeeper(boxes, at_least)
    air = np.zeros_like(features)
    in_air = keeper.gate(air)
    keeper.learn(air, 0, 0)
    assert keeper.gate(features) is in_air
    before = of_gate(in_air, features[:, ::5, ::5, ::5]).mean()
    keeper.learn(features, features[0].size, 0)
    after = of_gate(keeper.gate(features), features[:, ::5, ::5, ::5]).mean()
    assert after < 0.8 * before


def test_threads_that_learn_while_a_gate_is_built_build_none_of_their_own(seed_set, monkeypatch):
    forest, features = seed_set
    label, at_least = int(forest.labels[1]), forest.n_trees // 2 + 1
    keeper = Gatekeeper(boxes_of(forest._against_the_rest(label), WANTED, forest.n_features), at_least)
    builds = []

    def build_while_others_learn(*arguments):
        builds.append(arguments)
        if 1 < len(builds) < 5:
            keeper.learn(features[:, :4], features[0, :4].size, 0)
        return build_gate(*arguments)

    monkeypatch.setattr("ecc_px.models.gates.build_gate", build_while_others_learn)
    keeper.gate(features)
    keeper.learn(features, features[0].size, 0)
    assert len(builds) == 2


def test_no_gate_is_built_for_a_forest_of_noise_and_the_votes_are_right():
    rng = np.random.default_rng(4)
    samples = rng.random((600, 4), np.float32)
    forest = train_forest(samples, rng.integers(1, 3, 600), trees=20).forest
    features = rng.random((4, 6, 20, 20), np.float32)
    boxes = boxes_of(forest._against_the_rest(1), WANTED, 4)
    assert Gatekeeper(boxes, 11).gate(features) is None
    votes = forest.votes(features)[0]
    for _ in range(2):
        np.testing.assert_array_equal(forest.frequent_votes(features, 1, 11), np.where(votes >= 11, votes, 0))
