"""A classifier: features, model and classes; applied to one block of a volume at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers import bundle
from ecc_px.classifiers.registry import registered_path, sha256_of
from ecc_px.errors import ClassifierMismatch, InvalidSetting
from ecc_px.features import FeatureSet, Flavour
from ecc_px.ilastik import Project, read_project
from ecc_px.labels import LabelClass
from ecc_px.models.forest import Forest
from ecc_px.volumes.blocks import Block, Shape, shape_of


@dataclass(frozen=True)
class Classifier:
    """What turns an image into class probabilities.

    Parameters
    ----------
    features : FeatureSet
    forest : Forest
    classes : tuple of LabelClass
        The channels of a probability image, in order; a class that nobody labelled keeps a channel of zeros.
    path : Path
        The file it came from.
    sha256 : str
        Of that file.
    """

    features: FeatureSet
    forest: Forest
    classes: tuple[LabelClass, ...]
    path: Path
    sha256: str

    def __post_init__(self) -> None:
        if [c.label for c in self.classes] != list(range(1, len(self.classes) + 1)):
            raise InvalidSetting(f"{self.path}: classes are numbered 1, 2, 3 …, not {[c.label for c in self.classes]}.")

    def __repr__(self) -> str:
        classes = ", ".join(f"{c.label} {c.name}" for c in self.classes)
        return f"Classifier({self.path.name}: {classes}; {len(self.features.features)} features; {self.forest!r})"

    def image_channels(self, *, flat: bool) -> int | None:
        """Channels that an image must have; None if no number of channels gives the forest's columns."""
        per_channel = self.features.count(flat=flat)
        channels, rest = divmod(self.forest.n_features, per_channel) if per_channel else (0, 1)
        return channels if channels and not rest else None

    def check_fits(self, shape: Shape, channels: int, what: str) -> None:
        """Refuse an image (named `what`) that the classifier was not made for.

        Raises
        ------
        ClassifierMismatch
            Another number of channels, or a flat image for a classifier of volumes.
        VolumeTooThin
            Fewer voxels along an axis than a filter needs.
        """
        flat = shape[0] == 1
        expected = self.image_channels(flat=flat)
        if expected is None:
            kinds = ("a 2-D image", "a volume") if flat else ("a volume", "2-D images")
            raise ClassifierMismatch(
                f"{what} is {kinds[0]}, but {self.path.name} was trained on {kinds[1]}: its forest expects "
                f"{self.forest.n_features} features, here there are {self.features.count(channels, flat=flat)}."
            )
        if channels != expected:
            raise ClassifierMismatch(
                f"{what} has {channels} channel{'s' * (channels != 1)}, but {self.path.name} was trained on images "
                f"with {expected}: give an image with the same channels, in the same order."
            )
        self.features.check_extent(shape, what)

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(columns, z, y, x) features → (class, z, y, x) float32 probabilities, a channel for every class."""
        known = self.forest.probabilities(features)
        if len(known) == len(self.classes):
            return known
        spread = np.zeros((len(self.classes), *known.shape[1:]), np.float32)
        spread[self.forest.labels - 1] = known
        return spread

    def apply(self, image: npt.NDArray[Any], block: Block, shape: Shape) -> npt.NDArray[np.float32]:
        """Probabilities of a block straight from its voxels, arguments as in `FeatureSet.compute`.

        The same as `probabilities` of its features, which are never there all at once: a strip of them is voted on
        while it is in cache.
        """
        out = np.empty((len(self.classes), *shape_of(block.core)), np.float32)
        every_class = self.forest.n_classes == len(self.classes)
        for rows, features in self.features.strips(image, block, shape):
            if every_class:
                self.forest.probabilities(features, out[:, :, rows])
            else:
                out[:, :, rows] = self.probabilities(features)
        return out

    def apply_to_one_class(
        self, image: npt.NDArray[Any], block: Block, shape: Shape, channel: int, at_least: int
    ) -> npt.NDArray[np.float32]:
        """`apply` with 0 in all channels but one, and in that one where fewer trees than `at_least` vote for it."""
        out = np.zeros((len(self.classes), *shape_of(block.core)), np.float32)
        for rows, features in self.features.strips(image, block, shape):
            votes = self.forest.frequent_votes(features, self.classes[channel].label, at_least)
            np.divide(votes, np.float32(self.forest.n_trees), out=out[channel, :, rows])
        return out


def load_classifier(path: str | Path, *, flavour: Flavour = "ilastik") -> Classifier:
    """Load a trained classifier.

    Parameters
    ----------
    path : path
        An ilastik project (.ilp), a classifier of our own (.pxc), or the name of a saved one; a file wins over a
        saved classifier of the same name.
    flavour : {"ilastik", "vigra"}
        "vigra" for projects trained before ilastik used fastfilters (about version 1.2), whose structure tensor
        was another; the file does not say. It matters only where structure tensor features are selected.
        A .pxc says it itself.

    Raises
    ------
    InvalidSetting
        The flavour of a .pxc is another.
    UnreadableProject, UnsupportedProject, UntrainedProject
    UnreadableClassifier
        A damaged .pxc, or nothing has this name.
    """
    path = registered_path(path)
    if path.suffix == bundle.SUFFIX:
        return _from_bundle(path, flavour)
    return _from_project(read_project(path), flavour)


def _from_bundle(path: Path, flavour: Flavour) -> Classifier:
    stored = bundle.read_bundle(path)
    if flavour not in ("ilastik", stored.features.flavour):
        raise InvalidSetting(
            f"{path} says itself that its features are {stored.features.flavour}'s; leave out --flavour."
        )
    return Classifier(stored.features, stored.forest, stored.classes, path, sha256_of(path))


def _from_project(project: Project, flavour: Flavour) -> Classifier:
    forest = project.require_trained()
    selection = project.features
    # Before 1.3.2 a project did not say; the images that it was trained on decide, not those it is applied to.
    in_2d = selection.compute_in_2d or (project.is_flat,) * len(selection.scales)
    features = FeatureSet.from_selection(selection.feature_ids, selection.scales, selection.matrix, in_2d, flavour)
    return Classifier(features, forest, project.classes, project.path, sha256_of(project.path))


def class_channel(classes: tuple[LabelClass, ...], wanted: str | int) -> int:
    """The channel of a class, given by its label (a number) or its name."""
    text = str(wanted)
    found = [
        channel for channel, c in enumerate(classes) if (c.label == int(text) if text.isdecimal() else c.name == text)
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{c.label} ({c.name})" for c in classes)
    problem = "There are several classes" if found else "There is no class"
    raise InvalidSetting(f"{problem} {wanted!r}; the classifier has {known}: choose by label.")
