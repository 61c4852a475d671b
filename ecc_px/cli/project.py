"""`ecc-px project`: make and change ilastik projects, which ilastik opens."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli.batch import warn
from ecc_px.cli.labels import AssumeSameGrid, Descriptions, DropUnmapped, LayerName
from ecc_px.cli.options import Axes, Level, OutputFolder, Overwrite
from ecc_px.cli.progress import voxel_progress
from ecc_px.errors import InvalidLabels, InvalidSetting

if TYPE_CHECKING:
    from ecc_px.ilastik import Project
    from ecc_px.labels import Annotation, Interpretation
    from ecc_px.volumes import Volume

app = typer.Typer(help="Make and change ilastik projects.", no_args_is_help=True)

ProjectPath = Annotated[Path, typer.Argument(metavar="PROJECT", help="An ilastik project (.ilp).", show_default=False)]
LaneName = Annotated[
    str, typer.Argument(metavar="LANE", help="Number (from 1), name or nickname of an image.", show_default=False)
]
Mapping = Annotated[
    str | None,
    typer.Option("--map", metavar="NAME=VALUE,…", help="Which value of the label file is which class of the project."),
]
LabelsLane = Annotated[
    str | None,
    typer.Option("--labels-lane", help="Where the labels come from another .ilp: which lane.", show_default=False),
]
CLASS_HELP = "NAME or NAME:ROLE; roles: object, false_signal, background."


class Storage(StrEnum):
    link = "link"
    relative = "relative"
    copy = "copy"


@app.command("create")
def create(
    project: ProjectPath,
    features: Annotated[
        str, typer.Option(metavar="LIST", help="ecc, all, or such as 'gaussian@0.3,0.7;hessian@1,1.6'.")
    ] = "ecc",
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME[:ROLE]",
            help=f"Label 1, 2, … by repeating it. {CLASS_HELP} Default: ecc's three, cell, false, background.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a project with features and classes, and no image yet."""
    from ecc_px.features.notation import parse_features
    from ecc_px.ilastik import create_project
    from ecc_px.labels import new_classes
    from ecc_px.labels.classes import DEFAULT_CLASSES

    selected, named = parse_features(features), new_classes(classes or DEFAULT_CLASSES)
    create_project(project, features=selected, classes=named, overwrite=overwrite)
    typer.echo(f"{project}: {selected.count()} features, classes {', '.join(f'{c.label} {c.name}' for c in named)}")


@app.command("add")
def add(
    project: ProjectPath,
    image: Annotated[Path, typer.Argument(help="What `ecc-px predict` takes.", show_default=False)],
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels drawn on it: NIfTI, TIFF, HDF5, OME-Zarr, an ITK-SNAP workspace, another .ilp."),
    ] = None,
    mapping: Mapping = None,
    descriptions: Descriptions = None,
    layer: LayerName = None,
    labels_lane: LabelsLane = None,
    assume_same_grid: AssumeSameGrid = False,
    drop_unmapped: DropUnmapped = False,
    axes: Axes = None,
    level: Level = 0,
    store: Annotated[
        Storage,
        typer.Option(help="link: by its absolute path. relative: from the project's folder. copy: voxels inside."),
    ] = Storage.link,
    nickname: Annotated[str | None, typer.Option(help="What ilastik calls the image.", show_default=False)] = None,
) -> None:
    """Add an image to a project, with or without labels."""
    from ecc_px.ilastik import add_lane, read_project
    from ecc_px.volumes import open_volume

    if level and store is not Storage.copy:
        raise InvalidSetting(f"--level {level}: ilastik would read the finest level from {image}: pass --store copy.")
    how = _interpretation(read_project(project), mapping, descriptions, layer, assume_same_grid, drop_unmapped)
    with open_volume(image, axes=axes, level=level) as volume:
        annotation = None if labels is None else _read(labels, volume, how, labels_lane)
        with voxel_progress(f"copy {volume.name}") as progress:
            number = add_lane(project, volume, annotation, store=store.value, nickname=nickname, progress=progress)
    _tell_labels(read_project(project), number)


@app.command("set-labels")
def set_labels(
    project: ProjectPath,
    lane: LaneName,
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="As for `add`.", show_default=False)],
    mapping: Mapping = None,
    descriptions: Descriptions = None,
    layer: LayerName = None,
    labels_lane: LabelsLane = None,
    assume_same_grid: AssumeSameGrid = False,
    drop_unmapped: DropUnmapped = False,
) -> None:
    """Replace the labels of an image; the forest stays until `ecc-px train`."""
    from ecc_px.ilastik import open_lane, read_project
    from ecc_px.ilastik import set_labels as set_labels_of

    found = read_project(project)
    index = found.lane_index(lane)
    how = _interpretation(found, mapping, descriptions, layer, assume_same_grid, drop_unmapped)
    with open_lane(found, index) as volume:
        annotation = _read(labels, volume, how, labels_lane)
    set_labels_of(project, index, annotation)
    _tell_labels(read_project(project), index)


@app.command("labels")
def labels(project: ProjectPath, output: OutputFolder, overwrite: Overwrite = False) -> None:
    """Extract the labels of every image: OUTPUT/<nickname>_labels.h5, which ilastik imports too."""
    from ecc_px.ilastik import open_lane, read_labels, read_project
    from ecc_px.labels.writing import write_annotation

    found = read_project(project)
    drawn = {index: read_labels(found, index) for index in range(len(found.lanes))}
    names = [found.lanes[index].nickname for index, annotation in drawn.items() if annotation.counts()]
    if not names:
        raise InvalidSetting(f"{project}: none of its images has labels.")
    output.mkdir(parents=True, exist_ok=True)
    for index, annotation in drawn.items():
        if not annotation.counts():
            continue
        nickname = found.lanes[index].nickname.replace("/", "-")
        name = nickname if names.count(nickname) == 1 else f"{nickname}_{found.lanes[index].name}"
        # A project mostly says how large its images are, so that they may be gone.
        with nullcontext() if annotation.shape else open_lane(found, index) as image:
            path = write_annotation(output / f"{name}_labels.h5", annotation, image, overwrite=overwrite)
        typer.echo(f"{path}: {_count_labels(found, annotation)}")


@app.command("remove-lane")
def remove_lane(project: ProjectPath, lane: LaneName) -> None:
    """Remove an image from a project, with its labels. The image's own file is not touched."""
    from ecc_px.ilastik import read_project
    from ecc_px.ilastik import remove_lane as remove_lane_of

    found = read_project(project)
    index = found.lane_index(lane)
    remove_lane_of(project, index)
    typer.echo(f"{project}: {found.lanes[index].nickname} removed, images left: {len(found.lanes) - 1}")


@app.command("relink")
def relink(
    project: ProjectPath,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image", metavar="OLD=NEW", help="A file, by its name or path, and where it is now.", show_default=False
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Search what is missing here and below, by file name.", show_default=False)
    ] = None,
) -> None:
    """Tell a project where its images are after they were moved. Exits with 1 while any is missing."""
    from ecc_px.ilastik import relink as relink_images

    pairs = [text.partition("=") for text in image or []]
    for text, (old, _, new) in zip(image or [], pairs, strict=True):
        if not old or not new:
            raise InvalidSetting(f"--image {text!r}: write OLD=NEW, such as brain.h5=/data/brain.h5.")
    if not pairs and folder is None:
        raise InvalidSetting("Say where the images are now: by --folder, or by --image OLD=NEW.")
    result = relink_images(project, {old: new for old, _, new in pairs}, folder=folder)
    for moved in result.moved:
        typer.echo(f"{moved.lane}: {moved.old} → {moved.new}")
    warn([f"{path} is still missing." for path in result.missing])
    if result.missing:
        raise typer.Exit(1)


@app.command("rename-class")
def rename_class(
    project: ProjectPath,
    old: Annotated[str, typer.Argument(help="Name or label.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NAME[:ROLE]", help=CLASS_HELP, show_default=False)],
) -> None:
    """Give a class another name, and a role if one is given."""
    from ecc_px.ilastik import rename_class as rename
    from ecc_px.labels import new_classes

    (named,) = new_classes([new])
    rename(project, old, named.name, role=named.role)
    _tell_classes(project)


@app.command("add-class")
def add_class(
    project: ProjectPath,
    name: Annotated[str, typer.Argument(metavar="NAME[:ROLE]", help=CLASS_HELP, show_default=False)],
) -> None:
    """Add a class after the others; a forest that the project holds is dropped."""
    from ecc_px.ilastik import add_class as add
    from ecc_px.ilastik import read_project
    from ecc_px.labels import new_classes
    from ecc_px.labels.classes import numbered_class

    (named,) = new_classes([name])
    colour = numbered_class(len(read_project(project).classes) + 1, named.name).colour
    add(project, named.name, colour=colour, role=named.role)
    _tell_classes(project)


@app.command("set-features")
def set_features(
    project: ProjectPath,
    features: Annotated[str, typer.Argument(metavar="LIST", help="As for `create`.", show_default=False)],
) -> None:
    """Select other features; a forest that the project holds is dropped."""
    from ecc_px.features.notation import parse_features
    from ecc_px.ilastik import set_features as select

    changed = select(project, parse_features(features))
    typer.echo(f"{project}: {'features changed' if changed else 'has these features already'}")


def _interpretation(
    project: Project,
    mapping: str | None,
    descriptions: Path | None,
    layer: str | None,
    assume_same_grid: bool,
    drop_unmapped: bool,
) -> Interpretation:
    """How labels are to be understood that are meant for a project's classes."""
    from ecc_px.labels import Interpretation, parse_mapping

    return Interpretation(
        classes=project.classes,
        mapping=None if mapping is None else parse_mapping(mapping),
        descriptions=descriptions,
        layer=layer,
        assume_same_grid=assume_same_grid,
        drop_unmapped=drop_unmapped,
    )


def _read(labels: Path, image: Volume, how: Interpretation, lane: str | None) -> Annotation:
    from ecc_px.classifiers.annotations import read_labels_of

    with voxel_progress("read labels") as progress:
        annotation = read_labels_of(labels, image, how, lane=lane, progress=progress)
    warn(annotation.notes)
    if not annotation.counts():
        raise InvalidLabels(f"{labels}: no voxel is labelled.")
    return annotation


def _tell_labels(project: Project, index: int) -> None:
    from ecc_px.ilastik import read_labels

    annotation = read_labels(project, index)
    typer.echo(f"{project.path}: {index + 1}: {project.lanes[index].nickname}, {_count_labels(project, annotation)}")


def _count_labels(project: Project, annotation: Annotation) -> str:
    counts = annotation.counts()
    named = [f"{counts[c.label]:,} {c.name}" for c in project.classes if c.label in counts]
    return f"labelled voxels: {', '.join(named) or 'none'}"


def _tell_classes(project: Path) -> None:
    from ecc_px.ilastik import read_project

    classes = [f"{c.label} {c.name}" + (f" ({c.role})" if c.role else "") for c in read_project(project).classes]
    typer.echo(f"{project}: {', '.join(classes)}")
