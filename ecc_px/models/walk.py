"""Every voxel walked through every tree, for forests whose leaves hold more than one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel

Array = npt.NDArray[Any]


@kernel()
def mean_fractions(
    voxels: Array,
    feature: Array,
    threshold: Array,
    left: Array,
    right: Array,
    fractions: Array,
    roots: Array,
    part_sizes: Array,
) -> Array:
    """Mean of the leaves' class fractions, with the roundings of vigra and of ilastik.

    vigra adds the fractions of a part in float32, tree by tree, and divides by their sum, which it adds in
    float64. ilastik multiplies by the part's size, adds the parts and divides by the number of trees, in float32.

    Parameters
    ----------
    voxels : (M, F) float32, without NaN
    feature, threshold, left, right, fractions, roots
        As in `Forest`.
    part_sizes : (P,) int64

    Returns
    -------
    (M, C) float32
    """
    n_classes = fractions.shape[1]
    mean = np.zeros((len(voxels), n_classes), np.float32)
    part = np.empty(n_classes, np.float32)
    for voxel in range(len(voxels)):
        first = 0
        for size in part_sizes:
            part[:] = 0
            total = 0.0
            for root in roots[first : first + size]:
                node = root
                while feature[node] >= 0:
                    goes_left = np.float64(voxels[voxel, feature[node]]) < threshold[node]
                    node = left[node] if goes_left else right[node]
                for c in range(n_classes):
                    part[c] += np.float32(fractions[node, c])
                    total += fractions[node, c]
            for c in range(n_classes):
                mean[voxel, c] += part[c] / np.float32(total) * np.float32(size)
            first += size
        for c in range(n_classes):
            mean[voxel, c] /= np.float32(len(roots))
    return mean
