"""Labels into an .ilp: small boxes around what was labelled, in the order of axes that ilastik works in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import h5py
import numpy as np

from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableVolume
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.ilastik.images import open_lane
from ecc_px.ilastik.project import Project, read_project
from ecc_px.ilastik.storing import next_name, numbered
from ecc_px.labels import Annotation, LabelBlock
from ecc_px.volumes.axistags import axistags_json

Extent = tuple[int, int, int, int]
"""Voxels along (t, z, y, x)."""

_EDGE_IN_3D, _EDGE_IN_2D = 64, 512
"""Of the boxes that labels are cut into before each shrinks to what is labelled: ilastik's are of this size, too."""


def set_labels(path: str | Path, lane: int, annotation: Annotation) -> None:
    """Replace all labels of the lane at index `lane`; the forest stays, as the one from before these labels.

    Raises
    ------
    InvalidSetting
        There is no such lane, or a label that is no class of the project.
    GridMismatch
        The labels were drawn on an image of another shape.
    UnreadableProject, OutputFailed
    """
    path = Path(path)
    project = read_project(path)
    axes = project.lane(lane).axes or "tzyx"
    extent = _extent_of(project, lane)
    check_labels(annotation, project, extent)
    with edited_ilp(path) as file:
        store_labels(file["PixelClassification"], lane, annotation, label_axes(axes, extent))


def check_labels(annotation: Annotation, project: Project, extent: Extent | None) -> None:
    """Refuse labels that are no classes of the project, or don't lie on an image of `extent`."""
    unknown = [label for label in annotation.counts() if label > len(project.classes)]
    if unknown:
        raise InvalidSetting(
            f"The labels hold the value {unknown[0]}, but {project.path} has {len(project.classes)} classes "
            f"({', '.join(f'{c.label} {c.name}' for c in project.classes)}): add a class, or map the values."
        )
    if extent is None:
        return
    if annotation.shape not in (None, extent):
        raise GridMismatch(
            f"The labels were drawn on an image of {annotation.shape} (t, z, y, x), but this one has {extent}: "
            "pass the image that they were drawn on."
        )
    annotation.check_within(extent)


def label_axes(axes: str, extent: Extent | None) -> str:
    """ilastik's own order for an image with these axes: t and z only if larger than 1, c last."""
    t, z = extent[:2] if extent is not None else (0, 0)
    return "t" * ("t" in axes and t != 1) + "z" * ("z" in axes and z != 1) + "yxc"


def store_labels(training: h5py.Group, lane: int, annotation: Annotation, axes: str) -> None:
    """Store the labels of a lane in the group of ilastik's Pixel Classification."""
    group = label_group(training, lane)
    group.clear()
    for number, block in enumerate(_boxes(annotation)):
        start = dict(zip("tzyx", block.start, strict=True)) | {"c": 0}
        extent = dict(zip("tzyx", block.labels.shape, strict=True)) | {"c": 1}
        dataset = group.create_dataset(f"block{number:04d}", data=block.labels.reshape([extent[a] for a in axes]))
        bounds = ",".join(f"{start[a]}:{start[a] + extent[a]}" for a in axes)
        dataset.attrs["blockSlice"] = f"[{bounds}]".encode()
        dataset.attrs["axistags"] = axistags_json(axes)


def label_group(training: h5py.Group, lane: int) -> h5py.Group:
    """The group of a lane's labels; those of the lanes before it are made, too, since only their order counts."""
    sets = training.require_group("LabelSets")
    while len(names := numbered(sets, "labels")) <= lane:
        sets.create_group(next_name(sets, "labels", digits=3))
    return sets[names[lane]]


def _boxes(annotation: Annotation) -> Iterator[LabelBlock]:
    """The labels in boxes that hug what was labelled."""
    for block in annotation.blocks:
        edge = _EDGE_IN_2D if block.labels.shape[1] == 1 else _EDGE_IN_3D
        edges = (1, min(edge, _EDGE_IN_3D), edge, edge)
        grid = [_cuts(a, b, edge) for a, b, edge in zip(block.start, block.stop, edges, strict=True)]
        for corner in product(*grid):
            inside = tuple(slice(a - s, b - s) for (a, b), s in zip(corner, block.start, strict=True))
            labelled = np.argwhere(block.labels[inside])
            if not len(labelled):
                continue
            low, high = labelled.min(axis=0), labelled.max(axis=0) + 1
            hugged = tuple(slice(s.start + a, s.start + b) for s, a, b in zip(inside, low, high, strict=True))
            t, z, y, x = (int(s.start + begin) for s, begin in zip(hugged, block.start, strict=True))
            yield LabelBlock((t, z, y, x), block.labels[hugged])


def _cuts(start: int, stop: int, edge: int) -> list[tuple[int, int]]:
    """Pieces of start … stop between the multiples of `edge`."""
    marks = [start, *range((start // edge + 1) * edge, stop, edge), stop]
    return list(pairwise(marks))


def _extent_of(project: Project, lane: int) -> Extent | None:
    """Of the lane's image: as the project says, else as the image says; None if neither can tell."""
    t, z, y, x = (project.lanes[lane].extent(axis) for axis in "tzyx")
    if t is not None and z is not None and y is not None and x is not None:
        return t, z, y, x
    try:
        with open_lane(project, lane) as volume:
            return volume.frames, *volume.shape
    except UnreadableVolume:
        return None
