"""A classifier: features, model and classes, applied to one block at a time."""

from ecc_px.classifiers.classifier import Classifier, class_channel, load_classifier
from ecc_px.classifiers.registry import sha256_of

__all__ = ["Classifier", "class_channel", "load_classifier", "sha256_of"]
