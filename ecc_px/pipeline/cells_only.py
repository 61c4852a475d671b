"""A prediction that only the search for cells looks at: one class, and no more work than the table of cells takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecc_px.cells.finding import effective_settings
from ecc_px.cells.inputs import FREE_BELOW
from ecc_px.cells.threshold import highest_grey_value_not_above, highest_value_not_above
from ecc_px.classifiers import Classifier, class_channel
from ecc_px.errors import InvalidSetting
from ecc_px.pipeline.exports import quantise

FIXED = {"file_format": "hdf5", "compression": None, "exports": ("probabilities",), "classes": None}
"""Settings that only matter where the image is kept, with their defaults."""


def for_cells_only(classifier: Classifier, prediction: Mapping[str, Any], cells: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `predict` for an image from which the same cells are found, and which nobody else reads.

    Parameters
    ----------
    classifier : Classifier
    prediction, cells : mapping
        What `predict` and `find_cells` would be given otherwise.

    Raises
    ------
    InvalidSetting
        A setting is about an image that is kept.
    """
    odd = [name for name, default in FIXED.items() if prediction.get(name, default) != default]
    if odd:
        raise InvalidSetting(f"No probability image is kept: leave out {', '.join(map(_as_asked, odd))}, or keep it.")
    class_ = cells.get("class_")
    channel = class_channel(classifier.classes, 1 if class_ is None else class_)
    return {
        **prediction,
        **FIXED,
        "compression": "lzf",
        "classes": (classifier.classes[channel].label,),
        "least_votes": least_votes(classifier, prediction.get("dtype", "float32"), cells),
    }


def _as_asked(name: str) -> str:
    """A setting as both the command line and Python call it."""
    option = {"file_format": "--format", "compression": "--compression"}.get(name)
    return name if option is None else f"{option} ({name}=)"


def least_votes(classifier: Classifier, dtype: str, cells: Mapping[str, Any]) -> int | None:
    """From how many votes on a voxel's exact probability has a say in the table of cells; None: always.

    Below, all that is asked is on which side of two limits it lies: is it an object's, and is it background? Where both
    lie above the probability that these votes are stored as, 0 gives the same answer.
    """
    settings = effective_settings(None, **cells)
    if not classifier.forest.is_pure:
        return None
    stored_as = np.dtype(dtype)
    highest = highest_grey_value_not_above if cells.get("like") == "ecc" else highest_value_not_above
    limits = [highest(settings["threshold"], stored_as)]
    if settings["background"] == "shell" or settings["split"] == "auto":
        limits.append(highest_value_not_above(min(settings["threshold"], FREE_BELOW), stored_as))
    n_trees = classifier.forest.n_trees
    of_votes = np.divide(np.arange(n_trees + 1), np.float32(n_trees), dtype=np.float32)
    decided = quantise(of_votes, stored_as) <= min(limits)
    return max(1, int(np.count_nonzero(decided)))
