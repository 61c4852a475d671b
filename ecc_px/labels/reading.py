"""Labels from an image file, brought onto the grid of the image that they were drawn on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidLabels, InvalidSetting
from ecc_px.labels.annotation import Annotation, LabelBlock
from ecc_px.labels.classes import LabelClass, classes_in_attributes
from ecc_px.labels.descriptions import read_descriptions
from ecc_px.labels.grids import Placement, place
from ecc_px.labels.record import read_record
from ecc_px.labels.values import MAX_VALUE, Translation, described, explicit, identity, whole_numbers
from ecc_px.labels.workspace import WORKSPACE_SUFFIX, read_workspace
from ecc_px.volumes import Volume, open_volume
from ecc_px.volumes.blocks import Shape, blocks_of, shape_of
from ecc_px.volumes.conversion import piece_shape
from ecc_px.volumes.dtypes import LABEL_DTYPES
from ecc_px.volumes.streaming import Progress

BRICK = 64
"""Edge of the bricks that labels are kept in; each is cut to the box of what was drawn in it."""

_PIECE_BYTES = 32 * 2**20
"""What is read of a label image at a time."""

Corner = tuple[int, int, int, int]
Box = tuple[Corner, npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Interpretation:
    """How a file of labels is to be understood.

    Parameters
    ----------
    classes : tuple of LabelClass
        The classes that the labels are for, such as a project's. Values are mapped to them by name where the file
        or `mapping` has names, else by number. Empty: the file decides.
    mapping : mapping, optional
        Value in the file → name of its class; see `parse_mapping`. It wins over every other source of names.
    descriptions : path, optional
        A label description file or a workspace, which says the name of each value.
    layer : str, optional
        Of a workspace: which segmentation, by nickname, file name or number.
    axes : str, optional
        What the dimensions of the file are, as for `open_volume`.
    assume_same_grid : bool
        Believe the shape alone, whatever a header says of where the voxels lie.
    drop_unmapped : bool
        Leave out values without a class instead of refusing them.
    """

    classes: tuple[LabelClass, ...] = ()
    mapping: Mapping[int, str] | None = None
    descriptions: Path | None = None
    layer: str | None = None
    axes: str | None = None
    assume_same_grid: bool = False
    drop_unmapped: bool = False


def read_annotation(
    path: str | Path,
    image: Volume,
    interpretation: Interpretation | None = None,
    *,
    progress: Progress | None = None,
) -> Annotation:
    """Labels of `image` from a label image or an ITK-SNAP workspace.

    The file is read piece by piece; what nobody labelled takes no memory.

    Parameters
    ----------
    path : path
        NIfTI, TIFF, HDF5 or OME-Zarr with whole numbers of any type; or .itksnap.
    image : Volume
        What the labels were drawn on.
    interpretation : Interpretation, optional
    progress : callable, optional

    Returns
    -------
    Annotation
        On the grid of `image`, in boxes within bricks of 64³ voxels.

    Raises
    ------
    GridMismatch
        The labels lie elsewhere.
    InvalidLabels
        Values that are no class numbers or have no class; nothing is labelled; a damaged description.
    UnreadableVolume
    """
    how = interpretation or Interpretation()
    path, how = _label_image(Path(path), how)
    record = read_record(path.parent)
    if record is not None:
        record.refuse_other(path, image)
    with open_volume(path, axes=how.axes, dtypes=LABEL_DTYPES) as labels:
        placement = place(labels, image, assume_same_grid=how.assume_same_grid)
        own = classes_in_attributes(labels.attributes) or (record.classes if record is not None else ())
        translation = _translation(own, how)
        blocks, counts = _scan(labels, placement, translation, progress)
    notes = placement.notes + _refuse_or_note(str(path), translation, counts, how)
    return Annotation(blocks, (image.frames, *image.shape), translation.classes, notes)


def interpreted(annotation: Annotation, how: Interpretation, source: str) -> Annotation:
    """Labels that were read already, such as a project's, with the numbers that `how` gives them.

    Parameters
    ----------
    annotation : Annotation
        With the names of its classes, as far as its source says them.
    how : Interpretation
    source : str
        What errors call it.

    Raises
    ------
    InvalidLabels
        Labels without a class, or none at all.
    """
    translation = _translation(annotation.classes, how)
    counts = np.zeros(MAX_VALUE + 1, np.int64)
    blocks = []
    for block in annotation.blocks:
        counts += np.bincount(block.labels.ravel(), minlength=MAX_VALUE + 1)
        labels = translation.table[block.labels]
        if labels.any():
            blocks.append(LabelBlock(block.start, labels))
    notes = annotation.notes + _refuse_or_note(source, translation, counts, how)
    return Annotation(tuple(blocks), annotation.shape, translation.classes, notes)


def _refuse_or_note(
    source: str, translation: Translation, counts: npt.NDArray[np.int64], how: Interpretation
) -> tuple[str, ...]:
    """Refuse values without a class, or say that they were left out; refuse what has no labels."""
    unmapped = translation.unmapped(counts)
    if unmapped is not None and not how.drop_unmapped:
        raise InvalidLabels(
            f"{source}: {unmapped}. Say by --map NAME=VALUE which class each is, or pass --drop-unmapped."
        )
    if not any(counts[value] for value in translation.labels):
        raise InvalidLabels(f"{source}: no voxel is labelled" + (f" but {unmapped}." if unmapped else "."))
    return () if unmapped is None else (f"{source}: left out {unmapped}.",)


def _label_image(path: Path, how: Interpretation) -> tuple[Path, Interpretation]:
    """The image file behind a workspace, whose own label table holds unless the user gave another."""
    if path.suffix.lower() != WORKSPACE_SUFFIX:
        if how.layer is not None:
            raise InvalidSetting(f"{path}: only an ITK-SNAP workspace has layers such as {how.layer!r}.")
        return path, how
    workspace = read_workspace(path)
    layer = workspace.segmentation(how.layer)
    if not layer.path.exists():
        raise InvalidLabels(
            f"{path}: its segmentation {layer.path} is not there, nor next to the workspace. "
            "Copy it beside the workspace."
        )
    if how.descriptions is None and workspace.descriptions:
        how = replace(how, descriptions=path)
    return layer.path, how


def _translation(own: tuple[LabelClass, ...], how: Interpretation) -> Translation:
    """What values become, `own` being the classes that the file itself names."""
    if how.mapping is not None:
        return explicit(how.mapping, how.classes)
    if how.descriptions is not None:
        return described(read_descriptions(how.descriptions), how.classes)
    return described(own, how.classes) if own else identity(how.classes)


def _scan(
    labels: Volume, placement: Placement, translation: Translation, progress: Progress | None
) -> tuple[tuple[LabelBlock, ...], npt.NDArray[np.int64]]:
    """Everything that is labelled, and how many voxels each value has."""
    counts = np.zeros(MAX_VALUE + 1, np.int64)
    boxes: defaultdict[Corner, list[Box]] = defaultdict(list)
    total, done = prod(labels.shape) * labels.frames, 0
    step = piece_shape(labels.layout, labels.layout, _PIECE_BYTES)
    for frame, block in product(range(labels.frames), blocks_of(labels.shape, step)):
        piece = labels.read(block.core, frame=frame)[0]
        if piece.any():
            start, numbers = placement.in_image(block.core, whole_numbers(piece, str(labels.path)))
            for brick, corner, part in _bricks(start, numbers):
                counts += np.bincount(part.ravel(), minlength=MAX_VALUE + 1)
                drawn = translation.table[part]
                if drawn.any():
                    boxes[(frame, *brick)].append(_cut((frame, *corner), drawn[np.newaxis]))
        done += prod(shape_of(block.core))
        if progress is not None:
            progress(done, total)
    return tuple(_joined(boxes[brick]) for brick in sorted(boxes)), counts


def _bricks(start: Shape, numbers: npt.NDArray[np.uint16]) -> Iterator[tuple[Shape, Shape, npt.NDArray[np.uint16]]]:
    """Cut a piece that lies at `start` along the image's bricks: the brick, where its part begins, the part."""
    ranges = [_cuts(at, at + n) for at, n in zip(start, numbers.shape, strict=True)]
    for z, y, x in product(*ranges):
        inside = tuple(slice(s.start - at, s.stop - at) for s, at in zip((z, y, x), start, strict=True))
        part = numbers[inside]
        if part.any():
            yield (z.start // BRICK, y.start // BRICK, x.start // BRICK), (z.start, y.start, x.start), part


def _cuts(begin: int, end: int) -> list[slice]:
    edges = [begin, *range((begin // BRICK + 1) * BRICK, end, BRICK), end]
    return [slice(a, b) for a, b in pairwise(edges)]


def _cut(corner: Corner, labels: npt.NDArray[np.uint8]) -> Box:
    """The smallest box around what is labelled in one that begins at `corner`."""
    inside = tuple(
        slice(int(drawn[0]), int(drawn[-1]) + 1)
        for drawn in (np.flatnonzero(labels.any(axis=tuple({0, 1, 2, 3} - {axis}))) for axis in range(4))
    )
    t, z, y, x = (at + along.start for at, along in zip(corner, inside, strict=True))
    return (t, z, y, x), labels[inside].copy()


def _joined(boxes: list[Box]) -> LabelBlock:
    """Boxes of one brick as one: a piece of a file ends anywhere in a brick."""
    starts = np.array([start for start, _ in boxes])
    stops = starts + [labels.shape for _, labels in boxes]
    begin, end = starts.min(axis=0), stops.max(axis=0)
    joined = np.zeros(end - begin, np.uint8)
    for start, stop, (_, labels) in zip(starts - begin, stops - begin, boxes, strict=True):
        joined[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = labels
    t, z, y, x = (int(n) for n in begin)
    return LabelBlock((t, z, y, x), joined)
