"""Sampled Gaussians and their derivatives, with the coefficients of fastfilters.

Source: the formulas of fastfilters 0.3 (the filter library of released ilastik), measured against it. Taps are
computed in double precision and rounded to float32 before and after the normalisation.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

HalfKernel = npt.NDArray[np.float32]
"""Taps at distance 0, 1, …, radius; the other half follows from the symmetry."""


def radius_of(sigma: float, window: float) -> int:
    """Half width of a kernel that is cut off at `window` standard deviations; may be 0."""
    return math.floor(window * sigma + 0.5)


def smoothing_taps(sigma: float, window: float, *, least_radius: int = 0) -> HalfKernel:
    """Gaussian, normalised to sum 1."""
    x = np.arange(max(least_radius, radius_of(sigma, window)) + 1, dtype=np.float64)
    taps = _rounded(np.exp(-0.5 * (x / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma))
    return _as_half_kernel(taps / (taps[0] + 2 * taps[1:].sum()))


def first_derivative_taps(sigma: float, window: float) -> HalfKernel:
    """d/dx of a Gaussian, normalised so that a ramp of slope 1 gives 1; antisymmetric."""
    x = np.arange(max(1, radius_of(sigma, window)) + 1, dtype=np.float64)
    taps = _rounded(x * np.exp(-0.5 * (x / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma**3))
    return _as_half_kernel(taps / (2 * (x * taps).sum()))


def second_derivative_taps(sigma: float, window: float) -> HalfKernel:
    """d²/dx² of a Gaussian: no response to a constant, and x²/2 gives 1."""
    x = np.arange(max(1, radius_of(sigma, window)) + 1, dtype=np.float64)
    gauss = np.exp(-0.5 * (x / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma**3)
    taps = _rounded(((x / sigma) ** 2 - 1) * gauss)
    taps = _rounded(taps - (taps[0] + 2 * taps[1:].sum()) / (2 * len(x) - 1))
    return _as_half_kernel(taps / (x**2 * taps).sum())


def _as_half_kernel(taps: npt.NDArray[np.float64]) -> HalfKernel:
    return taps.astype(np.float32)


def _rounded(taps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return taps.astype(np.float32).astype(np.float64)
