"""The labels that a person drew in ilastik, on the grid of their lane's image.

A project keeps a lane's labels as sparse blocks, whose axis order depends on the ilastik that saved them;
whoever reads them here sees (t, z, y, x), whatever the file says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ecc_px.ilastik.hdf5 import Group, open_ilp
from ecc_px.ilastik.lanes import Lane, axes_of
from ecc_px.ilastik.project import PIXEL_CLASSIFICATION, Project
from ecc_px.labels import Annotation, LabelBlock

# The number that ilastik's eraser draws; it means "nobody said anything" again.
ERASER = 100


def read_labels(project: Project, lane: int) -> Annotation:
    """Labels of the lane at index `lane` of `project.lanes`.

    Raises
    ------
    UnreadableProject
        The file is damaged, or the axes of a block can't be told.
    """
    with open_ilp(project.path) as root:
        training = root.applet("PixelClassification")
        blocks: tuple[LabelBlock, ...] = ()
        if training is not None and "LabelSets" in training:
            label_sets = training.group("LabelSets")
            names = label_sets.numbered("labels")
            if lane < len(names):
                group = label_sets.group(names[lane])
                candidates = _untagged_axes(project, project.lanes[lane])
                blocks = tuple(_read_block(group, name, candidates) for name in group.numbered("block"))
        return Annotation(blocks=blocks, shape=_image_shape(project.lanes[lane]))


def _image_shape(lane: Lane) -> tuple[int, int, int, int] | None:
    extents = [lane.extent(axis) for axis in "tzyx"]
    known = [extent for extent in extents if extent is not None]
    return (known[0], known[1], known[2], known[3]) if len(known) == 4 else None


def _read_block(group: Group, name: str, candidates: Sequence[str]) -> LabelBlock:
    if group.is_group(name):  # masked labels
        masked = group.group(name)
        array = np.where(masked.numbers("mask"), 0, masked.numbers("data", kinds="iu"))
    else:
        array = group.numbers(name, kinds="iu")
    tags = group.text_attribute(name, "axistags")
    if tags is not None:
        axes = axes_of(group, tags)
    else:
        axes = next((axes for axes in candidates if len(axes) == array.ndim), "")
    if len(axes) != array.ndim:
        raise group.damaged(f"{name!r} has {array.ndim} axes, and nothing says which ({axes or 'no axistags'})")
    begin = _block_start(group, name, array.shape)
    start = dict.fromkeys("tzyx", 0) | dict(zip(axes, begin, strict=True))
    extent = dict.fromkeys("tzyx", 1) | dict(zip(axes, array.shape, strict=True))
    if extent.get("c", 1) != 1:
        raise group.damaged(f"{name!r} has {extent['c']} channels of labels")
    present = [axis for axis in "tzyxc" if axis in axes]
    labels = array.transpose([axes.index(axis) for axis in present]).reshape([extent[axis] for axis in "tzyx"])
    return LabelBlock(
        start=(start["t"], start["z"], start["y"], start["x"]),
        labels=np.where(labels == ERASER, 0, labels).astype(np.uint8),
    )


def _block_start(group: Group, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where a block begins, from its attribute ``blockSlice``: ``[0:26,0:41,92:100,0:1]``."""
    text = group.text_attribute(name, "blockSlice") or ""
    bounds = [(int(a), int(b)) for a, b in re.findall(r"(\d+):(\d+)", text)]
    if tuple(stop - start for start, stop in bounds) != shape:
        raise group.damaged(f"{name!r} of shape {shape} can't lie at {text!r}")
    return tuple(start for start, _ in bounds)


def _untagged_axes(project: Project, lane: Lane) -> tuple[str, ...]:
    """Axis orders that blocks without axistags may have, of one order for each possible count of axes.

    Only ilastik before 1.4.0b8 left the tags out, and it changed the order four times.
    """
    if lane.axes is None:
        return ()
    ascending = "".join(axis for axis in "tzyx" if axis in lane.axes) + "c"
    internal = (lane.internal_axes or ascending, ascending, "tzyxc")
    as_in_file = (lane.axes if "c" in lane.axes else lane.axes + "c", lane.axes)
    version = release(project.ilastik_version)
    if version < release("1.3.1"):
        return as_in_file
    if version < release("1.3.3"):
        return internal
    if version < release("1.3.3post2"):
        return internal if project.workflow == PIXEL_CLASSIFICATION else ("txyzc",)
    return as_in_file


def release(version: str) -> tuple[int, int, int, int, int]:
    """A version of ilastik as something that sorts: 1.4.0b7 < 1.4.0b8 < 1.4.0rc1 < 1.4.0 < 1.4.0post1.

    What follows (``.dev34+g60b582f5c``) is left out, and so is anything that is no version.
    """
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\.?(a|b|rc|post)(\d+))?", version)
    if match is None:
        return 0, 0, 0, 0, 0
    major, minor, patch, stage, number = match.groups()
    rank = {"a": -3, "b": -2, "rc": -1, None: 0, "post": 1}[stage]
    return int(major), int(minor), int(patch or 0), rank, int(number or 0)
