"""The kernels do to polynomials what their names say."""

import numpy as np
import pytest

from ecc_px.filters.gaussian import first_derivative_taps, radius_of, second_derivative_taps, smoothing_taps

SIGMAS = [0.3, 0.462, 0.66, 0.7, 1.0, 1.249, 3.354, 9.95]


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("window", [2.0, 3.5])
def test_smoothing_keeps_a_constant(sigma, window):
    taps = smoothing_taps(sigma, window).astype(float)
    assert taps[0] + 2 * taps[1:].sum() == pytest.approx(1, abs=1e-7)
    assert (np.diff(taps) < 0).all()


@pytest.mark.parametrize("sigma", SIGMAS)
def test_first_derivative_of_a_ramp_is_one(sigma):
    taps = first_derivative_taps(sigma, 2.0).astype(float)
    assert taps[0] == 0
    assert 2 * (taps * np.arange(len(taps))).sum() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_second_derivative_ignores_a_constant_and_is_one_for_half_a_square(sigma):
    taps = second_derivative_taps(sigma, 2.0).astype(float)
    x = np.arange(len(taps))
    assert taps[0] + 2 * taps[1:].sum() == pytest.approx(0, abs=1e-6)
    assert (taps * x**2).sum() == pytest.approx(1, abs=1e-6)


def test_radius_is_rounded_half_up_and_may_be_nothing():
    assert [radius_of(s, 3.5) for s in (0.3, 0.7, 1.0, 10.0)] == [1, 2, 4, 35]
    assert radius_of(0.2, 2.0) == 0
    assert len(smoothing_taps(0.2, 2.0, least_radius=1)) == 2
