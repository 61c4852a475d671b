"""A vector computes as its lanes would one by one, to the bit, and touches no voxel that it should not."""

import numpy as np
import pytest
from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.lanes import (
    LANES,
    fma,
    larger,
    load,
    load_some,
    narrowed,
    root,
    signed,
    size,
    smaller,
    spread,
    store,
    store_some,
    widened,
)


@kernel()
def compute(a, b, out):
    x, y = load(a, uintp(0)), load(b, uintp(0))
    results = (
        x + y,
        x - y,
        x * y,
        x / y,
        -x,
        fma(x, y, x),
        root(size(x)),
        signed(x, y),
        larger(x, y),
        smaller(x, y),
        narrowed(widened(x) * widened(y) + spread(0.1)),
    )
    for i in range(len(results)):
        store(out, uintp(i * LANES), results[i])


def test_every_operation_is_numpys_for_each_lane():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, LANES)).astype(np.float32)
    a[3], b[5] = 0, a[5]
    out = np.empty(11 * LANES, np.float32)
    compute(a, b, out)
    wide = a.astype(float) * b
    expected = [a + b, a - b, a * b, a / b, -a, (wide + a).astype(np.float32), np.sqrt(np.abs(a)), np.copysign(a, b)]
    expected += [np.maximum(a, b), np.minimum(a, b), (wide + 0.1).astype(np.float32)]
    np.testing.assert_array_equal(out.reshape(11, LANES), expected)


@kernel()
def copy_some(a, out, n):
    store_some(out, uintp(1), load_some(a, uintp(0), n), n)


@kernel()
def fill_from_some(a, out, n):
    store(out, uintp(0), load_some(a, uintp(0), n))


@pytest.mark.parametrize("n", [0, 1, 7, LANES - 1, LANES])
def test_a_part_of_a_vector_leaves_the_voxels_after_it_alone(n):
    a = np.arange(1, LANES + 1, dtype=np.float32)
    out = np.full(LANES + 2, -1, np.float32)
    copy_some(a, out, n)
    np.testing.assert_array_equal(out, [-1, *a[:n], *[-1] * (LANES + 1 - n)])
    fill_from_some(a, out, n)
    np.testing.assert_array_equal(out[:LANES], [*a[:n], *[0] * (LANES - n)])


def test_larger_and_smaller_keep_the_first_where_one_is_not_a_number():
    a, b = np.full(LANES, np.nan, np.float32), np.ones(LANES, np.float32)
    out = np.empty(11 * LANES, np.float32)
    for first, second in ((a, b), (b, a)):
        compute(first, second, out)
        np.testing.assert_array_equal(out.reshape(11, LANES)[8:10], [first, first])
