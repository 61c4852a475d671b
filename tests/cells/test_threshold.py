"""The threshold is meant in votes, however the probability is stored."""

import numpy as np
import pytest

from ecc_px.cells.threshold import highest_value_not_above

PERCENT = np.arange(100)
VOTES = np.arange(101)


def rounded(p, largest):
    return np.rint(p * np.float32(largest))


def rounded_half_up(p, largest):
    return np.floor(p * np.float32(largest) + np.float32(0.5))


def truncated(p, largest):
    return np.floor(p * np.float32(largest))


@pytest.mark.parametrize("storing", [rounded, rounded_half_up, truncated])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integer_images_of_100_trees_decide_as_the_votes(dtype, storing):
    stored = storing(VOTES.astype(np.float32) / np.float32(100), np.iinfo(dtype).max).astype(dtype)
    for percent in PERCENT:
        above = stored > highest_value_not_above(percent / 100, np.dtype(dtype))
        assert np.array_equal(above, percent < VOTES), percent


@pytest.mark.parametrize("ulps", [-8, -1, 0, 1, 8])
def test_float_images_decide_as_the_votes_in_spite_of_rounding_noise(ulps):
    stored = VOTES.astype(np.float32) / np.float32(100)
    stored += ulps * np.spacing(stored)
    for percent in PERCENT:
        above = stored > highest_value_not_above(percent / 100, np.dtype("float32"))
        assert np.array_equal(above, percent < VOTES), percent


def test_seventy_of_a_hundred_votes_are_not_above_seven_tenths():
    assert not np.float32(0.7) > highest_value_not_above(0.7, np.dtype("float32"))
    assert not np.uint8(178) > highest_value_not_above(0.7, np.dtype("uint8"))
    assert np.uint8(181) > highest_value_not_above(0.7, np.dtype("uint8"))


def test_threshold_zero_takes_every_vote():
    assert np.float32(0.01) > highest_value_not_above(0, np.dtype("float32"))
    assert highest_value_not_above(0, np.dtype("uint8")) == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("threshold", [0.997, 0.9981, 0.9985, 0.999, 0.99999])
def test_certainty_is_above_every_threshold(dtype, threshold):
    assert np.iinfo(dtype).max > highest_value_not_above(threshold, np.dtype(dtype))
