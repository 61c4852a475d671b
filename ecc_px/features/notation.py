"""Feature sets as short texts: ``ecc``, ``all``, or ``gaussian@0.3,0.7;hessian@1,1.6``."""

from __future__ import annotations

import math
from itertools import groupby

from ecc_px.errors import InvalidSetting
from ecc_px.features.feature_set import ECC, Feature, FeatureSet
from ecc_px.features.ilastik import FILTER_NAMES

SHORT_NAMES = {
    "gaussian": "GaussianSmoothing",
    "laplacian": "LaplacianOfGaussian",
    "gradient": "GaussianGradientMagnitude",
    "dog": "DifferenceOfGaussians",
    "structure": "StructureTensorEigenvalues",
    "hessian": "HessianOfGaussianEigenvalues",
}
"""What people write → the id in a project file."""

OTHER_NAMES = {"ggm": "gradient"}

SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
"""The scales that ilastik offers; the first for Gaussian smoothing alone."""

IN_2D = ":2d"
"""Marks a scale that is filtered plane by plane."""

_EXAMPLE = "write for example 'gaussian@0.3,0.7;hessian@1,1.6', 'ecc' or 'all'"


def parse_features(text: str, in_2d: bool | None = None) -> FeatureSet:
    """The feature set that a text means.

    Parameters
    ----------
    text : str
        ``ecc`` (the seed set of 16 columns), ``all`` (ilastik's six filters at all its scales), or filters and
        their scales in voxels: ``gaussian@0.3,0.7;hessian@1,1.6``. ``hessian@1:2d`` filters plane by plane.
    in_2d : bool, optional
        Filter every scale plane by plane, whether or not the text says so.

    Returns
    -------
    FeatureSet
        Filter by filter in ilastik's order, scale by scale ascending: what a project file can hold, whatever the
        order in the text.

    Raises
    ------
    InvalidSetting

    Examples
    --------
    >>> parse_features("hessian@1; gaussian@0.7,0.3").names()[:3]
    ['Gaussian Smoothing (σ=0.3)', 'Gaussian Smoothing (σ=0.7)', 'Hessian of Gaussian Eigenvalues (σ=1.0) [0]']
    """
    word = text.strip().lower()
    if word == "ecc":
        features = list(ECC.features)
    elif word == "all":
        features = list(catalogue().features)
    else:
        features = [feature for part in word.split(";") for feature in _parse_filter(part, text)]
    if in_2d is not None:
        features = [Feature(f.filter, f.scale, in_2d or bool(f.in_2d)) for f in features]
    twice = next((f for f in features if features.count(f) > 1), None)
    if twice is not None:
        raise InvalidSetting(f"--features {text!r}: {_short(twice)}@{_scale_text(twice)} is there twice; name it once.")
    return FeatureSet(tuple(sorted(features, key=_ilastiks_order)))


def features_text(features: FeatureSet) -> str:
    """The text that `parse_features` makes the same features of.

    Examples
    --------
    >>> features_text(parse_features("ecc"))
    'gaussian@0.3,0.7;gradient@0.7;dog@0.7,1,1.6,3.5;hessian@1,1.6,3.5'
    """
    by_filter = groupby(sorted(features.features, key=_ilastiks_order), key=_short)
    return ";".join(f"{name}@{','.join(_scale_text(f) for f in group)}" for name, group in by_filter)


def catalogue(in_2d: bool | None = None) -> FeatureSet:
    """Every feature that ilastik's window offers."""
    return FeatureSet(
        tuple(
            Feature(name, scale, in_2d)
            for name in FILTER_NAMES
            for scale in SCALES
            if scale > SCALES[0] or name == "GaussianSmoothing"
        )
    )


def _parse_filter(part: str, text: str) -> list[Feature]:
    name, _, scales = (piece.strip() for piece in part.partition("@"))
    name = OTHER_NAMES.get(name, name)
    if name not in SHORT_NAMES:
        known = ", ".join(SHORT_NAMES)
        raise InvalidSetting(f"--features {text!r}: there is no filter {name!r} (but {known}); {_EXAMPLE}.")
    if not scales:
        raise InvalidSetting(f"--features {text!r}: {name} has no scale; {_EXAMPLE}.")
    return [_parse_scale(name, scale.strip(), text) for scale in scales.split(",")]


def _parse_scale(name: str, scale: str, text: str) -> Feature:
    plane_by_plane = scale.endswith(IN_2D)
    try:
        sigma = float(scale.removesuffix(IN_2D))
    except ValueError:
        sigma = math.nan
    if not 0 < sigma < math.inf:
        raise InvalidSetting(f"--features {text!r}: {scale!r} is no scale in voxels for {name}; {_EXAMPLE}.")
    return Feature(SHORT_NAMES[name], sigma, True if plane_by_plane else None)


def _ilastiks_order(feature: Feature) -> tuple[int, float, bool]:
    return list(FILTER_NAMES).index(feature.filter), feature.scale, bool(feature.in_2d)


def _short(feature: Feature) -> str:
    return next(short for short, name in SHORT_NAMES.items() if name == feature.filter)


def _scale_text(feature: Feature) -> str:
    # Float's own text has every digit; without ".0" it reads as people write it.
    return repr(feature.scale).removesuffix(".0") + (IN_2D if feature.in_2d else "")
