"""Thresholds in float32 decide for every float32 as those in double do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecc_px.models.nodes import float32_thresholds, link_nodes


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_float32_thresholds_decide_as_double_ones(threshold, value):
    narrow = float32_thresholds(np.array([threshold]))[0]
    with np.errstate(over="ignore"):
        neighbours = [narrow, *np.nextafter(narrow, np.array([-np.inf, np.inf], np.float32))]
    for x in [np.float32(value), *neighbours]:
        assert (x < narrow) == (np.float64(x) < threshold)


def test_leaves_become_links_that_name_their_kind():
    linked = link_nodes(
        feature=np.array([-1, 2, -1, -1], np.int32),
        threshold=np.array([0.0, 1.5, 0.0, 0.0]),
        left=np.array([-1, 2, -1, -1], np.int32),
        right=np.array([-1, 3, -1, -1], np.int32),
        leaf_kind=np.array([4, 0, 0, 7], np.int32),
        roots=np.array([0, 1], np.int32),
    )
    assert linked.roots.tolist() == [~4, 0]
    assert linked.nodes.tolist() == [(1.5, 2, ~0, ~7)]
