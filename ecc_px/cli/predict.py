"""`ecc-px predict`: apply a classifier to volumes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecc_px.cli.batch import process, warn
from ecc_px.cli.options import (
    Axes,
    Channel,
    Flavour,
    FlavourName,
    Inputs,
    Jobs,
    Level,
    Mask,
    Model,
    OutputFolder,
    Overwrite,
    VoxelUm,
)
from ecc_px.cli.progress import voxel_progress

if TYPE_CHECKING:
    from ecc_px.pipeline import Prediction


class Dtype(StrEnum):
    float32 = "float32"
    uint8 = "uint8"
    uint16 = "uint16"


class Export(StrEnum):
    probabilities = "probabilities"
    segmentation = "segmentation"
    uncertainty = "uncertainty"
    features = "features"


class FileFormat(StrEnum):
    hdf5 = "hdf5"
    ome_zarr = "ome-zarr"
    tiff = "tiff"
    ecc = "ecc"


class Compression(StrEnum):
    gzip = "gzip"
    lzf = "lzf"
    none = "none"


def predict(
    model: Model,
    inputs: Inputs,
    output: OutputFolder,
    dtype: Annotated[
        Dtype, typer.Option(help="Type of probabilities; uint8 and uint16 are rounded, 255 or 65535 is certain.")
    ] = Dtype.float32,
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
    file_format: Annotated[
        FileFormat,
        typer.Option(
            "--format", help="ecc: label 1 alone, uint8, dataset 'probability', as ecc's CellFinder reads it."
        ),
    ] = FileFormat.hdf5,
    compression: Annotated[
        Compression | None, typer.Option(help="Default: the format's own, gzip for HDF5.", show_default=False)
    ] = None,
    mask: Mask = None,
    voxel_um: VoxelUm = None,
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
    flavour: Flavour = FlavourName.ilastik,
    jobs: Jobs = None,
    overwrite: Overwrite = False,
) -> None:
    """Apply a classifier: writes OUTPUT/<name>_probabilities.h5 for each input."""
    from ecc_px.classifiers import load_classifier
    from ecc_px.pipeline import predict as predict_volume
    from ecc_px.volumes import open_volume

    classifier = load_classifier(model, flavour=flavour.value)
    settings: dict[str, Any] = {
        "exports": tuple(e.value for e in export or [Export.probabilities]),
        "dtype": dtype.value,
        "classes": None if classes is None else tuple(name.strip() for name in classes.split(",")),
        "file_format": file_format.value,
        "compression": None if compression is None else compression.value,
        "mask": mask,
        "voxel_um": voxel_um,
        "jobs": jobs,
        "overwrite": overwrite,
    }

    def work(source: Path) -> Prediction:
        with (
            open_volume(source, axes=axes, level=level, channel=channel) as volume,
            voxel_progress(volume.name) as progress,
        ):
            return predict_volume(classifier, volume, output, progress=progress, **settings)

    process(inputs, work, describe)


def describe(prediction: Prediction) -> list[str]:
    """Where the results are, and how long it took."""
    warn(prediction.warnings)
    speed = prediction.voxels / 1e6 / max(prediction.seconds, 1e-3)
    files = ", ".join(str(path) for path in prediction.outputs.values())
    return [f"{files}: {prediction.voxels / 1e6:.1f} Mvoxel in {prediction.seconds:.1f} s ({speed:.2f} Mvoxel/s)"]
