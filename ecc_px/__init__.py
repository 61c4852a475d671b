"""Headless pixel classification and cell finding for whole cleared brains.

>>> from ecc_px import find_cells, load_classifier, open_volume, predict
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecc_px.version import __version__

if TYPE_CHECKING:
    from ecc_px.cells import Cells, find_cells
    from ecc_px.classifiers import Classifier, load_classifier
    from ecc_px.errors import EccPxError
    from ecc_px.features import FeatureSet
    from ecc_px.pipeline import Prediction, predict
    from ecc_px.volumes import Volume, create_volume, open_volume

_ROOMS = {
    "Cells": "ecc_px.cells",
    "Classifier": "ecc_px.classifiers",
    "EccPxError": "ecc_px.errors",
    "FeatureSet": "ecc_px.features",
    "Prediction": "ecc_px.pipeline",
    "Volume": "ecc_px.volumes",
    "create_volume": "ecc_px.volumes",
    "find_cells": "ecc_px.cells",
    "load_classifier": "ecc_px.classifiers",
    "open_volume": "ecc_px.volumes",
    "predict": "ecc_px.pipeline",
}

__all__ = [
    "Cells",
    "Classifier",
    "EccPxError",
    "FeatureSet",
    "Prediction",
    "Volume",
    "__version__",
    "create_volume",
    "find_cells",
    "load_classifier",
    "open_volume",
    "predict",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # Rooms are imported when a name of theirs is used: `ecc-px --help` must not wait for numba.
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
