"""Points are matched one to one, by the order of the rows where distances are equal, and as well as promised."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from ecc_px.cells import matching
from ecc_px.cells.matching import assignment, candidates, mutual_nearest, nearest_first
from ecc_px.errors import InvalidSetting

# Few places, so that there are many equal distances.
points = st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=6).map(lambda p: np.array(p, float).reshape(-1, 3))
by_property = settings(max_examples=60, deadline=None)


def pairs_of(found):
    return list(zip(found.a.tolist(), found.b.tolist(), strict=True))


def greedy_one_by_one(a, b, within):
    distances = sorted((d, i, j) for (i, j), d in np.ndenumerate(cdist(a, b)) if d <= within)
    taken_a, taken_b, chosen = set(), set(), []
    for _, i, j in distances:
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            chosen.append((i, j))
    return chosen


@by_property
@given(points, points)
def test_candidates_are_all_pairs_within_the_limit_nearest_first(a, b):
    near = candidates(a, b, 2.0)
    distances = cdist(a, b) if len(a) and len(b) else np.zeros((len(a), len(b)))
    expected = sorted((d, i, j) for (i, j), d in np.ndenumerate(distances) if d <= 2.0)
    assert pairs_of(near) == [(i, j) for _, i, j in expected]
    np.testing.assert_allclose(near.distance, [d for d, _, _ in expected])


@by_property
@given(points, points)
def test_nearest_first_is_what_going_through_the_list_gives(a, b):
    if len(a) and len(b):
        assert pairs_of(nearest_first(candidates(a, b, 2.0))) == greedy_one_by_one(a, b, 2.0)


@by_property
@given(points, points)
def test_mutual_pairs_are_one_to_one_and_each_the_others_nearest(a, b):
    pairs = mutual_nearest(candidates(a, b, 3.0))
    assert len(set(pairs.a)) == len(set(pairs.b)) == len(pairs)
    if len(a) and len(b):
        distances = cdist(a, b)
        for i, j in pairs_of(pairs):
            assert distances[i, j] == pytest.approx(distances[i].min()) == distances[:, j].min()
        assert len(pairs) or distances.min() > 3.0


@by_property
@given(points, points)
def test_no_other_choice_has_a_smaller_sum_than_the_assignment(a, b):
    within = 2.5
    pairs = assignment(candidates(a, b, within), within)
    assert len(set(pairs.a)) == len(set(pairs.b)) == len(pairs)
    if not (len(a) and len(b)):
        assert not len(pairs)
        return
    gain = np.maximum(within - cdist(a, b), 0)
    small = gain if len(a) <= len(b) else gain.T
    best = max(
        sum(small[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(small.shape[1]), len(small))
    )
    assert (within - pairs.distance).sum() == pytest.approx(best)


def test_assignment_lets_no_greedy_choice_spoil_a_neighbour():
    a, b = np.array([[0.0, 0, 0], [0, 0, 3]]), np.array([[0.0, 0, 2], [0, 0, 6]])
    near = candidates(a, b, 10.0)
    assert pairs_of(mutual_nearest(near)) == [(1, 0)]
    assert sorted(pairs_of(assignment(near, 10.0))) == [(0, 0), (1, 1)]


def test_batches_do_not_change_the_candidates(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 50, (200, 3)), rng.uniform(0, 50, (150, 3))
    whole = candidates(a, b, 8.0)
    monkeypatch.setattr(matching, "_BATCH", 7)
    parts = candidates(a, b, 8.0)
    assert pairs_of(parts) == pairs_of(whole)


def test_distance_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(matching, "MOST_CANDIDATES", 99)
    with pytest.raises(InvalidSetting, match="more than 99 pairs"):
        candidates(np.zeros((10, 3)), np.zeros((10, 3)), 1.0)


@pytest.mark.parametrize("within", [0.0, -1.0, np.nan, np.inf])
def test_distance_must_be_above_0(within):
    with pytest.raises(InvalidSetting, match="above 0"):
        candidates(np.zeros((1, 3)), np.zeros((1, 3)), within)
