"""The catalogues of features, and FeatureSet: which filters, in which order, with which halo."""

from ecc_px.features.feature_set import ECC, Feature, FeatureSet
from ecc_px.features.ilastik import Flavour

__all__ = ["ECC", "Feature", "FeatureSet", "Flavour"]
