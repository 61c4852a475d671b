"""Smoothed rows are the folded sum, one rounding a term, whether one or four are made at a time."""

import numpy as np
import pytest
from numba import uintp

from ecc_px.filters.gaussian import smoothing_taps
from ecc_px.filters.rows import smooth_row, smooth_rows


def folded(rows, centre, taps):
    """In float64, where a product of two float32 is exact, and rounded after each term."""
    total = (rows[centre] * taps[0]).astype(np.float32)
    for j in range(1, len(taps)):
        pair = (rows[centre + j] + rows[centre - j]).astype(np.float64)
        total = (pair * float(taps[j]) + total).astype(np.float32)
    return total


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.249, 3.354])
@pytest.mark.parametrize("count", [1, 4, 6])
@pytest.mark.parametrize("n", [1, 16, 37, 150])
def test_rows_at_once_are_rows_one_by_one(sigma, count, n):
    taps = smoothing_taps(sigma, 3.5)
    radius = len(taps) - 1
    image = np.random.default_rng(n).integers(0, 4000, (count + 2 * radius, n)).astype(np.float32)
    order = np.random.default_rng(count).permutation(len(image))  # a row may lie anywhere
    stored = np.empty_like(image)
    stored[order] = image
    together = np.full(count * (n + 3), -1, np.float32)
    step, pitch, none = uintp(n + 3), uintp(n), uintp(0)
    smooth_rows(together, none, step, count, stored.reshape(-1), order, 0, pitch, none, taps, n)
    together = together.reshape(count, n + 3)
    assert (together[:, n:] == -1).all()
    for i in range(count):
        alone = np.empty(n, np.float32)
        smooth_row(alone, none, stored.reshape(-1), order, i, pitch, none, taps, n)
        np.testing.assert_array_equal(together[i, :n], alone)
        np.testing.assert_allclose(alone, folded(image, i + radius, taps), rtol=2e-7)
