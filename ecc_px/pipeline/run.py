"""A brain from its raw volume to its cells: both steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from ecc_px.cells.finding import check_settings
from ecc_px.cells.table import table_name
from ecc_px.classifiers import Classifier, class_channel
from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.pipeline.cells import CellTable, write_cells
from ecc_px.pipeline.cells_only import for_cells_only
from ecc_px.pipeline.forecast import Forecast
from ecc_px.pipeline.identity import describe_source, versions
from ecc_px.pipeline.predict import Prediction, finished_prediction, predict
from ecc_px.pipeline.receipt import read_receipt
from ecc_px.pipeline.settings import PredictionSettings, output_path
from ecc_px.pipeline.work_folder import ProgressFile, WorkFolder, work_path
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.streaming import Progress
from ecc_px.volumes.voxel_size import resolve_voxel_size


@dataclass(frozen=True)
class Brain:
    """What was made of one brain."""

    prediction: Prediction
    cells: CellTable


def run(
    classifier: Classifier,
    volume: Volume,
    out_dir: str | Path,
    *,
    voxel_um: VoxelUm | None = None,
    jobs: int | None = None,
    overwrite: bool = False,
    keep_probabilities: bool = True,
    prediction: Mapping[str, Any] | None = None,
    cells: Mapping[str, Any] | None = None,
    also_written: Sequence[Path] = (),
    progress: Progress | None = None,
    announce: Callable[[Forecast], None] | None = None,
    finish: Callable[[Brain, bool], None] | None = None,
) -> Brain:
    """Write the probability image and the table of cells of one volume.

    A run that was stopped goes on with the same call: a finished prediction is not made again, a half-finished one
    goes on where it was, and the cells are found anew.

    Parameters
    ----------
    classifier : Classifier
    volume : Volume
    out_dir : path
    voxel_um : (z, y, x) µm, optional
        Default: what the volume's file says.
    jobs : int, optional
        Threads of both steps; default one for each processor.
    overwrite : bool
    keep_probabilities : bool
        If not, the image holds no more than the table takes, one class, and is removed at the end; the cells are the
        same.
    prediction, cells : mapping, optional
        Further arguments of `predict` and of `find_cells`.
    also_written : paths
        What the caller will write beside the two results; refused like them if it is there already.
    progress : function of (voxels done, voxels in all), optional
        Of each step in turn.
    announce : function of a Forecast, optional
        Called before the prediction begins.
    finish : function of (Brain, whether to overwrite), optional
        Writes `also_written`; the run is finished when it returns.

    Raises
    ------
    UnknownVoxelSize, InvalidSetting, OutputExists
        Before anything is computed: whatever would stop the second step stops the first.
    EccPxError
        See `predict` and `find_cells`.
    """
    of_prediction, of_cells = dict(prediction or {}), dict(cells or {})
    wanted = PredictionSettings(
        **{name: value for name, value in of_prediction.items() if name not in ("mask", "check")}
    )
    if "probabilities" not in wanted.exports:
        raise InvalidSetting("Cells are found in a probability image: the export 'probabilities' must be among them.")
    check_settings(voxel_um=voxel_um, jobs=jobs, **of_cells)
    if of_cells.get("input", "auto") not in ("auto", "probabilities"):
        raise InvalidSetting(f"input {of_cells['input']}: run finds cells in the probabilities that it predicts.")
    if of_cells.get("class_") is not None:
        class_channel(classifier.classes, of_cells["class_"])
    if not keep_probabilities:
        of_prediction = for_cells_only(classifier, of_prediction, of_cells)
        if volume.dtype.kind == "f":
            # Where an image is not a number, there are no votes at all, and a person is told how many voxels that are.
            of_prediction["least_votes"] = None
    if volume.frames > 1:
        raise InvalidSetting(
            f"{volume.path} has {volume.frames} time points, and cells are found in one: split the file by time."
        )
    if resolve_voxel_size(volume, voxel_um)[0] is None:
        raise UnknownVoxelSize(
            f"{volume.path} does not say how large its voxels are, and the table of cells is in µm: "
            "pass --voxel-um Z Y X."
        )
    out_dir, voxels = Path(out_dir), prod(volume.shape)
    kept = output_path(out_dir, volume.name, "probabilities", wanted.file_format)
    table_path = out_dir / table_name(volume.name)
    with write_errors_named(out_dir):
        is_new = not out_dir.exists()
        out_dir.mkdir(parents=True, exist_ok=True)
    try:
        with write_errors_named(table_path), WorkFolder(table_path) as work:
            # What this run will write after the prediction may be there already, from an attempt that was stopped.
            identity = _wanted(classifier, volume, voxel_um, of_prediction, of_cells)
            goes_on = work.goes_on_with(identity | {"the image is kept": keep_probabilities}, restart=wanted.restart)
            for output in (table_path, *also_written):
                PartialOutput(output, overwrite=overwrite or goes_on).refuse_existing()
            image_dir = out_dir if keep_probabilities else work.scratch
            common: dict[str, Any] = {"voxel_um": voxel_um, "jobs": jobs}
            predicted = None
            if goes_on or not overwrite or not keep_probabilities:
                made_of = {name: value for name, value in of_prediction.items() if name != "check"}
                predicted = finished_prediction(classifier, volume, image_dir, **common, **made_of)
            if predicted is None:
                if keep_probabilities and not work_path(kept).exists():
                    PartialOutput(kept, overwrite=overwrite).refuse_existing()
                told = progress if keep_probabilities else _also_told(work.clock("predicting", 0, voxels), progress)
                predicted = predict(
                    classifier,
                    volume,
                    image_dir,
                    overwrite=overwrite or not keep_probabilities,
                    progress=told,
                    announce=announce,
                    **common,
                    **of_prediction,
                )
            work.mark()
            table = write_cells(
                predicted.probabilities,
                volume,
                out_dir,
                overwrite=overwrite or goes_on,
                progress=_also_told(work.clock("finding cells", 0, voxels), progress),
                prediction=None if keep_probabilities else read_receipt(predicted.probabilities),
                **common,
                **of_cells,
            )
            brain = Brain(predicted, table)
            if finish is not None:
                finish(brain, overwrite or goes_on)
            work.finish()
            if not keep_probabilities:
                brain = replace(brain, prediction=replace(predicted, outputs={}))
    except BaseException:
        if is_new:
            with suppress(OSError):
                out_dir.rmdir()
        raise
    return brain


def _also_told(clock: ProgressFile, progress: Progress | None) -> Progress:
    """Tell others how far a step is, and the caller."""

    def tell(done: int, total: int) -> None:
        clock.tell(done, total=total)
        if progress is not None:
            progress(done, total)

    return tell


def _wanted(
    classifier: Classifier,
    volume: Volume,
    voxel_um: VoxelUm | None,
    prediction: Mapping[str, Any],
    cells: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the results depend on."""
    aside = ("check", "jobs", "executor", "memory", "restart", "overwrite", "block")
    return {
        "input": describe_source(volume),
        "classifier": classifier.sha256,
        "voxel_um": voxel_um,
        "prediction": {name: str(value) for name, value in prediction.items() if name not in aside},
        "cells": {name: str(value) for name, value in cells.items() if name not in aside},
        "program": versions(),
    }
