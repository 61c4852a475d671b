"""A forest votes exactly as a plain traversal of its trees does."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_forest import (
    awkward_features,
    grow_forest,
    reference_probabilities,
    reference_votes,
    smooth_features,
)

from ecc_px.errors import ClassifierMismatch, InvalidSetting
from ecc_px.models.forest import Forest

shapes = st.one_of(
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 40)),
    st.sampled_from([(1, 1, 1), (1, 70, 90), (2, 3, 5), (17, 17, 17), (1, 16, 16), (40, 1, 1)]),
)
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    shape=shapes,
    n_classes=st.integers(1, 6),
    n_trees=st.integers(1, 30),
    depth=st.integers(0, 8),
    n_features=st.integers(1, 6),
    awkward=st.booleans(),
)
def test_votes_equal_a_plain_traversal(seed, shape, n_classes, n_trees, depth, n_features, awkward):
    rng = np.random.default_rng(seed)
    forest = grow_forest(rng, n_trees=n_trees, depth=depth, n_features=n_features, n_classes=n_classes)
    features = awkward_features(rng, forest, shape) if awkward else smooth_features(rng, shape, n_features)
    votes = forest.votes(features)
    assert votes.dtype == np.uint8
    np.testing.assert_array_equal(votes, reference_votes(forest, features))


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20)),
    n_classes=st.integers(2, 4),
    n_parts=st.integers(1, 4),
    mixed_share=st.sampled_from([0.02, 0.3, 1.0]),
    awkward=st.booleans(),
)
def test_mixed_leaves_give_vigras_probabilities_to_the_last_bit(seed, shape, n_classes, n_parts, mixed_share, awkward):
    rng = np.random.default_rng(seed)
    forest = grow_forest(rng, n_trees=13, n_classes=n_classes, n_parts=n_parts, mixed_share=mixed_share)
    features = awkward_features(rng, forest, shape) if awkward else smooth_features(rng, shape)
    probabilities = forest.probabilities(features)
    assert probabilities.dtype == np.float32
    if forest.is_pure:
        np.testing.assert_allclose(probabilities, reference_probabilities(forest, features), rtol=3e-7)
    else:
        np.testing.assert_array_equal(probabilities, reference_probabilities(forest, features))


def test_probabilities_of_pure_leaves_are_votes_per_tree():
    rng = np.random.default_rng(0)
    forest = grow_forest(rng, n_trees=37, n_parts=4)
    features = awkward_features(rng, forest, (9, 17, 30))
    expected = (reference_votes(forest, features) / 37).astype(np.float32)
    np.testing.assert_array_equal(forest.probabilities(features), expected)


@pytest.mark.parametrize("n_trees", [255, 256, 700])
def test_any_number_of_trees_is_counted(n_trees):
    rng = np.random.default_rng(n_trees)
    forest = grow_forest(rng, n_trees=n_trees, n_classes=2, n_features=3)
    features = smooth_features(rng, (5, 9, 20), 3)
    votes = forest.votes(features)
    assert votes.dtype == (np.uint8 if n_trees <= 255 else np.uint16)
    np.testing.assert_array_equal(votes, reference_votes(forest, features))

    all_one_class = replace(forest, fractions=np.where(forest.fractions.any(axis=1)[:, None], [0.0, 1.0], 0.0))
    np.testing.assert_array_equal(all_one_class.votes(features)[1], n_trees)


def test_255_classes_are_told_apart():
    rng = np.random.default_rng(1)
    forest = grow_forest(rng, n_trees=60, n_classes=255)
    features = smooth_features(rng, (6, 10, 20))
    np.testing.assert_array_equal(forest.votes(features), reference_votes(forest, features))


def test_thresholds_between_two_float32_decide_as_in_double():
    below = np.float32(0.1)
    above = np.nextafter(below, np.float32(1))
    between = (float(below) + float(above)) / 2
    values = np.array([below, above, np.float32(1e30), np.float32(np.inf)])
    for threshold, goes_left in ((between, 1), (float(below), 0), (float(above), 1), (1e300, 3), (-1e300, 0)):
        forest = _stump(threshold)
        votes = forest.votes(values.reshape(1, 1, 1, 4))
        assert votes[0].sum() == goes_left


def test_a_voxel_with_a_nan_gets_no_votes_and_its_neighbours_keep_theirs():
    rng = np.random.default_rng(2)
    forest = grow_forest(rng)
    features = smooth_features(rng, (6, 20, 30))
    before = forest.votes(features)
    features[3, 2, 11, 13] = np.nan
    after = forest.votes(features)
    assert (after[:, 2, 11, 13] == 0).all()
    assert (forest.probabilities(features)[:, 2, 11, 13] == 0).all()
    after[:, 2, 11, 13] = before[:, 2, 11, 13]
    np.testing.assert_array_equal(after, before)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, cuts=st.tuples(*[st.sets(st.integers(1, n - 1), max_size=2) for n in (21, 37, 45)]))
def test_votes_of_a_block_are_those_of_its_pieces(seed, cuts):
    rng = np.random.default_rng(seed)
    forest = grow_forest(rng)
    features = smooth_features(rng, (21, 37, 45))
    whole = forest.votes(features)
    ends = [[0, *sorted(cut), n] for cut, n in zip(cuts, features.shape[1:], strict=True)]
    for spans in product(*(pairwise(e) for e in ends)):
        piece = (slice(None), *(slice(*span) for span in spans))
        np.testing.assert_array_equal(forest.votes(features[piece]), whole[piece])


def test_any_view_gives_the_votes_of_its_copy():
    rng = np.random.default_rng(3)
    forest = grow_forest(rng)
    features = smooth_features(rng, (12, 30, 40))
    read_only = features.copy()
    read_only.flags.writeable = False
    views = [
        features[:, 2:9, 5:, 7:20],
        features[:, ::2, ::3],
        features[:, :, ::-1],
        features[:, :, :, ::2],
        features.transpose(0, 3, 1, 2),
        np.moveaxis(np.ascontiguousarray(np.moveaxis(features, 0, -1)), -1, 0),
        np.broadcast_to(features[:, :1], features.shape),
        read_only,
    ]
    for view in views:
        np.testing.assert_array_equal(forest.votes(view), forest.votes(view.copy()))


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 17), st.integers(1, 17), st.integers(1, 20)),
    n_classes=st.integers(1, 4),
    n_trees=st.sampled_from([1, 7, 30, 260]),
    depth=st.integers(0, 6),
    share=st.floats(0, 1.1),
    kind=st.sampled_from(["awkward", "smooth", "nan"]),
)
def test_frequent_votes_are_the_votes_where_there_are_enough(seed, shape, n_classes, n_trees, depth, share, kind):
    rng = np.random.default_rng(seed)
    forest = grow_forest(rng, n_trees=n_trees, depth=depth, n_features=4, n_classes=n_classes)
    features = awkward_features(rng, forest, shape) if kind == "awkward" else smooth_features(rng, shape, 4)
    if kind == "nan":
        features[1, shape[0] // 2, shape[1] // 2, shape[2] // 2] = np.nan
    at_least = 1 + int(share * n_trees)
    votes = forest.votes(features)
    for column, label in enumerate(forest.labels):
        expected = np.where(votes[column] >= at_least, votes[column], 0)
        np.testing.assert_array_equal(forest.frequent_votes(features, label, at_least), expected)
    assert not forest.frequent_votes(features, max(forest.labels) + 1, 1).any()


def test_frequent_votes_of_one_voxel_repeated():
    rng = np.random.default_rng(3)
    forest = grow_forest(rng, n_trees=20, n_features=4, n_classes=2)
    view = np.broadcast_to(smooth_features(rng, (1, 1, 1), 4), (4, 5, 6, 7))
    most = forest.votes(view)[0]
    label, enough = int(forest.labels[0]), int(most.max())
    np.testing.assert_array_equal(forest.frequent_votes(view, label, max(enough, 1)), most)
    assert not forest.frequent_votes(view, label, enough + 1).any()


@pytest.mark.parametrize("mixed_share", [0.0, 0.3])
def test_one_voxel_repeated_votes_as_each_of_its_copies(mixed_share):
    rng = np.random.default_rng(11)
    forest = grow_forest(rng, mixed_share=mixed_share)
    repeated = np.broadcast_to(smooth_features(rng, (1, 1, 1)), (5, 6, 20, 30))
    np.testing.assert_array_equal(forest.probabilities(repeated), forest.probabilities(repeated.copy()))
    if forest.is_pure:
        np.testing.assert_array_equal(forest.votes(repeated), forest.votes(repeated.copy()))


def test_out_is_filled_and_returned():
    rng = np.random.default_rng(4)
    forest = grow_forest(rng)
    features = smooth_features(rng, (5, 6, 7))
    votes = np.full((3, 5, 6, 7), 99, np.uint8)
    assert forest.votes(features, out=votes) is votes
    np.testing.assert_array_equal(votes, reference_votes(forest, features))
    probabilities = np.full((3, 5, 6, 7), 99, np.float32)
    assert forest.probabilities(features, out=probabilities) is probabilities
    np.testing.assert_array_equal(probabilities, forest.probabilities(features))
    for wrong in (votes[:2], votes.astype(np.uint16), np.zeros((7, 6, 5, 3), np.uint8).T):
        with pytest.raises(ValueError, match="out"):
            forest.votes(features, out=wrong)


def test_threads_that_share_a_new_forest_agree():
    rng = np.random.default_rng(5)
    grown = grow_forest(rng, n_trees=60)
    features = smooth_features(rng, (16, 40, 50))
    expected = reference_votes(grown, features)
    for _ in range(3):
        forest = replace(grown)
        with ThreadPoolExecutor(4) as pool:
            for votes in pool.map(lambda _: forest.votes(features), range(8)):  # noqa: B023
                np.testing.assert_array_equal(votes, expected)


def test_a_forest_survives_the_way_to_another_process():
    rng = np.random.default_rng(6)
    forest = grow_forest(rng)
    features = smooth_features(rng, (5, 6, 7))
    votes = forest.votes(features)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(forest)).votes(features), votes)


def test_an_empty_block_has_empty_votes():
    forest = grow_forest(np.random.default_rng(7))
    for shape in ((0, 4, 4), (4, 0, 4), (4, 4, 0)):
        assert forest.votes(np.zeros((5, *shape), np.float32)).shape == (3, *shape)


def test_another_number_of_features_is_refused_with_both_numbers():
    forest = grow_forest(np.random.default_rng(8))
    with pytest.raises(ClassifierMismatch, match=r"5 features .* 4"):
        forest.probabilities(np.zeros((4, 2, 2, 2), np.float32))


def test_whole_votes_of_mixed_leaves_are_refused():
    forest = grow_forest(np.random.default_rng(9), mixed_share=0.5)
    with pytest.raises(InvalidSetting, match="probabilities"):
        forest.votes(np.zeros((5, 2, 2, 2), np.float32))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"left": np.array([9, -1, -1], np.int32)}, "outside"),
        ({"left": np.array([-5, -1, -1], np.int32)}, "outside"),
        ({"left": np.array([2, -1, -1], np.int32)}, "same node"),
        ({"left": np.array([0, -1, -1], np.int32)}, "same node"),
        ({"feature": np.array([7, -1, -1], np.int32)}, "feature 7"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(_stump(0.0), **change).votes(np.zeros((1, 1, 1, 1), np.float32))


def _stump(threshold: float) -> Forest:
    return Forest(
        feature=np.array([0, -1, -1], np.int32),
        threshold=np.array([threshold, 0.0, 0.0]),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        fractions=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
        roots=np.array([0], np.int32),
        part_sizes=(1,),
        labels=np.array([1, 2], np.int32),
        n_features=1,
    )
