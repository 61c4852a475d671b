"""A feature set as an .ilp keeps it: a matrix of filters and scales."""

from __future__ import annotations

import numpy as np

from ecc_px.errors import InvalidSetting
from ecc_px.features import FeatureSet
from ecc_px.features.ilastik import FILTER_NAMES
from ecc_px.features.notation import SCALES
from ecc_px.ilastik.project import FeatureSelection

SMALLEST_SCALE = 0.3
"""ilastik offers it for Gaussian smoothing alone: the kernels of the other filters would have no neighbours."""


def selection_of(features: FeatureSet) -> FeatureSelection:
    """The selection matrix whose columns are these features: `FeatureSet.from_selection` is the way back.

    Its rows are ilastik's six filters, its columns ilastik's seven scales and whatever others are used.

    Raises
    ------
    InvalidSetting
        No feature at all, or a set that an .ilp can't express: a filter that ilastik does not have or does not
        offer at a scale, one scale both in 2-D and in 3-D, another order, vigra's structure tensor.
    """
    if not features.features:
        raise InvalidSetting("No feature is selected: name at least one filter and a scale.")
    if features.flavour != "ilastik":
        raise InvalidSetting(f"An .ilp can't say that its features are {features.flavour}'s: use ilastik's own.")
    for feature in features.features:
        if feature.filter not in FILTER_NAMES:
            raise InvalidSetting(
                f"ilastik has no feature {feature.filter!r}, so no .ilp can hold it: choose from "
                f"{', '.join(FILTER_NAMES)}, or train a classifier file (.pxc)."
            )
        if feature.scale <= SMALLEST_SCALE and feature.filter != "GaussianSmoothing":
            raise InvalidSetting(
                f"ilastik has no {FILTER_NAMES[feature.filter]} at scale {feature.scale:g}: only Gaussian Smoothing "
                f"works at {SMALLEST_SCALE:g} and below; use 0.7."
            )
    filters = tuple(FILTER_NAMES)
    scales = tuple(sorted({*SCALES, *(feature.scale for feature in features.features)}))
    matrix = np.zeros((len(filters), len(scales)), bool)
    for feature in features.features:
        matrix[filters.index(feature.filter), scales.index(feature.scale)] = True
    in_2d = tuple(_is_2d(features, scale) for scale in scales)
    selected = FeatureSet.from_selection(filters, scales, matrix, in_2d)
    if [(f.filter, f.scale) for f in selected.features] != [(f.filter, f.scale) for f in features.features]:
        raise InvalidSetting(
            "An .ilp keeps each feature once, filter by filter in the order of "
            f"{', '.join(filters)}, scale by scale: name them in this order."
        )
    return FeatureSelection(filters, scales, matrix, in_2d)


def feature_set_of(selection: FeatureSelection) -> FeatureSet:
    """The features of a project, in the order of its forest's columns."""
    return FeatureSet.from_selection(selection.feature_ids, selection.scales, selection.matrix, selection.compute_in_2d)


def _is_2d(features: FeatureSet, scale: float) -> bool:
    flags = {bool(feature.in_2d) for feature in features.features if feature.scale == scale}
    if len(flags) > 1:
        raise InvalidSetting(f"Scale {scale:g} is used both in 2-D and in 3-D, but an .ilp keeps one of them: choose.")
    return flags == {True}
