"""The score counts what it says it counts."""

import numpy as np
import pandas as pd
from score import found_positions, match, score


def test_perfect_detections_score_one():
    cells = np.random.default_rng(0).uniform(0, 500, (50, 3))
    result = score(cells[::-1], cells)
    assert (result.precision, result.recall, result.f1, result.position_error_um) == (1, 1, 1, 0)


def test_two_detections_of_one_cell_count_once():
    result = score(np.array([[10.0, 10, 10], [12, 10, 10]]), np.array([[10.0, 10, 11]]))
    assert (result.matched, result.precision, result.recall) == (1, 0.5, 1)


def test_nearest_pair_is_matched_first():
    pairs, distances = match(np.array([[0.0, 0, 0], [3, 0, 0]]), np.array([[4.0, 0, 0], [9, 0, 0]]), 20)
    assert pairs.tolist() == [[1, 0], [0, 1]]
    assert distances.tolist() == [1, 9]


def test_detection_beyond_the_limit_is_false():
    assert score(np.array([[0.0, 0, 0]]), np.array([[0.0, 0, 10.5]])).matched == 0


def test_nothing_found_is_zero_and_no_error():
    result = score(np.empty((0, 3)), np.array([[1.0, 2, 3]]))
    assert (result.precision, result.recall, result.f1) == (0, 0, 0)


def test_table_positions_are_moved_to_the_middle_of_the_voxel(tmp_path):
    pd.DataFrame({"X": [0.0], "Y": [4.0], "Z": [10.0]}).to_csv(tmp_path / "cells.csv", index=False)
    found = found_positions(tmp_path / "cells.csv", (5.0, 2.0, 1.0))
    assert found.tolist() == [[12.5, 5.0, 0.5]]
