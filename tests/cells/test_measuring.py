"""Exactness of what is measured: percentiles as numpy's, centres decided in integers."""

import numpy as np
import pytest

from ecc_px.cells.measuring import Measuring, measure
from ecc_px.cells.objects import Objects, intensity_units
from ecc_px.cells.runs import label_runs

UM = (5.0, 2.0, 2.5)


def objects_with(voxels, index_sum, raw_sum=0):
    raw_sums = np.full(len(voxels), raw_sum)
    return Objects.neutral(len(voxels)).having(voxels=voxels, index_sum=index_sum, raw_sum=raw_sums)


@pytest.mark.parametrize("percentile", [0, 5, 33.3, 50, 97, 100])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_background_is_numpys_percentile(percentile, dtype):
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 40, (9, 10, 11)).astype(dtype)  # few values: many ties
    centres = rng.integers(0, 9, (50, 3))
    how = Measuring(background="percentile", local_min_rad=3, local_min_percentile=percentile)
    measured = measure(raw, None, objects_with(np.ones(50), centres), np.zeros(3, np.int64), how, UM)
    expected = [
        np.percentile(raw[tuple(slice(max(c - 3, 0), c + 4) for c in centre)].astype(float), percentile)
        for centre in centres
    ]
    assert measured.background.tolist() == expected


def test_a_cube_beyond_the_volume_takes_no_more_memory_than_the_volume():
    raw = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    how = Measuring(background="percentile", local_min_rad=5000, local_min_percentile=50)  # 8 TB as a whole cube
    measured = measure(raw, None, objects_with([1], [[1, 2, 3]]), np.zeros(3, np.int64), how, UM)
    assert measured.background.tolist() == [np.median(raw)]


def test_a_centroid_halfway_between_voxels_goes_to_the_even_one():
    objects = objects_with([2, 2, 4], [[21, 71, 20], [23, 4, 5], [7, 9, 10]])
    assert objects.centre.tolist() == [[10, 36, 10], [12, 2, 2], [2, 2, 2]]
    assert np.array_equal(objects.centre, np.rint(objects.centroid))


def test_float_intensities_add_up_to_the_same_in_any_order():
    values = np.random.default_rng(0).lognormal(3, 3, 10_000).astype(np.float32)
    image = values.reshape(1, 10, 1000)
    units = intensity_units(values.dtype)
    in_units = label_runs(np.ones(image.shape, bool), 6).values(image, units)
    forwards, backwards = in_units.cumsum()[-1], in_units[::-1].cumsum()[-1]
    assert forwards == backwards
    assert forwards / intensity_units(values.dtype) == pytest.approx(values.astype(float).sum(), rel=1e-9)


def test_the_shell_is_the_mean_of_what_is_no_cell_within_15_um():
    rng = np.random.default_rng(2)
    raw = rng.integers(50, 150, (20, 30, 28)).astype(np.uint16)
    free = rng.random(raw.shape) > 0.3
    raw[~free] += 1000
    centres = np.array([[10, 15, 14], [0, 0, 0], [19, 3, 27]])
    measured = measure(raw, free, objects_with([1, 1, 1], centres), np.zeros(3, np.int64), Measuring(), UM)
    expected = []
    for z, y, x in centres:
        box = np.s_[max(z - 3, 0) : z + 4, max(y - 8, 0) : y + 9, max(x - 6, 0) : x + 7]
        expected.append(raw[box][free[box]].mean())
    assert measured.background == pytest.approx(expected)


def test_without_free_voxels_the_background_is_a_low_percentile_of_the_box():
    raw = np.arange(8000, dtype=np.uint16).reshape(20, 20, 20)
    none_free = np.zeros(raw.shape, bool)
    measured = measure(raw, none_free, objects_with([1], [[5, 6, 7]]), np.zeros(3, np.int64), Measuring(), (5, 5, 5))
    assert measured.background.tolist() == [np.percentile(raw[2:9, 3:10, 4:11], 5)]


def test_the_weighted_centroid_lies_where_the_light_is():
    objects = objects_with([2], [[20, 21, 20]]).having(
        lower=np.array([[10, 10, 10]]),
        upper=np.array([[10, 11, 10]]),
        weight_sum=np.array([500]),
        weight_index_sum=np.array([[5000, 10 * 200 + 11 * 300, 5000]]),
    )
    dtype = np.dtype(np.uint16)
    assert objects.weighted_centroid(np.array([100.0]), dtype).tolist() == [[10, 10 + 2 / 3, 10]]
    assert objects.weighted_centroid(np.array([250.0]), dtype).tolist() == [[10, 10.5, 10]]  # nothing above it
    assert objects.weighted_centroid(np.array([220.0]), dtype).tolist() == [[10, 11, 10]]  # never outside the object
