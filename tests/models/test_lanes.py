"""The vector comparison gives the bits that the plain one gives."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from ecc_px.models.lanes import WORD, bits_below, bits_below_plain


@njit
def compiled(values, first, threshold):
    return bits_below(values, np.uintp(first), threshold)


@pytest.mark.parametrize("threshold", [0.0, -0.0, 0.25, np.inf, -np.inf, 1e-45])
@pytest.mark.parametrize("first", [0, 1, 7, 64])
def test_bits_are_those_of_the_plain_twin(threshold, first):
    rng = np.random.default_rng(first)
    odd = np.array([0.0, -0.0, 0.25, np.inf, -np.inf, np.nan, 1e-45], np.float32)
    values = np.where(rng.random(2 * WORD) < 0.5, rng.choice(odd, 2 * WORD), rng.normal(size=2 * WORD))
    values = values.astype(np.float32)
    limit = np.float32(threshold)
    assert compiled(values, first, limit) == bits_below_plain(values, first, limit)
