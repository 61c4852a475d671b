"""Images and the files of their labels, with the classes that the labels are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ecc_px.classifiers.annotations import read_labels_of
from ecc_px.classifiers.sampling import LabelledImage
from ecc_px.errors import InvalidSetting
from ecc_px.labels import Annotation, Interpretation, LabelClass
from ecc_px.labels.classes import numbered_class
from ecc_px.volumes import open_volume


@contextmanager
def open_labelled(
    images: Sequence[Path],
    labels: Sequence[Path],
    classes: Sequence[LabelClass] = (),
    mapping: Mapping[int, str] | None = None,
) -> Iterator[tuple[list[LabelledImage], tuple[LabelClass, ...]]]:
    """Each image with its labels, open; and the classes.

    Parameters
    ----------
    images, labels : sequence of path
        The first labels belong to the first image, and so on. Labels are a label image, an ITK-SNAP workspace or
        an ilastik project.
    classes : sequence of LabelClass
        Default: those that the first file of labels names, or a number for each label.
    mapping : mapping, optional
        Value in the files → name of its class.

    Raises
    ------
    InvalidSetting
        As many images as labels are needed, and one at least.
    EccPxError
        See `open_volume` and `read_labels_of`.
    """
    if not images or len(images) != len(labels):
        raise InvalidSetting(
            f"There are {len(images)} --image and {len(labels)} --labels: give both for each image, in the same order."
        )
    with ExitStack() as opened:
        lanes: list[LabelledImage] = []
        named = tuple(classes)
        for path, drawn in zip(images, labels, strict=True):
            image = opened.enter_context(open_volume(path))
            annotation = read_labels_of(drawn, image, Interpretation(classes=named, mapping=mapping))
            named = named or annotation.classes
            twice = [other for other in images if other.stem == path.stem]
            lanes.append(LabelledImage(image.name if len(twice) == 1 else str(path), image, annotation))
        yield lanes, tuple(classes) or _numbered(named, [lane.labels for lane in lanes])


def _numbered(named: Sequence[LabelClass], annotations: Sequence[Annotation]) -> tuple[LabelClass, ...]:
    """Classes 1, 2, 3 … up to the last that was drawn: label files often name more."""
    last = max(max(annotation.counts(), default=0) for annotation in annotations)
    known = {label_class.label: label_class for label_class in named}
    return tuple(known.get(label) or numbered_class(label, f"label {label}") for label in range(1, last + 1))
