#!/usr/bin/env python
"""Are the exports of `ecc-px cells` what other programs read? Each is read back by its own program and compared.

    python -m venv readers && readers/bin/pip install brainglobe-utils napari nibabel pyarrow pandas
    readers/bin/python scripts/check_exports.py --ecc-px PATH/TO/ecc-px

A table of 20,000 cells is exported by the command; brainglobe-utils, napari's own reader of CSV files, nibabel, pyarrow
and pandas read the files. Prints a line for each, with the reader's version; ends with 1 if anything differs or does
not open. A reader that is not installed is told, and counts as a failure. Not read: precomputed annotations
(neuroglancer 2.40 on PyPI has no reader), and BrainGlobe's CSV, which brainglobe-utils 0.11 writes but does not read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

SHAPE = (300, 400, 500)
VOXEL_UM = (7.0, 6.45, 6.5)
COUNT = 20_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ecc-px", default="ecc-px", help="the command; default: the one on the PATH")
    chosen = arguments.parse_args()
    failed = False
    with TemporaryDirectory(prefix="ecc-px-exports-") as name:
        folder = Path(name)
        table = write_table(folder / "brain_cells.csv")
        for arguments_, file, package, check in CHECKS:
            words = [word.replace("FOLDER", str(folder)) for word in arguments_.split()]
            grid = ["--voxel-um", *map(str, VOXEL_UM), "--shape", *map(str, SHAPE), "--overwrite"]
            command = [chosen.ecc_px, "cells", words[0], str(folder / "brain_cells.csv"), *words[1:], *grid]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True)
                print(f"{file}, read by {package} {version(package)}: {check(folder / file, table)}", flush=True)
            except Exception as error:  # noqa: BLE001 - a reader may raise anything
                said = getattr(error, "stderr", None) or f"{type(error).__name__}: {error}"
                print(f"{file}, to be read by {package}: FAILED: {said.strip()}", flush=True)
                failed = True
    sys.exit(failed)


def write_table(path: Path) -> pd.DataFrame:
    """Cells at random places, with ecc's columns and three more, and a shape and voxel size for the exports."""
    rng = np.random.default_rng(1)
    z, y, x = (rng.uniform(1, n - 1, COUNT) * um for n, um in zip(SHAPE, VOXEL_UM, strict=True))
    delta, volume = rng.gamma(4, 50, COUNT), rng.integers(5, 80, COUNT) * np.prod(VOXEL_UM)
    values = {"X": x, "Y": y, "Z": z, "deltaI": delta, "BG": rng.normal(200, 9, COUNT), "vol": volume}
    values |= {"deltaI_total": delta * volume, "probability": rng.uniform(0.5, 1, COUNT)}
    values |= {"at_border": np.arange(COUNT) % 2}
    table = pd.DataFrame({**values, "object": np.arange(1, COUNT + 1)}).round(2)
    table.to_csv(path, index=False)
    return table


def indices(table: pd.DataFrame) -> np.ndarray:
    """(n, 3) voxel index z, y, x with fraction."""
    return table[["Z", "Y", "X"]].to_numpy() / VOXEL_UM


def whole_voxels(table: pd.DataFrame) -> list[tuple[int, ...]]:
    """x, y, z of the voxel in which each cell lies; BrainGlobe has none below 1."""
    return [tuple(v) for v in np.maximum(np.floor(indices(table) + 0.5), 1).astype(int)[:, ::-1].tolist()]


def same(found: object, expected: object) -> None:
    if not np.array_equal(np.asarray(found), np.asarray(expected)):
        raise ValueError("it was read, but is not what the table has")


def near(found: object, expected: object, within: float) -> None:
    difference = np.abs(np.asarray(found, float) - np.asarray(expected, float))
    if difference.shape != np.shape(expected) or not (difference <= within).all():
        raise ValueError(f"it was read, but is not what the table has (largest difference {difference.max():g})")


def brainglobe(path: Path, table: pd.DataFrame) -> str:
    from brainglobe_utils.IO.cells import get_cells

    cells = get_cells(str(path))
    same([(c.x, c.y, c.z) for c in cells], whole_voxels(table))
    same({c.type for c in cells} == {2}, True)
    told = ""
    if path.suffix == ".yml":
        near([c.metadata["deltaI"] for c in cells], table.deltaI, 0)
        told = ", deltaI among its metadata"
    return f"{len(cells):,} cells of type 2 in their voxels{told}"


def napari(path: Path, table: pd.DataFrame) -> str:
    from napari_builtins.io import napari_get_reader

    reader = napari_get_reader(str(path))
    if reader is None:
        raise ValueError("napari has no reader for it")
    ((places, options, kind),) = reader(str(path))
    same(kind, "points")
    near(places, indices(table), 1e-4)
    near(options["properties"]["deltaI"].astype(float), table.deltaI, 0)
    return f"a layer of {len(places):,} {kind} with the properties {', '.join(options['properties'])}"


def positions(path: Path, table: pd.DataFrame) -> str:
    import nibabel

    image = nibabel.load(path)
    same(np.argwhere(np.asarray(image.dataobj) == 2), sorted(set(whole_voxels(table))))
    size = [s * 1000 for s in nibabel.affines.voxel_sizes(image.affine)]
    near(size, VOXEL_UM[::-1], 1e-3)
    return f"{np.prod(image.shape) / 1e6:.0f} Mvoxel of {' × '.join(f'{s:.2f}' for s in size)} µm"


def density(path: Path, table: pd.DataFrame) -> str:
    import nibabel

    image = nibabel.load(path)
    per_mm3 = np.asarray(image.dataobj)
    along = zip(SHAPE[::-1], VOXEL_UM[::-1], per_mm3.shape, strict=True)
    ends = [np.minimum(100, n * um - 100 * np.arange(boxes)) for n, um, boxes in along]
    cells = per_mm3 * ends[0][:, None, None] * ends[1][:, None] * ends[2] * 1e-9
    near(cells.sum(), COUNT, 0.5)
    return f"{' × '.join(map(str, per_mm3.shape))} boxes, {cells.sum():,.0f} cells in all"


def parquet(path: Path, table: pd.DataFrame) -> str:
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    same(schema.field("deltaI").metadata[b"unit"].decode()[:3], "raw")
    same(pq.read_table(path).to_pandas().to_numpy(), table.to_numpy())
    return f"{len(schema.names)} columns with units, key ecc_px: {schema.metadata[b'ecc_px'].decode()[-70:]}"


def with_pandas(path: Path, table: pd.DataFrame) -> str:
    read = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    near(read.to_numpy(float), table[read.columns].to_numpy(float), 0)
    return f"{len(read):,} rows of {', '.join(read.columns)}"


CHECKS: tuple[tuple[str, str, str, Callable[[Path, pd.DataFrame], str]], ...] = (
    ("export --to brainglobe", "brain_cells.xml", "brainglobe-utils", brainglobe),
    ("export --to brainglobe -o FOLDER/brain_cells.yml", "brain_cells.yml", "brainglobe-utils", brainglobe),
    ("export --to napari", "brain_cells_napari.csv", "napari", napari),
    ("plot", "brain_cells_positions.nii.gz", "nibabel", positions),
    ("plot", "brain_cells_density.nii.gz", "nibabel", density),
    ("export --to parquet", "brain_cells.parquet", "pyarrow", parquet),
    ("export --to parquet", "brain_cells.parquet", "pandas", with_pandas),
    ("export --to cubic", "brain_cells_cubic.csv", "pandas", with_pandas),
)
"""What the command is to make, which file that is, which package reads it, and how."""


if __name__ == "__main__":
    main()
