"""How labels are spread over their image, and whether a classifier can be trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ecc_px.labels.annotation import Annotation
from ecc_px.labels.classes import LabelClass, name_key, numbered_class

BRICK = 64
"""Edge of the bricks in which the spread is counted."""

FEW_VOXELS = 100
"""A class with fewer teaches a forest little."""

ECC_OBJECT_VOXELS = 5_000
"""What ecc's documentation asks for of label 1."""

Bounds = tuple[tuple[int, int], ...]
"""First and last + 1 voxel along z, y, x."""


@dataclass(frozen=True)
class ClassSpread:
    """Where the voxels of one class lie in one image.

    Parameters
    ----------
    label : int
    voxels : int
    bricks : int
        Bricks of 64³ voxels with at least one.
    patches : int
        Groups of such bricks that touch each other, also at an edge or corner.
    bounds : bounds
        Of the box around them.
    """

    label: int
    voxels: int
    bricks: int
    patches: int
    bounds: Bounds

    def share_of(self, extent: Sequence[int]) -> tuple[float, ...]:
        """Part of the image's extent along z, y, x that the box covers."""
        return tuple((end - begin) / n for (begin, end), n in zip(self.bounds, extent, strict=True))


@dataclass(frozen=True)
class Verdict:
    """What a person should know before training on labels.

    Parameters
    ----------
    problems : tuple of str
        What makes training impossible.
    warnings : tuple of str
        What makes it bad.
    hints : tuple of str
        What would make it better.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    hints: tuple[str, ...]


def spread_of(annotation: Annotation) -> dict[int, ClassSpread]:
    """How each label that was drawn is spread; all time points together."""
    return {label: _spread_of(annotation, label, voxels) for label, voxels in annotation.counts().items()}


def _spread_of(annotation: Annotation, label: int, voxels: int) -> ClassSpread:
    bricks: set[tuple[int, int, int]] = set()
    begin, end = np.full(3, np.iinfo(np.int64).max), np.zeros(3, np.int64)
    for block in annotation.blocks:
        drawn = np.argwhere((block.labels == label).any(axis=0))
        if not len(drawn):
            continue
        drawn += block.start[1:]
        begin, end = np.minimum(begin, drawn.min(axis=0)), np.maximum(end, drawn.max(axis=0) + 1)
        bricks.update((int(z), int(y), int(x)) for z, y, x in np.unique(drawn // BRICK, axis=0))
    bounds = tuple((int(a), int(b)) for a, b in zip(begin, end, strict=True))
    return ClassSpread(label, voxels, len(bricks), _patches(bricks), bounds)


def _patches(bricks: set[tuple[int, int, int]]) -> int:
    places: npt.NDArray[np.int64] = np.array(sorted(bricks))
    places -= places.min(axis=0)
    occupied = np.zeros(places.max(axis=0) + 1, bool)
    occupied[tuple(places.T)] = True
    return int(ndimage.label(occupied, np.ones((3, 3, 3)))[1])


def judge(
    classes: Sequence[LabelClass],
    by_source: Mapping[str, Mapping[int, ClassSpread]],
    *,
    all_needed: bool = True,
    few: int = FEW_VOXELS,
) -> Verdict:
    """Whether labels of one or several images suffice for training.

    Parameters
    ----------
    classes : sequence of LabelClass
        Empty where nobody named them: then 1 to the largest label drawn are expected.
    by_source : mapping
        Name of the label file or lane → `spread_of` its labels.
    all_needed : bool
        Whether each of `classes` must have voxels; else those behind the last one drawn need not: ITK-SNAP names six
        labels before anybody has painted one.
    few : int
        Warn of a class with fewer voxels.
    """
    voxels: dict[int, int] = {}
    for spreads in by_source.values():
        for label, spread in spreads.items():
            voxels[label] = voxels.get(label, 0) + spread.voxels
    last = max(voxels, default=1)
    expected = list(classes) or [numbered_class(n, f"label {n}") for n in range(1, last + 1)]
    unused = [] if all_needed else [c for c in expected if c.label > last]
    expected = [c for c in expected if c not in unused]
    problems = [f"Class {c.label} ({c.name}) has no voxel." for c in expected if c.label not in voxels]
    if len(expected) < 2:
        problems.append("There is only one class: paint a second one, such as background.")
    warnings, hints = [], []
    if unused:
        warnings.append(f"Named, but without a voxel: {', '.join(f'{c.label} ({c.name})' for c in unused)}.")
    for c in expected:
        if 0 < voxels.get(c.label, 0) < few:
            warnings.append(f"Class {c.label} ({c.name}) has only {voxels[c.label]:,} voxels, fewer than {few:,}.")
        missing = [source for source, spreads in by_source.items() if c.label not in spreads]
        if c.label in voxels and missing:
            warnings.append(f"Class {c.label} ({c.name}) has no voxel in {', '.join(missing)}.")
    if not _is_object(expected[0]):
        role = expected[0].role or "no role"
        warnings.append(
            f"Label 1 is {expected[0].name!r} ({role}): cells are found in label 1 unless another class is asked for."
        )
    if 0 < voxels.get(1, 0) <= ECC_OBJECT_VOXELS:
        hints.append(
            f"Label 1 has {voxels[1]:,} voxels; ecc's authors advise more than {ECC_OBJECT_VOXELS:,} "
            "(about 1,000 cells), from two brains or more."
        )
    for source, spreads in by_source.items():
        if spreads and all(spread.patches == 1 for spread in spreads.values()):
            hints.append(f"{source}: all labels lie in one place; label other regions of the brain, too.")
    return Verdict(tuple(problems), tuple(warnings), tuple(hints))


_OBJECT_NAMES = {"cell", "cells", "object", "objects", "nucleus", "nuclei", "soma", "somata", "neuron", "neurons"}


def _is_object(label_class: LabelClass) -> bool:
    """By its role, or by its name where nobody said a role."""
    if label_class.label != 1:
        return False
    if label_class.role is not None:
        return label_class.role == "object"
    return bool(_OBJECT_NAMES & set(name_key(label_class.name).replace("_", " ").split()))
