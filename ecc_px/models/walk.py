"""Every voxel walked through every tree, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]


@njit(cache=True, nogil=True)
def leaf_of(voxel: Array, feature: Array, threshold: Array, left: Array, right: Array, root: int) -> int:
    """The leaf that a voxel ends in."""
    node = root
    while feature[node] >= 0:
        node = left[node] if voxel[feature[node]] < threshold[node] else right[node]
    return node


@njit(cache=True, nogil=True)
def walk_votes(
    features: Array,
    feature: Array,
    threshold: Array,
    left: Array,
    right: Array,
    leaf_class: Array,
    roots: Array,
    out: Array,
) -> None:
    """Count the trees that vote for each class; none for a voxel with a NaN."""
    voxel = np.empty(features.shape[0], np.float32)
    out[:] = 0
    for z, y, x in np.ndindex(out.shape[1:]):
        voxel[:] = features[:, z, y, x]
        if np.isnan(voxel).any():
            continue
        for root in roots:
            out[leaf_class[leaf_of(voxel, feature, threshold, left, right, root)], z, y, x] += 1


@njit(cache=True, nogil=True)
def walk_fractions(
    features: Array,
    feature: Array,
    threshold: Array,
    left: Array,
    right: Array,
    fractions: Array,
    roots: Array,
    part_sizes: Array,
    out: Array,
) -> None:
    """Average the leaves' class fractions in vigra's and ilastik's order and precision."""
    n_classes = out.shape[0]
    voxel = np.empty(features.shape[0], np.float32)
    part = np.empty(n_classes, np.float32)
    whole = np.empty(n_classes, np.float32)
    out[:] = 0
    for z, y, x in np.ndindex(out.shape[1:]):
        voxel[:] = features[:, z, y, x]
        if np.isnan(voxel).any():
            continue
        whole[:] = 0
        first = 0
        for size in part_sizes:
            part[:] = 0
            total = 0.0
            for root in roots[first : first + size]:
                leaf = leaf_of(voxel, feature, threshold, left, right, root)
                for c in range(n_classes):
                    part[c] += np.float32(fractions[leaf, c])
                    total += fractions[leaf, c]
            for c in range(n_classes):
                whole[c] += part[c] / np.float32(total) * np.float32(size)
            first += size
        out[:, z, y, x] = whole / np.float32(len(roots))
