"""What can be written of a prediction, and exactly how numbers are rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers import Classifier, class_channel
from ecc_px.errors import InvalidSetting

Export = Literal["probabilities", "segmentation", "uncertainty", "features"]
ProbabilityDtype = Literal["float32", "uint8", "uint16"]

ROUNDING = {
    "float32": "mean of the trees' votes, the nearest float32",
    "uint8": "rint(float32(mean of the trees' votes) * 255), halves to even",
    "uint16": "rint(float32(mean of the trees' votes) * 65535), halves to even",
}
"""How a probability becomes a number of each type; written into every probability image."""


@dataclass(frozen=True)
class ExportPlan:
    """One image to be made of each block: its channels, their names, and its type.

    `channels` picks classes of the classifier for probabilities; it is empty for the other exports.
    """

    kind: Export
    dtype: np.dtype[Any]
    channels: tuple[int, ...]
    channel_names: tuple[str, ...]

    def image(
        self,
        features: npt.NDArray[np.float32] | None,
        probabilities: npt.NDArray[np.float32] | None,
        inside: npt.NDArray[np.bool_] | None,
    ) -> npt.NDArray[Any]:
        """This export's block, (c, z, y, x), from the block's features and its (class, z, y, x) probabilities.

        Outside of the prediction mask (`inside` is False), everything is 0.
        """
        image: npt.NDArray[Any]
        if self.kind == "features":
            assert features is not None
            image = features
        else:
            assert probabilities is not None
            if self.kind == "probabilities":
                every_class = self.channels == tuple(range(len(probabilities)))
                image = quantise(probabilities if every_class else probabilities[list(self.channels)], self.dtype)
            elif self.kind == "segmentation":
                image = segmentation(probabilities)
            else:
                image = uncertainty(probabilities)
        return image if inside is None else np.where(inside, image, image.dtype.type(0))


def plan_exports(
    classifier: Classifier,
    kinds: tuple[Export, ...],
    dtype: ProbabilityDtype,
    classes: tuple[str | int, ...] | None,
    image_channels: int,
    *,
    flat: bool,
) -> list[ExportPlan]:
    """The images to be made, each kind once, in the order asked for.

    Raises
    ------
    InvalidSetting
        An unknown kind or type, or a class that the classifier doesn't have.
    """
    plans = []
    for kind in dict.fromkeys(kinds):
        if kind == "probabilities":
            if dtype not in get_args(ProbabilityDtype):
                raise InvalidSetting(f"Probabilities are stored as {', '.join(ROUNDING)}, not as {dtype!r}.")
            chosen = classes if classes is not None else tuple(c.label for c in classifier.classes)
            channels = tuple(class_channel(classifier.classes, c) for c in chosen)
            names = tuple(classifier.classes[c].name for c in channels)
            if len(set(channels)) < len(channels):
                raise InvalidSetting(f"The classes {', '.join(names)} name one of them twice: once is enough.")
            plans.append(ExportPlan(kind, np.dtype(dtype), channels, names))
        elif kind == "segmentation":
            plans.append(ExportPlan(kind, np.dtype(np.uint8), (), ("class",)))
        elif kind == "uncertainty":
            plans.append(ExportPlan(kind, np.dtype(np.float32), (), ("uncertainty",)))
        elif kind == "features":
            names = tuple(classifier.features.names(image_channels, flat=flat))
            plans.append(ExportPlan(kind, np.dtype(np.float32), (), names))
        else:
            raise InvalidSetting(f"There is no export {kind!r}; choose from {', '.join(get_args(Export))}.")
    if not plans:
        raise InvalidSetting("Nothing to export: name at least one of " + ", ".join(get_args(Export)) + ".")
    return plans


def quantise(probabilities: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Probabilities as `dtype`: floats as they are, integers by the rule in `ROUNDING`."""
    if dtype.kind == "f":
        return probabilities
    scaled = probabilities * np.float32(np.iinfo(dtype).max)
    return np.rint(scaled, out=scaled).astype(dtype)


def segmentation(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The number of the most probable class, from 1; the lowest of equals; 0 without any vote. (class, …) → (1, …)."""
    return np.where(probabilities.any(axis=0), probabilities.argmax(axis=0) + 1, 0).astype(np.uint8)[None]


def uncertainty(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """1 − (largest − second largest probability). (class, …) → (1, …)."""
    if len(probabilities) == 1:
        return np.float32(1) - probabilities
    two_largest = np.partition(probabilities, -2, axis=0)[-2:]
    return (np.float32(1) - (two_largest[1] - two_largest[0]))[None]
