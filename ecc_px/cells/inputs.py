"""The volumes that cells are found in: do they fit together, and what do a region's voxels say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.objects import LARGEST_FLOAT
from ecc_px.cells.threshold import PROBABILITY_DTYPES, highest_value_not_above
from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableVolume
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.volume import Volume

SLACK = 0.01
"""How far outside of 0..1 a float probability may lie before it is none."""


@dataclass(frozen=True)
class Inputs:
    """A probability image, the raw volume on the same grid, and which voxels to leave out.

    Parameters
    ----------
    probabilities : Volume
        uint8, uint16 or float32; float32 from 0 to 1, the others from 0 to their largest value.
    channel : int
        Which of its channels is the objects' class.
    threshold : float
    raw : Volume
    raw_channel : int
    exclude : Volume or None
        Voxels above 0 in any channel are left out.
    """

    probabilities: Volume
    channel: int
    threshold: float
    raw: Volume
    raw_channel: int
    exclude: Volume | None

    def __post_init__(self) -> None:
        if self.probabilities.dtype.name not in PROBABILITY_DTYPES:
            raise UnreadableVolume(
                f"{self.probabilities.path}: {self.probabilities.dtype.name} is no probability image; "
                f"export it as one of {', '.join(PROBABILITY_DTYPES)}."
            )
        highest_value_not_above(self.threshold, self.probabilities.dtype)
        for role, volume in (("raw volume", self.raw), ("excluded region", self.exclude)):
            if volume is not None and volume.shape != self.probabilities.shape:
                raise GridMismatch(
                    f"{volume.path}: the {role} has {_extent(volume.shape)} voxels (z × y × x), the probability "
                    f"image {self.probabilities.path} has {_extent(self.probabilities.shape)}: "
                    "both must be of the same brain at the same resolution."
                )
        for volume in (self.probabilities, self.raw, self.exclude):
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
        return self.probabilities.shape

    @property
    def volumes(self) -> list[Volume]:
        return [v for v in (self.probabilities, self.raw, self.exclude) if v is not None]

    def foreground(self, region: Region) -> tuple[npt.NDArray[np.bool_], int]:
        """Voxels above the threshold and not excluded, and how many were."""
        image = self.probabilities.read(region, channel=self.channel)[0]
        kept = None if self.exclude is None else ~np.any(self.exclude.read(region) > 0, axis=0)
        if image.dtype.kind == "f":
            self._refuse_what_is_no_probability(image if kept is None else image[kept])
        above = image > highest_value_not_above(self.threshold, image.dtype)
        if kept is None:
            return above, 0
        excluded = int(np.count_nonzero(above & ~kept))
        return above & kept, excluded

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

    def _refuse_what_is_no_probability(self, image: npt.NDArray[Any]) -> None:
        if not image.size:
            return
        low, high = float(image.min()), float(image.max())
        if np.isnan(low):
            raise UnreadableVolume(
                f"{self.probabilities.path}: NaN among the probabilities (channel {self.channel}): "
                "make the probability image again."
            )
        if low < -SLACK or high > 1 + SLACK:
            raise UnreadableVolume(
                f"{self.probabilities.path}: values from {low:g} to {high:g} where float probabilities lie "
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


def _extent(shape: Shape) -> str:
    return " × ".join(str(n) for n in shape)
