"""The nodes of a forest as the kernels read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Nodes(NamedTuple):
    """Parallel arrays, one entry per node; feature is -1 at a leaf."""

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]


def float32_thresholds(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The smallest float32 that is not below each threshold.

    For every float32 x, ``float64(x) < threshold`` is then the same as ``x < result``.
    """
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    up: npt.NDArray[Any] = np.nextafter(nearest, np.float32(np.inf))
    return np.where(nearest < threshold, up, nearest)
