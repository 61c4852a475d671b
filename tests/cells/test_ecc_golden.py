"""ecc's own results: what the original program gave on a small volume (golden/seeds, not part of the project).

Objects above the maximal volume are split by ecc, at random, and left out by us: they are not compared.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from array_volume import ArrayVolume

from ecc_px.cells import COLUMNS, find_cells

SEEDS = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden" / "seeds"

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason="the golden files of ecc are not distributed")


@pytest.fixture(scope="module")
def ecc():
    with np.load(SEEDS / "ecc_cellfinder.npz") as file:
        return dict(file)


def rows_of(table):
    """A table's rows as ecc has them, in voxels: a set, since ecc's order is that of its workers."""
    return {tuple(row) for row in table[["X", "Y", "Z", "deltaI", "BG", "vol"]].to_numpy().round(6)}


@pytest.mark.parametrize("block_shape", [None, (7, 20, 13)])
@pytest.mark.parametrize(
    ("golden", "large", "settings"),
    [
        ("cells_obj_mean", 64, {}),
        ("cells_max", 64, {"intensity": "max"}),
        ("cells_local_mean", 64, {"intensity": "local_mean"}),
        ("cells_obj_mean_masked", 64, {"exclude": True}),
        ("cells_obj_mean_thr0.9_min5_max30", 30, {"threshold": 0.9, "min_volume": 5}),
        ("cells_defaults", None, {"intensity": "max"}),
    ],
)
def test_medium_objects_are_those_of_ecc(ecc, golden, large, settings, block_shape):
    settings = {"like": "ecc", "max_volume": large} | settings
    if "exclude" in settings:
        settings["exclude"] = ArrayVolume(ecc["mask"].astype(np.uint8))
    cells = find_cells(
        ArrayVolume(ecc["prob"]),
        ArrayVolume(ecc["raw"]),
        voxel_um=(1, 1, 1),
        block_shape=block_shape,
        jobs=2,
        **settings,
    )
    expected = {tuple(row) for row in ecc[golden].round(6) if large is None or row[5] < large}
    found = {row for row in rows_of(cells.table) if large is None or row[5] < large}
    assert tuple(cells.table.columns) == COLUMNS
    assert len(found) > 10
    assert found == expected


def test_the_six_cells_that_ecc_counts_twice_are_six():
    twice = pd.read_csv(SEEDS / "ecc_TRAP_z_tail_double_count.csv")
    once = twice.drop_duplicates()
    assert (len(twice), len(once)) == (12, 6)
    zyx_um = np.array([7.0, 6.45, 6.45])
    probabilities = np.zeros((55, 50, 50), np.uint8)
    raw = np.full(probabilities.shape, 100, np.uint16)
    for centre in (once[["Z", "Y", "X"]] / zyx_um).round().astype(int).to_numpy():
        ball = tuple(slice(c - 1, c + 2) for c in centre)
        probabilities[ball], raw[ball] = 255, 500
    cells = find_cells(
        ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=tuple(zyx_um), block_shape=(50, 50, 50), like="ecc"
    )
    # ecc multiplied deltaI by voxels, ours by µm³.
    columns = ["X", "Y", "Z", "deltaI", "BG", "vol"]
    assert cells.table[columns].round(2).sort_values(columns).to_numpy().tolist() == (
        once[columns].sort_values(columns).to_numpy().tolist()
    )


def test_the_same_six_are_six_when_they_are_split():
    once = pd.read_csv(SEEDS / "ecc_TRAP_z_tail_double_count.csv").drop_duplicates()
    zyx_um = np.array([7.0, 6.45, 6.45])
    probabilities = np.zeros((55, 50, 50), np.uint8)
    for centre in (once[["Z", "Y", "X"]] / zyx_um).round().astype(int).to_numpy():
        probabilities[tuple(slice(c - 1, c + 2) for c in centre)] = 255
    raw = ArrayVolume(100 + 2 * probabilities.astype(np.uint16))
    for split in ("auto", "maxima", "distance"):
        found = find_cells(
            ArrayVolume(probabilities), raw, voxel_um=tuple(zyx_um), block_shape=(50, 50, 50), split=split
        )
        assert len(found) == 6
