"""What an ilastik project is, for a person: classes, features, lanes, forest, and what is missing or odd."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecc_px.errors import UnreadableProject, UntrainedProject
from ecc_px.ilastik import FeatureSelection, Lane, Project, read_labels, read_project, read_training, training_state
from ecc_px.models.forest import Forest


def describe_project(path: Path, console: Console) -> None:
    """Classes, features, lanes, forest, the ilastik version that wrote it, and what is missing."""
    project = read_project(path)
    notes = notes_on(project)
    drawn: list[Counter[int]] = []
    for lane in range(len(project.lanes)):
        try:
            drawn.append(Counter(read_labels(project, lane).counts()))
        except UnreadableProject as error:
            drawn.append(Counter())
            notes.append(f"{error} Labels are not needed for prediction.")
    if not any(drawn):
        notes.append("No labels are stored: not needed for prediction, but ilastik can't train it again.")

    saved_by = f"ilastik {project.ilastik_version}" if project.ilastik_version else "an unknown ilastik"
    console.print(Text(f"{path}: {project.workflow}, saved by {saved_by}", style="bold"), soft_wrap=True)
    console.print(_classes_table(project, sum(drawn, Counter())))
    console.print(_features_table(project.features, flat=project.is_flat))
    console.print(Text(_channels_sentence(project)), soft_wrap=True)
    console.print(_lanes_table(project, drawn))
    if project.forest is not None:
        console.print(Text(forest_sentence(project.forest)), soft_wrap=True)
    for note in notes:
        console.print(Text(f"! {note}", style="yellow"), soft_wrap=True)


def notes_on(project: Project) -> list[str]:
    """What is missing or odd about a project: one sentence each, with what it means for prediction."""
    notes = []
    try:
        known = project.require_trained().labels
    except UntrainedProject as error:
        notes.append(str(error))
    else:
        notes += [
            f"No voxel of class {label.label} ({label.name}) was labelled: its probability is 0 everywhere."
            for label in project.classes
            if label.label not in known
        ]
    trained = read_training(project)
    if trained is not None:
        changed = [part for part in trained.state.differences(training_state(project)) if part != "images"]
        if changed:
            notes.append(f"Trained before the last change of its {' and '.join(changed)}: run `ecc-px train` again.")
    for lane in project.lanes:
        if _whereabouts(lane, project.path) == "missing":
            notes.append(f"Raw data of {lane.name} not found: not needed for prediction.")
    if project.export.changes_probabilities:
        notes.append(
            "The project tells ilastik to export other values or axes than plain float32 probabilities: "
            "not applied here, say it on the command line."
        )
    return notes


def forest_sentence(forest: Forest) -> str:
    """Size and shape of a forest in one line."""
    leaves = "every leaf pure" if forest.is_pure else "some leaves mixed"
    smallest, largest = min(forest.part_sizes), max(forest.part_sizes)
    part_size = str(largest) if smallest == largest else f"{smallest} to {largest}"
    return (
        f"Forest: {forest.n_trees} trees in {_count(len(forest.part_sizes), 'part')} of {part_size}, "
        f"{len(forest.feature):,} nodes, at most {max_depth(forest)} decisions deep, {leaves}."
    )


def max_depth(forest: Forest) -> int:
    """Decisions on the longest way from a root to a leaf."""
    depth, level = 0, forest.roots
    while True:
        splits = level[forest.feature[level] >= 0]
        if not splits.size:
            return depth
        depth, level = depth + 1, np.concatenate([forest.left[splits], forest.right[splits]])


def _classes_table(project: Project, drawn: Counter[int]) -> Table:
    table = Table("label", "class", "colour", "labelled voxels", "in the forest", title="Classes", title_justify="left")
    table.columns[3].justify = "right"
    known = set() if project.forest is None else set(project.forest.labels.tolist())
    for label in project.classes:
        red, green, blue = label.colour
        table.add_row(
            str(label.label),
            Text(label.name),
            Text("██", style=f"rgb({red},{green},{blue})"),
            f"{drawn[label.label]:,}",
            "yes" if label.label in known else "no",
        )
    return table


def _features_table(features: FeatureSelection, *, flat: bool) -> Table:
    headers = [f"σ={scale:g}" for scale in features.scales]
    table = Table("feature", *headers, title="Features", title_justify="left")
    kinds = ["2-D" if in_2d else "3-D" for in_2d in features.in_2d(flat=flat)]
    for name, row in zip(features.feature_ids, features.matrix, strict=True):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace(" Of ", " of ")
        table.add_row(Text(words), *(kind if used else "" for kind, used in zip(kinds, row, strict=True)))
    return table


def _channels_sentence(project: Project) -> str:
    per_channel = project.features.channels(flat=project.is_flat)
    sentence = f"{per_channel} feature channels for each image channel"
    if project.image_channels is None:
        return f"{sentence}."
    columns = per_channel * project.image_channels
    return f"{sentence}; trained on {_count(project.image_channels, 'image channel')}: {columns} in all."


def _lanes_table(project: Project, drawn: Sequence[Counter[int]]) -> Table:
    table = Table("lane", "raw data", "", "axes", "shape", "labelled voxels", title="Lanes", title_justify="left")
    table.columns[5].justify = "right"
    for lane, labels in zip(project.lanes, drawn, strict=True):
        table.add_row(
            Text(lane.nickname),
            Text(lane.path, overflow="fold"),
            _whereabouts(lane, project.path),
            lane.axes or "unknown",
            "unknown" if lane.shape is None else " × ".join(map(str, lane.shape)),
            f"{labels.total():,}",
        )
    return table


def _whereabouts(lane: Lane, project: Path) -> str:
    """Where the raw data of a lane is: on disk, missing, in the project, or elsewhere."""
    if lane.path_kind in ("internal", "url", "none"):
        return {"internal": "in the project", "url": "remote", "none": "none"}[lane.path_kind]
    found = all(any(file.parent.glob(file.name)) if "*" in file.name else file.exists() for file in lane.files(project))
    return "found" if found else "missing"


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"
