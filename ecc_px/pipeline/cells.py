"""The second step of a brain: from its probability image to a table of cells on disk, with a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecc_px.cells import Cells, find_cells
from ecc_px.cells.finding import effective_settings
from ecc_px.cells.table import UNITS, table_name
from ecc_px.completeness import fingerprint
from ecc_px.pipeline.receipt import describe_volume, forget_receipt, now, write_receipt
from ecc_px.volumes import Volume, open_volume
from ecc_px.volumes.dtypes import LABEL_DTYPES
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.streaming import Progress


@dataclass(frozen=True)
class CellTable:
    """A table of cells, in memory and on disk."""

    path: Path
    cells: Cells


def write_cells(
    probabilities: Volume | str | Path,
    raw: Volume | str | Path,
    out_dir: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    prediction: Mapping[str, Any] | None = None,
    **settings: Any,
) -> CellTable:
    """Find cells and write `<out_dir>/<name>_cells.csv`; the name is the probability image's without `_probabilities`.

    Parameters
    ----------
    probabilities, raw : Volume or path
    out_dir : path
        Made if it does not exist.
    overwrite : bool
    progress : function of (voxels done, voxels in all), optional
    prediction : mapping, optional
        The receipt of a probability image that is not kept, to go into the table's.
    **settings
        Of `ecc_px.find_cells`: threshold, volume limits, voxel size …

    Raises
    ------
    OutputExists
        Before anything is computed.
    EccPxError
        See `ecc_px.find_cells`.
    """
    started = now()
    out_dir = Path(out_dir)
    with ExitStack() as opened:
        if isinstance(probabilities, Volume):
            image = probabilities
        else:
            image = opened.enter_context(open_volume(probabilities, dtypes=LABEL_DTYPES))
        measured = raw if isinstance(raw, Volume) else opened.enter_context(open_volume(raw))
        path = out_dir / table_name(image.name)
        PartialOutput(path, overwrite=overwrite).refuse_existing()
        sources = {
            name: describe_volume(source) | {"fingerprint": fingerprint(source.path)}
            for name, source in (("probabilities", image), ("raw", measured))
        }
        cells = find_cells(image, measured, progress=progress, **settings)
        with write_errors_named(out_dir):
            out_dir.mkdir(parents=True, exist_ok=True)
        forget_receipt(path)
        cells.write_csv(path, overwrite=overwrite)
        content = {
            "columns": list(cells.rows.columns),
            "units": {name: UNITS[name] for name in cells.rows.columns},
            "summary": asdict(cells.summary),
            "warnings": list(cells.warnings),
            "voxel_um_zyx": list(cells.voxel_um),
            **sources,
            "settings": {name: _plain(value) for name, value in effective_settings(image, **settings).items()},
        }
        if prediction is not None:
            content["prediction"] = dict(prediction)
        write_receipt(path, content, started)
    return CellTable(path, cells)


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if isinstance(value, Volume):
        return str(value.path)
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value
