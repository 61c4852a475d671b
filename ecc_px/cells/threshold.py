"""Which voxels are above the threshold: one rule, meant in votes, for every way of storing a probability.

A forest of T trees gives k votes; a voxel is above the threshold t when k/T > t, strictly. The stored image holds
k/T only roughly: float32 with the rounding noise of ilastik's sums, uint8 and uint16 rounded or, in some versions,
truncated. So the threshold is stored by the same rule as the image, rounded up at a half, and compared strictly:

========  ===========================================
image     above the threshold
========  ===========================================
float32   p > t + 1e-6
uint8     v > floor((t + 1e-6) · 255 + ½)
uint16    v > floor((t + 1e-6) · 65535 + ½)
========  ===========================================

Wherever t is a possible vote (0.7 of 100 trees), all three decide as the votes do: exactly 70 votes are *not* above
0.7, 71 are. Between two votes, uint8 can be off by its own half step of 1/510. The largest value, 255 or 65535, is
above every threshold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecc_px.errors import InvalidSetting

VOTE_NOISE = 1e-6
"""More than the float32 rounding of a sum over sub-forests, less than one vote of any forest."""

PROBABILITY_DTYPES = ("uint8", "uint16", "float32")


def highest_value_not_above(threshold: float, dtype: np.dtype[Any]) -> int | np.float32:
    """The largest stored value that does not count as above the threshold.

    Parameters
    ----------
    threshold : float
        Probability, 0 ≤ threshold < 1.
    dtype : uint8, uint16 or float32
        What the probability image is stored as.

    Examples
    --------
    >>> highest_value_not_above(0.7, np.dtype("uint8"))
    179
    """
    check_threshold(threshold)
    if dtype.kind == "f":
        return np.float32(threshold + VOTE_NOISE)
    largest = int(np.iinfo(dtype).max)
    return min(math.floor((threshold + VOTE_NOISE) * largest + 0.5), largest - 1)


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is no probability, or that no probability is above."""
    if not 0 <= threshold < 1:
        raise InvalidSetting(
            f"threshold {threshold:g}: a probability from 0 to below 1 is needed; a voxel is an object's where "
            "its probability is above it."
        )


def highest_grey_value_not_above(threshold: float, dtype: np.dtype[Any]) -> int | np.float32:
    """The same as ecc compares: v > t · 255 for uint8, and accordingly for the others, without regard to votes.

    >>> highest_grey_value_not_above(0.7, np.dtype("uint8"))
    178
    """
    check_threshold(threshold)
    if dtype.kind == "f":
        return np.float32(threshold)
    return math.floor(threshold * np.iinfo(dtype).max)
