"""`ecc-px run`: from raw volumes to tables of cells."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecc_px.cli import predict as predict_command
from ecc_px.cli.batch import process, warn
from ecc_px.cli.cells import summary_line
from ecc_px.cli.options import (
    AllowMissing,
    Axes,
    Channel,
    Compression,
    DiameterUm,
    Dtype,
    FileFormat,
    Flavour,
    FlavourName,
    Inputs,
    Jobs,
    Level,
    Mask,
    MaxVolume,
    Memory,
    MinVolume,
    Model,
    NoCheck,
    ObjectClass,
    OutputFolder,
    OutputFormat,
    Overwrite,
    ProbabilityType,
    Restart,
    SkipBelow,
    Split,
    Threshold,
    TissueOption,
    VoxelUm,
    WorkersName,
    diameter_of,
    memory_of,
)
from ecc_px.cli.progress import voxel_progress

if TYPE_CHECKING:
    from ecc_px.pipeline.run import Brain
    from ecc_px.report.brain import BrainReport


def run(
    model: Model,
    inputs: Inputs,
    output: OutputFolder,
    voxel_um: VoxelUm = None,
    threshold: Threshold = None,
    split: Split = None,
    diameter_um: DiameterUm = "auto",
    min_volume: MinVolume = None,
    max_volume: MaxVolume = None,
    class_: ObjectClass = None,
    dtype: ProbabilityType = Dtype.float32,
    file_format: OutputFormat = FileFormat.hdf5,
    compression: Compression = None,
    mask: Mask = None,
    skip_below: SkipBelow = None,
    tissue: TissueOption = None,
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
    flavour: Flavour = FlavourName.ilastik,
    jobs: Jobs = None,
    executor: Annotated[
        WorkersName,
        typer.Option(help="Look for cells on threads, or in as many processes. The result is the same to the byte."),
    ] = WorkersName.threads,
    memory: Memory = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    allow_missing: AllowMissing = False,
    no_check: NoCheck = False,
    no_probabilities: Annotated[
        bool,
        typer.Option("--no-probabilities", help="Keep no probability image: the same cells, sooner, in less space."),
    ] = False,
) -> None:
    """Classify volumes, find their cells: OUTPUT/<name>_probabilities.h5, _cells.csv, _overview.png, _report.html."""
    from ecc_px.classifiers import load_classifier
    from ecc_px.completeness import check_input, open_told
    from ecc_px.pipeline.run import run as run_brain
    from ecc_px.report.brain import report_of, write_report
    from ecc_px.volumes.streaming import pool_of, usable_processors

    diameter = diameter_of(diameter_um)
    classifier = load_classifier(model, flavour=flavour.value)

    reading: dict[str, Any] = {"axes": axes, "level": level, "channel": channel, "allow_missing": allow_missing}

    def work(source: Path) -> tuple[Brain, BrainReport]:
        with open_told(source, **reading) as volume:
            report = report_of(output, volume.name)

            def draw(brain: Brain, replace: bool) -> None:
                write_report(volume, brain.prediction.probabilities, brain.cells, class_=class_, overwrite=replace)

            # A pool for each brain: one that lost a process is of no use to the next.
            pool = pool_of(executor.value, jobs or usable_processors())
            with pool, voxel_progress(source.name) as progress:
                check = None if no_check else partial(check_input, source, progress=progress, jobs=jobs, **reading)
                brain = run_brain(
                    classifier,
                    volume,
                    output,
                    voxel_um=voxel_um,
                    jobs=jobs,
                    overwrite=overwrite,
                    keep_probabilities=not no_probabilities,
                    prediction={
                        "dtype": dtype.value,
                        "file_format": file_format.value,
                        "compression": compression and compression.value,
                        "mask": mask,
                        "skip_below": skip_below,
                        "tissue": tissue and tissue.value,
                        "memory": memory_of(memory),
                        "restart": restart,
                        "check": check,
                    },
                    cells={
                        "threshold": threshold,
                        "split": split and split.value,
                        "diameter_um": diameter,
                        "min_volume": min_volume,
                        "max_volume": max_volume,
                        "class_": class_,
                        "executor": pool,
                    },
                    also_written=[report.picture, report.page],
                    progress=progress,
                    announce=predict_command.announce,
                    finish=draw,
                )
            return brain, report

    process(inputs, work, describe)


def describe(made: tuple[Brain, BrainReport]) -> list[str]:
    """Where the results of a brain are."""
    brain, report = made
    of_prediction = predict_command.describe(brain.prediction)
    # Both steps look at the voxel size; what the first one said is not said again.
    warn([warning for warning in brain.cells.cells.warnings if warning not in brain.prediction.warnings])
    return [
        *of_prediction,
        f"{brain.cells.path}: {summary_line(brain.cells.cells)}",
        str(report.picture),
        str(report.page),
    ]
