"""What features cost, so that sets of them can be compared before anything is computed.

A model of `FeatureSet.compute`, fitted to one core of a server of 2024 (96³ blocks with their halos): what matters is
one set's cost relative to another's.
"""

from __future__ import annotations

from ecc_px.features.feature_set import STRUCTURE_TENSOR, FeatureSet
from ecc_px.features.ilastik import presmoothing_taps

_SCALE, _TAP = 5.0, 1.1
"""ns per voxel: of each scale, and of each tap of its first smoothing."""

_FILTER = {STRUCTURE_TENSOR: 45.0, "HessianOfGaussianEigenvalues": 8.0}
_OTHER_FILTER = 2.0
"""ns per voxel: of a filter that follows."""


def nanoseconds_per_voxel(features: FeatureSet) -> float:
    """About how long the features of one voxel and image channel take on one core, in 3-D."""
    scales = dict.fromkeys((feature.scale, bool(feature.in_2d)) for feature in features.features)
    smoothing = sum(_SCALE + _TAP * len(presmoothing_taps(scale, features.flavour)) for scale, _ in scales)
    return smoothing + sum(_FILTER.get(feature.filter, _OTHER_FILTER) for feature in features.features)
