"""Exactness of what is measured: percentiles as numpy's, centres decided in integers."""

import numpy as np
import pytest

from ecc_px.cells.measuring import Measuring, measure
from ecc_px.cells.objects import Objects, in_units, intensity_units


def single_voxels(centres):
    centres = np.array(centres, np.int64)
    ones = np.ones(len(centres), np.int64)
    return Objects(first=np.arange(len(centres)), voxels=ones, index_sum=centres, raw_sum=ones)


@pytest.mark.parametrize("percentile", [0, 5, 33.3, 50, 97, 100])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_background_is_numpys_percentile(percentile, dtype):
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 40, (9, 10, 11)).astype(dtype)  # few values: many ties
    centres = rng.integers(0, 9, (50, 3))
    how = Measuring(local_min_rad=3, local_min_percentile=percentile)
    measured = measure(raw, single_voxels(centres), np.zeros(3, np.int64), how)
    expected = [
        np.percentile(raw[tuple(slice(max(c - 3, 0), c + 4) for c in centre)].astype(float), percentile)
        for centre in centres
    ]
    assert measured.background.tolist() == expected


def test_a_cube_beyond_the_volume_takes_no_more_memory_than_the_volume():
    raw = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    how = Measuring(local_min_rad=5000, local_min_percentile=50)  # 8 TB as a whole cube
    measured = measure(raw, single_voxels([[1, 2, 3]]), np.zeros(3, np.int64), how)
    assert measured.background.tolist() == [np.median(raw)]


def test_a_centroid_halfway_between_voxels_goes_to_the_even_one():
    objects = Objects(
        first=np.arange(3),
        voxels=np.array([2, 2, 4]),
        index_sum=np.array([[21, 71, 20], [23, 4, 5], [7, 9, 10]]),
        raw_sum=np.zeros(3, np.int64),
    )
    assert objects.centre.tolist() == [[10, 36, 10], [12, 2, 2], [2, 2, 2]]
    assert np.array_equal(objects.centre, np.rint(objects.centroid))


def test_float_intensities_add_up_to_the_same_in_any_order():
    values = np.random.default_rng(0).lognormal(3, 3, 10_000).astype(np.float32)
    forwards, backwards = in_units(values).cumsum()[-1], in_units(values[::-1]).cumsum()[-1]
    assert forwards == backwards
    assert forwards / intensity_units(values.dtype) == pytest.approx(values.astype(float).sum(), rel=1e-9)
