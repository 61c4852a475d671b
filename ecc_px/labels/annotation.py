"""What a person said about the voxels of an image: sparse boxes of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.labels.classes import LabelClass


@dataclass(frozen=True, eq=False)
class LabelBlock:
    """A box of labels.

    Parameters
    ----------
    start : (t, z, y, x)
        Where the box begins in the image.
    labels : (t, z, y, x) uint8
        0 = nobody said anything.
    """

    start: tuple[int, int, int, int]
    labels: npt.NDArray[np.uint8]

    @property
    def stop(self) -> tuple[int, int, int, int]:
        t, z, y, x = (a + n for a, n in zip(self.start, self.labels.shape, strict=True))
        return t, z, y, x


@dataclass(frozen=True, eq=False)
class Annotation:
    """All labels of one image.

    Parameters
    ----------
    blocks : tuple of LabelBlock
        They don't overlap.
    shape : (t, z, y, x) or None
        Extent of the image, None where the source does not say.
    classes : tuple of LabelClass
        What the labels mean, as far as the source says.
    notes : tuple of str
        Sentences about what was done to bring the labels onto the image's grid.
    """

    blocks: tuple[LabelBlock, ...]
    shape: tuple[int, int, int, int] | None
    classes: tuple[LabelClass, ...] = ()
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[int, int]:
        """Labelled voxels of each label that was drawn."""
        total = sum(
            (np.bincount(block.labels.ravel(), minlength=256) for block in self.blocks),
            np.zeros(256, np.int64),
        )
        return {int(label): int(total[label]) for label in np.flatnonzero(total) if label > 0}

    def dense(self, shape: tuple[int, int, int, int] | None = None) -> npt.NDArray[np.uint8]:
        """The labels as one (t, z, y, x) uint8 array.

        Parameters
        ----------
        shape : (t, z, y, x), optional
            Extent of the image, for sources that don't say it.

        Raises
        ------
        GridMismatch
            Labels lie outside of the image.
        """
        shape = shape or self.shape
        if shape is None:
            raise InvalidSetting("Nothing says how large the labelled image is: pass its shape.")
        self.check_within(shape)
        image = np.zeros(shape, np.uint8)
        for block in self.blocks:
            place = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
            np.copyto(image[place], block.labels, where=block.labels > 0)
        return image

    def check_within(self, shape: tuple[int, int, int, int]) -> None:
        """Refuse an image of (t, z, y, x) `shape` that the labels reach out of.

        Raises
        ------
        GridMismatch
        """
        for block in self.blocks:
            if any(stop > extent for stop, extent in zip(block.stop, shape, strict=True)):
                raise GridMismatch(
                    f"Labels reach to {block.stop} (t, z, y, x), but the image has {shape}: "
                    "pass the image that they were drawn on."
                )
