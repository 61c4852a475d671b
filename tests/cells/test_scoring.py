"""The score counts what it says it counts."""

import numpy as np
import pandas as pd
import pytest
from cell_tables import HEADER, write_table

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import CellFile
from ecc_px.cells.scoring import match, score, score_tables
from ecc_px.errors import UnknownVoxelSize, UnreadableTable


def test_perfect_detections_score_one():
    cells = np.random.default_rng(0).uniform(0, 500, (50, 3))
    result = score(cells[::-1], cells)
    assert (result.precision, result.recall, result.f1, result.median_um, result.rms_um) == (1, 1, 1, 0, 0)


def test_two_detections_of_one_cell_count_once():
    result = score(np.array([[10.0, 10, 10], [12, 10, 10]]), np.array([[10.0, 10, 11]]))
    assert (result.matched, result.precision, result.recall) == (1, 0.5, 1)


def test_nearest_pair_is_matched_first():
    pairs = match(np.array([[0.0, 0, 0], [3, 0, 0]]), np.array([[4.0, 0, 0], [9, 0, 0]]), 20)
    assert (pairs.a.tolist(), pairs.b.tolist(), pairs.distance.tolist()) == ([1, 0], [0, 1], [1, 9])


def test_detection_beyond_the_limit_is_false():
    assert score(np.array([[0.0, 0, 0]]), np.array([[0.0, 0, 10.5]])).matched == 0


def test_nothing_found_is_zero_and_no_error():
    result = score(np.empty((0, 3)), np.array([[1.0, 2, 3]]))
    assert (result.precision, result.recall, result.f1) == (0, 0, 0)
    assert "0 of 1 true cells" in str(result)


def test_errors_and_bias_are_those_of_the_partners():
    truth = np.array([[0.0, 0, 0], [100, 0, 0], [200, 0, 0]])
    result = score(truth + [[0, 0, 3], [0, 4, 0], [0, 0, 0]], truth)
    assert result.median_um == 3
    assert result.rms_um == pytest.approx(np.sqrt(25 / 3))
    assert result.bias_um == pytest.approx((0, 4 / 3, 1))


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.csv"
    pd.DataFrame({"z_um": [12.5], "y_um": [5.0], "x_um": [0.5], "brightness": [3.0]}).to_csv(path, index=False)
    return CellFile(path)


def test_table_of_cells_is_moved_by_half_a_voxel_to_meet_a_truth_from_the_corner(truth, tmp_path):
    found = CellFile(write_table(tmp_path / "cells.csv", ["0.00,4.00,10.00,1,1,1,1"]))
    result = score_tables(found, truth, Grid("cells.csv", (5.0, 2.0, 1.0)), 5.0)
    assert (result.matched, result.median_um) == (1, 0)


def test_two_tables_of_cells_need_no_voxel_size(tmp_path):
    path = write_table(tmp_path / "cells.csv", voxel_um=None)
    result = score_tables(CellFile(path), CellFile(path), Grid(str(path)), 5.0)
    assert (result.f1, result.median_um) == (1, 0)


def test_unknown_voxel_size_is_asked_for(truth, tmp_path):
    found = CellFile(write_table(tmp_path / "cells.csv", voxel_um=None))
    with pytest.raises(UnknownVoxelSize, match="--voxel-um"):
        score_tables(found, truth, Grid(str(found.path)), 5.0)


def test_table_without_positions_is_refused_with_its_columns(truth, tmp_path):
    found = CellFile(write_table(tmp_path / "cells.csv", [], header=HEADER.lower()))
    with pytest.raises(UnreadableTable, match="neither columns X, Y, Z"):
        score_tables(found, truth, Grid("cells.csv"), 5.0)
