"""The volumes that cells are found in: do they fit together, and what do a region's voxels say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import FRACTION, LARGEST_FLOAT
from ecc_px.cells.threshold import PROBABILITY_DTYPES, highest_grey_value_not_above, highest_value_not_above
from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableVolume
from ecc_px.filters.borders import grow
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import Volume

SLACK = 0.01
"""How far outside of 0..1 a float probability may lie before it is none."""

FREE_BELOW = 0.25
"""Probability up to which a voxel is taken for background."""

Kind = Literal["probabilities", "classes", "labels"]
"""What the first image holds: probabilities, a class number or an object's number for each voxel."""


@dataclass(frozen=True)
class Sample:
    """A region's voxels, (z, y, x) each.

    Parameters
    ----------
    stored : uint8, uint16, float32 …
        As the image has them.
    above : bool
        Above the threshold, or of the class, or labelled.
    excluded : bool or None
        None: nothing is excluded.
    """

    stored: npt.NDArray[Any]
    above: npt.NDArray[np.bool_]
    excluded: npt.NDArray[np.bool_] | None

    @property
    def foreground(self) -> npt.NDArray[np.bool_]:
        return self.above if self.excluded is None else self.above & ~self.excluded

    def cropped(self, where: Region) -> Sample:
        """A part of it; `where` counts from its own corner."""
        return Sample(self.stored[where], self.above[where], None if self.excluded is None else self.excluded[where])


@dataclass(frozen=True)
class Inputs:
    """An image that says where objects are, the raw volume on the same grid, and which voxels to leave out.

    Parameters
    ----------
    image : Volume
        Probabilities are uint8, uint16 or float32; float32 from 0 to 1, the others from 0 to their largest value.
    kind : "probabilities", "classes" or "labels"
    channel : int
        Which of its channels holds the objects' class, of a probability image.
    label : int
        The objects' class, of a class map.
    threshold : float
    raw : Volume
    raw_channel : int
    exclude : Volume or None
        Voxels above 0 in any channel are left out.
    like_ecc : bool
        Compare grey values with the threshold as ecc does, not votes.
    """

    image: Volume
    kind: Kind
    channel: int
    label: int
    threshold: float
    raw: Volume
    raw_channel: int
    exclude: Volume | None
    like_ecc: bool = False

    def __post_init__(self) -> None:
        if self.kind == "probabilities" and self.image.dtype.name not in PROBABILITY_DTYPES:
            raise UnreadableVolume(
                f"{self.image.path}: {self.image.dtype.name} is no probability image; "
                f"export it as one of {', '.join(PROBABILITY_DTYPES)}, or say --input labels or classes."
            )
        if self.kind != "probabilities" and self.image.dtype.kind == "f":
            raise UnreadableVolume(
                f"{self.image.path}: {self.image.dtype.name} is no image of {self.kind}, which are whole numbers: "
                "say --input probabilities, or save it as an integer type."
            )
        if self.kind != "probabilities" and self.image.channels > 1:
            raise InvalidSetting(
                f"{self.image.path}: {self.image.channels} channels, where an image of {self.kind} has one."
            )
        if self.kind == "probabilities":
            highest_value_not_above(self.threshold, self.image.dtype)
        for role, volume in (("raw volume", self.raw), ("excluded region", self.exclude)):
            if volume is not None and volume.shape != self.image.shape:
                raise GridMismatch(
                    f"{volume.path}: the {role} has {_extent(volume.shape)} voxels (z × y × x), the "
                    f"image of {self.kind} {self.image.path} has {_extent(self.image.shape)}: "
                    "both must be of the same brain at the same resolution."
                )
        for volume in (self.image, self.raw, self.exclude):
            if volume is not None and volume.frames > 1:
                raise InvalidSetting(
                    f"{volume.path}: {volume.frames} time points; cells are found in one: split the file by time."
                )
        if not 0 <= self.raw_channel < self.raw.channels:
            raise InvalidSetting(
                f"raw channel {self.raw_channel}: {self.raw.path} has {self.raw.channels}, counted from 0."
            )

    @property
    def shape(self) -> Shape:
        return self.image.shape

    @property
    def volumes(self) -> list[Volume]:
        return [v for v in (self.image, self.raw, self.exclude) if v is not None]

    @property
    def probability_units(self) -> int:
        """How many units of `Objects.probability_sum` make a probability of 1."""
        if self.kind != "probabilities":
            return 1
        return FRACTION if self.image.dtype.kind == "f" else int(np.iinfo(self.image.dtype).max)

    def sample(self, region: Region) -> Sample:
        """What the image says about a region, and which of its voxels are left out."""
        stored = self.image.read(region, channel=self.channel)[0]
        excluded = None if self.exclude is None else np.any(self.exclude.read(region) > 0, axis=0)
        if stored.dtype.kind == "f":
            self._refuse_what_is_no_probability(stored if excluded is None else stored[~excluded])
        if self.kind == "probabilities":
            highest = highest_grey_value_not_above if self.like_ecc else highest_value_not_above
            above = stored > highest(self.threshold, stored.dtype)
        else:
            above = stored == self.label if self.kind == "classes" else stored > 0
        return Sample(stored, above, excluded)

    def free(self, region: Region) -> npt.NDArray[np.bool_]:
        """Voxels that neither belong to an object nor to its blurred edge, nor are left out; C-contiguous."""
        sample = self.sample(region)
        free = self._is_background(sample.stored) if self.kind == "probabilities" else ~sample.above
        return np.ascontiguousarray(free if sample.excluded is None else free & ~sample.excluded)

    def with_margin(self, region: Region, margin: Shape) -> Region:
        """A region with voxels around it; one at least where a neighbour may be excluded."""
        least = 0 if self.exclude is None else 1
        z, y, x = (grow(side, max(m, least), n) for side, m, n in zip(region, margin, self.shape, strict=True))
        return z, y, x

    def _is_background(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether a stored probability is too low even for a cell's blurred edge."""
        return stored <= highest_value_not_above(min(self.threshold, FREE_BELOW), stored.dtype)

    def probability(self, sample: Sample) -> npt.NDArray[np.float32]:
        """From 0 to 1; 0 for background and for what is left out, whatever is stored there."""
        if self.kind != "probabilities":
            return sample.foreground.astype(np.float32)
        if sample.stored.dtype.kind == "f":
            probability = np.clip(sample.stored, np.float32(0), np.float32(1))
        else:
            probability = sample.stored.astype(np.float32) / np.float32(self.probability_units)
        probability[self._is_background(sample.stored)] = 0
        if sample.excluded is not None:
            probability[sample.excluded] = 0
        return probability

    def intensities(self, region: Region) -> npt.NDArray[Any]:
        """Raw voxels, C-contiguous: kernels are compiled for that layout alone."""
        return np.ascontiguousarray(self.raw.read(region, channel=self.raw_channel)[0])

    def refuse_unmeasurable(self, raw: npt.NDArray[Any], region: Region, measured: Iterable[Any]) -> None:
        """Refuse raw voxels that can't be summed exactly, wherever they are measured.

        Parameters
        ----------
        raw : (z, y, x)
            The intensities of `region`.
        region : Region
        measured : iterable of indices
            Parts of `raw`, as slices or masks; asked for only if there is such a voxel in all of `raw`.
        """
        if raw.dtype.kind != "f" or (raw.min() >= -LARGEST_FLOAT and raw.max() <= LARGEST_FLOAT):
            return
        is_measured = np.zeros(raw.shape, bool)
        for part in measured:
            is_measured[part] = True
        found = np.argwhere(is_measured & ~(np.abs(raw) <= LARGEST_FLOAT))
        if len(found):
            z, y, x = (side.start + int(at) for side, at in zip(region, found[0], strict=True))
            raise UnreadableVolume(
                f"{self.raw.path}: NaN, infinite, or larger than {LARGEST_FLOAT:.0f} at z {z}, y {y}, x {x}: "
                "mend or rescale the raw volume."
            )

    def lit(self, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw voxels for what looks beyond an object's own: those that `refuse_unmeasurable` means give no light."""
        return raw if raw.dtype.kind != "f" else np.where(np.abs(raw) <= LARGEST_FLOAT, raw, raw.dtype.type(0))

    def _refuse_what_is_no_probability(self, image: npt.NDArray[Any]) -> None:
        if not image.size:
            return
        low, high = float(image.min()), float(image.max())
        if np.isnan(low):
            raise UnreadableVolume(
                f"{self.image.path}: NaN among the probabilities (channel {self.channel}): "
                "make the probability image again."
            )
        if low < -SLACK or high > 1 + SLACK:
            raise UnreadableVolume(
                f"{self.image.path}: values from {low:g} to {high:g} where float probabilities lie "
                "between 0 and 1: is this the probability image?"
            )


def channel_of_class(probabilities: Volume, class_: int | str | None) -> int:
    """The channel that holds a class, given by its label (a number, or digits) or else by its name; default: label 1.

    The attribute `class_labels` says which label each channel stands for; without it, they count from 1.
    """
    names = probabilities.layout.channel_names or ()
    labels = [int(n) for n in probabilities.attributes.get("class_labels", range(1, probabilities.channels + 1))]
    wanted = "1" if class_ is None else str(class_)
    if wanted.isdecimal():
        channels = [channel for channel, label in enumerate(labels) if label == int(wanted)]
    else:
        channels = [channel for channel, name in enumerate(names) if name == wanted]
    if len(channels) != 1:
        several = f"{len(channels)} channels are called so; " if channels else ""
        named = f", named {', '.join(names)}" if names else ""
        raise InvalidSetting(
            f"class {wanted}: {several}{probabilities.path} has the labels {', '.join(map(str, labels))}{named}: "
            "choose one with --class."
        )
    return channels[0]


def kind_of(image: Volume) -> Kind:
    """What an image holds, by its own account: class maps of ours name their channel, object numbers need 32 bits."""
    if image.layout.channel_names == ("class",):
        return "classes"
    return "labels" if image.dtype.kind in "iu" and image.dtype.itemsize > 2 else "probabilities"


def label_of_class(image: Volume, class_: int | str | None) -> int:
    """The number of a class in a class map, given by that number (or digits) or else by its name; default: 1."""
    names = [str(name) for name in image.attributes.get("class_names", ())]
    wanted = "1" if class_ is None else str(class_)
    if wanted.isdecimal() and int(wanted) >= 1:
        return int(wanted)
    if names.count(wanted) != 1:
        named = f"it names {', '.join(names)}" if names else "it names none"
        raise InvalidSetting(
            f"class {wanted}: {image.path} has not one class of that name ({named}): choose a number from 1."
        )
    return names.index(wanted) + 1


def _extent(shape: Shape) -> str:
    return " × ".join(str(n) for n in shape)
