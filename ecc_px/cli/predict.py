"""`ecc-px predict`: apply a classifier to volumes."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecc_px.cli.batch import process, warn
from ecc_px.cli.options import (
    AllowMissing,
    Axes,
    Channel,
    Compression,
    Dtype,
    FileFormat,
    Flavour,
    FlavourName,
    Inputs,
    Jobs,
    Level,
    Mask,
    Memory,
    Model,
    NoCheck,
    OutputFolder,
    OutputFormat,
    Overwrite,
    ProbabilityType,
    Restart,
    SkipBelow,
    TissueOption,
    VoxelUm,
    memory_of,
)
from ecc_px.cli.progress import duration, voxel_progress

if TYPE_CHECKING:
    from ecc_px.pipeline import Prediction
    from ecc_px.pipeline.forecast import Forecast


class Export(StrEnum):
    probabilities = "probabilities"
    segmentation = "segmentation"
    uncertainty = "uncertainty"
    features = "features"


def predict(
    model: Model,
    inputs: Inputs,
    output: OutputFolder,
    dtype: ProbabilityType = Dtype.float32,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Classes of the probability image: labels or names, with commas. Default: all.", metavar="A,B"
        ),
    ] = None,
    export: Annotated[
        list[Export] | None,
        typer.Option("--export", help="What to write; several at once by repeating it. Default: probabilities."),
    ] = None,
    file_format: OutputFormat = FileFormat.hdf5,
    compression: Compression = None,
    mask: Mask = None,
    skip_below: SkipBelow = None,
    tissue: TissueOption = None,
    voxel_um: VoxelUm = None,
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
    flavour: Flavour = FlavourName.ilastik,
    jobs: Jobs = None,
    memory: Memory = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    allow_missing: AllowMissing = False,
    no_check: NoCheck = False,
) -> None:
    """Apply a classifier: writes OUTPUT/<name>_probabilities.h5 for each input."""
    from ecc_px.classifiers import load_classifier
    from ecc_px.completeness import check_input, open_told
    from ecc_px.pipeline import predict as predict_volume

    classifier = load_classifier(model, flavour=flavour.value)
    settings: dict[str, Any] = {
        "exports": tuple(e.value for e in export or [Export.probabilities]),
        "dtype": dtype.value,
        "classes": None if classes is None else tuple(name.strip() for name in classes.split(",")),
        "file_format": file_format.value,
        "compression": None if compression is None else compression.value,
        "mask": mask,
        "skip_below": skip_below,
        "tissue": tissue and tissue.value,
        "voxel_um": voxel_um,
        "jobs": jobs,
        "memory": memory_of(memory),
        "overwrite": overwrite,
        "restart": restart,
    }

    reading: dict[str, Any] = {"axes": axes, "level": level, "channel": channel, "allow_missing": allow_missing}

    def work(source: Path) -> Prediction:
        with (
            open_told(source, **reading) as volume,
            voxel_progress(volume.name) as progress,
        ):
            check = None if no_check else partial(check_input, source, progress=progress, jobs=jobs, **reading)
            return predict_volume(
                classifier, volume, output, progress=progress, check=check, announce=announce, **settings
            )

    process(inputs, work, describe)


def announce(forecast: Forecast) -> None:
    """What it will take, before it begins."""
    if forecast.seconds is not None:
        typer.echo(
            f"Forecast: about {duration(forecast.seconds)} with {forecast.jobs} thread{'s' * (forecast.jobs != 1)}, "
            f"{forecast.memory_bytes / 1e9:.1f} GB of memory, {forecast.disk_bytes / 1e9:.1f} GB of disk "
            f"({forecast.free_bytes / 1e9:.0f} GB are free).",
            err=True,
        )


def describe(prediction: Prediction) -> list[str]:
    """Where the results are, and how long it took."""
    warn(prediction.warnings)
    computed = prediction.voxels - prediction.found
    speed = computed / 1e6 / max(prediction.seconds, 1e-3)
    files = ", ".join(str(path) for path in prediction.outputs.values()) or "no image kept"
    line = f"{files}: {prediction.voxels / 1e6:.1f} Mvoxel"
    if prediction.found:
        line += f", {prediction.found / 1e6:.1f} of them finished by an earlier run, the rest"
    return [f"{line} in {prediction.seconds:.1f} s ({speed:.2f} Mvoxel/s)"]
