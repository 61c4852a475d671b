"""A brain from its raw volume to its cells: both steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecc_px.cells.finding import check_settings
from ecc_px.cells.table import table_name
from ecc_px.classifiers import Classifier, class_channel
from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.pipeline.cells import CellTable, write_cells
from ecc_px.pipeline.predict import Prediction, predict
from ecc_px.pipeline.settings import PredictionSettings, output_path
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.partial import PartialOutput
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
    prediction: Mapping[str, Any] | None = None,
    cells: Mapping[str, Any] | None = None,
    also_written: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Brain:
    """Write the probability image and the table of cells of one volume.

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
    prediction, cells : mapping, optional
        Further arguments of `predict` and of `find_cells`.
    also_written : paths
        What the caller will write beside the two results; refused like them if it is there already.
    progress : function of (voxels done, voxels in all), optional
        Of each step in turn.

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
    if volume.frames > 1:
        raise InvalidSetting(
            f"{volume.path} has {volume.frames} time points, and cells are found in one: split the file by time."
        )
    if resolve_voxel_size(volume, voxel_um)[0] is None:
        raise UnknownVoxelSize(
            f"{volume.path} does not say how large its voxels are, and the table of cells is in µm: "
            "pass --voxel-um Z Y X."
        )
    out_dir = Path(out_dir)
    probabilities = output_path(out_dir, volume.name, "probabilities", wanted.file_format)
    for output in (probabilities, out_dir / table_name(volume.name), *also_written):
        PartialOutput(output, overwrite=overwrite).refuse_existing()
    common: dict[str, Any] = {"voxel_um": voxel_um, "jobs": jobs, "overwrite": overwrite, "progress": progress}
    predicted = predict(classifier, volume, out_dir, **common, **of_prediction)
    table = write_cells(predicted.probabilities, volume, out_dir, **common, **of_cells)
    return Brain(predicted, table)
