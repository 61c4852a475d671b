"""A brain from its raw volume to its cells: both steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecc_px.cells.table import table_name
from ecc_px.classifiers import Classifier
from ecc_px.errors import UnknownVoxelSize
from ecc_px.pipeline.cells import CellTable, write_cells
from ecc_px.pipeline.predict import Prediction, output_path, predict
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
        Further settings of `predict` and of `find_cells`.
    progress : function of (voxels done, voxels in all), optional
        Of each step in turn.

    Raises
    ------
    UnknownVoxelSize
        Before anything is computed.
    EccPxError
        See `predict` and `find_cells`.
    """
    if resolve_voxel_size(volume, voxel_um)[0] is None:
        raise UnknownVoxelSize(
            f"{volume.path} does not say how large its voxels are, and the table of cells is in µm: "
            "pass --voxel-um Z Y X."
        )
    out_dir = Path(out_dir)
    for output in (output_path(out_dir, volume.name, "probabilities", "hdf5"), out_dir / table_name(volume.name)):
        PartialOutput(output, overwrite=overwrite).refuse_existing()
    common: dict[str, Any] = {"voxel_um": voxel_um, "jobs": jobs, "overwrite": overwrite, "progress": progress}
    predicted = predict(classifier, volume, out_dir, **common, **(prediction or {}))
    table = write_cells(predicted.probabilities, volume, out_dir, **common, **(cells or {}))
    return Brain(predicted, table)
