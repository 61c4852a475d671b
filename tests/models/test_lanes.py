"""What is said in vectors does what plain code does."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from ecc_px.models.lanes import RUN, WORD, WORDS, add_where, bits_from, copy_run, prefetch, visit, visit_plain


@njit
def visited(values, first, threshold, left, right, queue, masks, place, tail, leaf_tail):
    return visit(
        values, np.uintp(first), threshold, np.int32(left), np.int32(right), queue, masks,
        np.uintp(place), np.uintp(tail), np.uintp(leaf_tail),
    )  # fmt: skip


@pytest.mark.parametrize("threshold", [0.0, -0.0, 0.25, np.inf, -np.inf, 1e-45])
@pytest.mark.parametrize("first", [0, 1, 7, 64])
@pytest.mark.parametrize(("left", "right"), [(5, 6), (-1, 6), (5, -2), (-1, -1)])
def test_voxels_part_as_in_the_plain_twin(threshold, first, left, right):
    rng = np.random.default_rng(first)
    odd = np.array([0.0, -0.0, 0.25, np.inf, -np.inf, np.nan, 1e-45], np.float32)
    n = WORDS * WORD + first
    values = np.where(rng.random(n) < 0.5, rng.choice(odd, n), rng.normal(size=n)).astype(np.float32)
    limit = np.float32(threshold)
    masks = rng.integers(0, 2**63, 8 * WORDS, np.uint64)
    masks[WORDS : 2 * WORDS] &= masks[WORDS : 2 * WORDS] << np.uint64(1)
    results = []
    for do in (visited, visit_plain):
        queue, own_masks = np.arange(8, dtype=np.int32), masks.copy()
        results.append((*do(values, first, limit, left, right, queue, own_masks, 1, 2, 5), queue, own_masks))
    for compiled, plain in zip(*results, strict=True):
        assert np.array_equal(compiled, plain)


@njit
def enough(counts, first, least):
    return bits_from(counts, np.uintp(first), counts.dtype.type(least))


@pytest.mark.parametrize(("dtype", "least"), [(np.uint8, 0), (np.uint8, 128), (np.uint8, 255), (np.uint16, 300)])
@pytest.mark.parametrize("first", [0, 5])
def test_bits_say_which_counts_are_enough(dtype, least, first):
    largest = min(2 * least, np.iinfo(dtype).max)
    counts = np.random.default_rng(first).integers(0, largest + 1, 2 * WORD).astype(dtype)
    expected = sum(1 << int(i) for i in np.flatnonzero(counts[first : first + WORD] >= least))
    assert enough(counts, first, least) == expected


@njit
def copied(out, to, values, first):
    copy_run(out, np.uintp(to), values, np.uintp(first))


@njit
def counted(counts, first, bits, weight):
    add_where(counts, np.uintp(first), bits, counts.dtype.type(weight))


@njit
def fetched(values, index):
    prefetch(values, np.uintp(index))
    return values[index]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("to", "first"), [(0, 0), (3, 5), (9, 1)])
def test_a_run_is_copied_and_nothing_beside_it(dtype, to, first):
    out, values = np.arange(30).astype(dtype), np.arange(100, 130).astype(dtype)
    expected = out.copy()
    expected[to : to + RUN] = values[first : first + RUN]
    copied(out, to, values, first)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("first", [0, 5, 64])
def test_a_weight_is_added_where_a_bit_is_set(dtype, first):
    rng = np.random.default_rng(first)
    counts = rng.integers(0, 100, 2 * WORD + 9).astype(dtype)
    chosen = rng.random(WORD) < 0.4
    bits = np.uint64(sum(1 << i for i in np.flatnonzero(chosen)))
    expected = counts.copy()
    expected[first : first + WORD][chosen] += dtype(16)
    counted(counts, first, bits, 16)
    np.testing.assert_array_equal(counts, expected)


def test_fetching_changes_nothing():
    assert fetched(np.arange(100.0), 42) == 42
