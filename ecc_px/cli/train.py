"""`ecc-px train`: from labels to a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecc_px.cli.batch import warn
from ecc_px.cli.options import Jobs
from ecc_px.cli.progress import voxel_progress
from ecc_px.errors import InvalidSetting

if TYPE_CHECKING:
    from ecc_px.classifiers.sampling import LabelledImage
    from ecc_px.classifiers.training import Training, TrainingSettings
    from ecc_px.features import FeatureSet
    from ecc_px.labels import LabelClass


def train(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="PV.ilp|PV.pxc",
            help="An ilastik project, to be trained on its own labels; or the classifier file to make (.pxc).",
            show_default=False,
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", help="For a .pxc: an image to learn from; again for each further one."),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels", help="Its labels: a label image, an ITK-SNAP workspace or an .ilp; one for each --image."
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="ecc (16 columns), all, or filters and scales: 'gaussian@0.3,0.7;hessian@1,1.6'. "
            "Default: the project's; ecc for a .pxc.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", metavar="NAME[:ROLE]", help="For a .pxc: class 1, then 2 …; default: as the labels say."
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option("--map", metavar="NAME=VALUE,…", help="For a .pxc: which value in the labels is which class."),
    ] = None,
    trees: Annotated[int, typer.Option(help="Trees of the forest.")] = 100,
    seed: Annotated[int, typer.Option(help="Of all random choices: the same seed makes the same bytes.")] = 0,
    label_proportion: Annotated[float, typer.Option(help="Share of each class's labelled voxels to use.")] = 1.0,
    max_per_class: Annotated[
        int | None, typer.Option(help="Labelled voxels of each class to use at most.", show_default=False)
    ] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="Give every class the same weight in all.")] = False,
    class_weight: Annotated[
        str | None,
        typer.Option(metavar="CLASS=WEIGHT,…", help="Weight of a class's voxels, e.g. cell=3; others have 1."),
    ] = None,
    allow_unlabelled: Annotated[
        bool, typer.Option("--allow-unlabelled", help="Accept classes without labels: their probability is 0.")
    ] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out/--no-leave-out", help="Test each image by a forest that never saw it.")
    ] = True,
    suggest_features: Annotated[
        bool,
        typer.Option("--suggest-features", help="Train nothing: propose features, by accuracy against cost."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even if nothing changed since the last time.")] = False,
    jobs: Jobs = None,
) -> None:
    """Train a classifier on labels: in an ilastik project, or as a file of our own.

    Writes a report beside it: PV_training.txt, .json and .png.
    """
    from ecc_px.features import parse_features

    if balanced and class_weight is not None:
        raise InvalidSetting("--balanced and --class-weight both say how classes are weighed: choose one.")
    if suggest_features and features is not None:
        raise InvalidSetting("--suggest-features looks for features, and --features names them: choose one.")
    order = _Order(
        features=None if features is None else parse_features(features),
        weights="balanced" if balanced else class_weight,
        settings={
            "trees": trees,
            "seed": seed,
            "label_proportion": label_proportion,
            "max_per_class": max_per_class,
            "allow_unlabelled": allow_unlabelled,
        },
        training={"force": force, "leave_out": leave_out, "jobs": jobs},
        suggest=suggest_features,
    )
    if target.suffix == ".ilp":
        if images or labels or classes or mapping:
            raise InvalidSetting(
                f"{target}: an ilastik project has its own images, labels and classes: add them by "
                "`ecc-px project add`, or train a .pxc."
            )
        _train_project(target, order)
    elif target.suffix == ".pxc":
        _train_bundle(target, order, images or [], labels or [], classes or [], mapping)
    else:
        raise InvalidSetting(f"{target}: a classifier is an ilastik project (.ilp) or a file of our own (.pxc).")


@dataclass(frozen=True)
class _Order:
    """What the command line asks for, whatever is trained."""

    features: FeatureSet | None
    weights: str | None
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    suggest: bool

    def settings_for(self, classes: Sequence[LabelClass]) -> TrainingSettings:
        """The settings, whose weights name classes."""
        from ecc_px.classifiers.training import TrainingSettings, parse_class_weights

        named = self.weights is not None and self.weights != "balanced"
        weights: Any = parse_class_weights(str(self.weights), classes) if named else self.weights
        return TrainingSettings(**self.settings, class_weight=weights)


def _train_project(path: Path, order: _Order) -> None:
    from ecc_px.classifiers.retraining import labelled_lanes, train_project
    from ecc_px.ilastik import read_project

    project = read_project(path)
    settings = order.settings_for(project.classes)
    if order.suggest:
        with labelled_lanes(project) as lanes:
            _suggest(lanes, project.classes, settings, order)
        return
    with voxel_progress(f"features of {path.name}") as progress:
        training = train_project(path, settings, features=order.features, progress=progress, **order.training)
    _report(training, path)


def _train_bundle(
    path: Path, order: _Order, images: list[Path], labels: list[Path], classes: list[str], mapping: str | None
) -> None:
    from ecc_px.classifiers.labelled_images import open_labelled
    from ecc_px.classifiers.retraining import train_bundle
    from ecc_px.features import ECC
    from ecc_px.labels import new_classes, parse_mapping

    named = new_classes(classes) if classes else ()
    values = None if mapping is None else parse_mapping(mapping)
    with open_labelled(images, labels, named, values) as (lanes, known):
        warn([note for lane in lanes for note in lane.labels.notes])
        settings = order.settings_for(known)
        if order.suggest:
            _suggest(lanes, known, settings, order)
            return
        with voxel_progress(f"features of {path.name}") as progress:
            training = train_bundle(
                path, lanes, order.features or ECC, known, settings, progress=progress, **order.training
            )
    _report(training, path)


def _report(training: Training | None, path: Path) -> None:
    """Write the report beside the classifier, and show it."""
    from rich.console import Console

    from ecc_px.report.training import training_picture
    from ecc_px.report.training_text import training_tables, write_training_json, write_training_text

    if training is None:
        typer.echo(f"{path}: nothing changed since it was trained; pass --force to train it again.")
        return
    beside = path.with_name(f"{path.stem}_training")
    written = [
        write_training_text(training.report, training.seconds, beside.with_name(f"{beside.name}.txt")),
        write_training_json(training.report, training.seconds, beside.with_name(f"{beside.name}.json")),
        training_picture(training.report, beside.with_name(f"{beside.name}.png")),
    ]
    Console().print(training_tables(training.report, training.seconds))
    typer.echo(f"{path}: trained. Report: {', '.join(str(file) for file in written)}")


def _suggest(
    lanes: Sequence[LabelledImage], classes: Sequence[LabelClass], settings: TrainingSettings, order: _Order
) -> None:
    """Show which features are worth their time."""
    from rich.console import Console

    from ecc_px.classifiers.suggestion import suggest_features
    from ecc_px.report.suggestion_text import suggestion_tables

    with voxel_progress("candidates") as progress:
        suggestion = suggest_features(lanes, classes, settings, jobs=order.training["jobs"], progress=progress)
    Console().print(suggestion_tables(suggestion))
    typer.echo(f"--features '{suggestion.proposed.features}'")
