"""The catalogues of features, and FeatureSet: which filters, in which order, with which halo."""

from ecc_px.features.feature_set import ECC, Feature, FeatureSet
from ecc_px.features.ilastik import Flavour
from ecc_px.features.notation import features_text, parse_features

__all__ = ["ECC", "Feature", "FeatureSet", "Flavour", "features_text", "parse_features"]
