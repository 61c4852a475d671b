"""The generator keeps the promises that demos and measurements rest on."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from synthetic_brain import TILE, TRUTH_COLUMNS, Brain, Painter, draw, place_of, write

from ecc_px.volumes import open_volume

BRAIN = Brain(shape=(80, 96, 130), seed=3, cells_per_mm3=4000)


@pytest.fixture(scope="module")
def drawn():
    return draw(BRAIN)


def test_threads_and_order_do_not_change_a_voxel(drawn):
    raw, truth = drawn
    threaded, threaded_truth = draw(BRAIN, threads=3)
    np.testing.assert_array_equal(threaded, raw)
    np.testing.assert_array_equal(threaded_truth, truth)
    backwards = Painter(BRAIN)
    for tile in reversed(list(product(*map(range, BRAIN.tiles)))):
        voxels = backwards.tile(tile)
        np.testing.assert_array_equal(raw[place_of(tile, voxels)], voxels)


def test_tiles_join_without_a_seam():
    noiseless = replace(BRAIN, counts_per_photon=1e-3, read_noise=0.0)
    raw = draw(noiseless)[0].astype(float)
    across = np.abs(np.diff(raw, axis=2)).mean(axis=(0, 1))
    seam, beside = across[TILE - 1], across[[TILE - 3, TILE - 2, TILE, TILE + 1]]
    assert seam < 1.2 * beside.max()


def test_another_seed_is_another_brain(drawn):
    other, _ = draw(replace(BRAIN, seed=4))
    assert (other != drawn[0]).mean() > 0.5


def test_true_cells_are_bright_spots_in_the_raw_data(drawn):
    raw, truth = drawn
    voxels = np.floor(truth[:, :3] / BRAIN.voxel_um).astype(int)
    at_cells = np.median(raw[tuple(voxels.T)])
    elsewhere = np.median(raw[raw > 100])
    assert len(truth) > 100
    assert at_cells > 1.5 * elsewhere


def test_no_two_cells_share_a_place_but_some_touch(drawn):
    centres = drawn[1][:, :3]
    distance = np.linalg.norm(centres[:, None] - centres, axis=2) + np.diag(np.full(len(centres), np.inf))
    assert distance.min() >= 1.7 * BRAIN.cell_radius
    touching = drawn[1][:, TRUTH_COLUMNS.index("touching")].astype(bool)
    np.testing.assert_array_equal(touching, distance.min(axis=1) < 2.4 * BRAIN.cell_radius)
    assert 0.05 < touching.mean() < 0.7


def test_file_on_disk_is_the_same_brain_with_its_voxel_size(tmp_path, drawn):
    truth_path = write(BRAIN, tmp_path / "brain.h5", threads=2)
    with open_volume(tmp_path / "brain.h5") as volume:
        np.testing.assert_array_equal(volume.read()[0], drawn[0])
        assert (volume.axes, volume.voxel_um) == ("zyx", BRAIN.voxel_um)
    assert truth_path == tmp_path / "brain_truth.csv"
    table = pd.read_csv(truth_path)
    assert list(table) == TRUTH_COLUMNS
    np.testing.assert_allclose(table.to_numpy(), drawn[1], rtol=1e-4)
