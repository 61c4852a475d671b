"""What passes the rules stays, byte for byte; what doesn't is counted once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cell_tables import HEADER, ROWS, SHAPE, VOXEL_UM, write_table

from ecc_px.cells import reading
from ecc_px.cells.filtering import Limit, SignalToBackground, cells_inside, filter_cells, parse_limit
from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import CellFile
from ecc_px.errors import GridMismatch, InvalidSetting, OutputExists, UnreadableTable
from ecc_px.volumes import Layout, create_volume, open_volume

GOLDEN = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden" / "seeds"
GRID = Grid("cells.csv", VOXEL_UM, SHAPE)


@pytest.fixture
def cells(tmp_path):
    return CellFile(write_table(tmp_path / "cells.csv"))


def mask_file(path, array, voxel_um):
    layout = Layout("zyx", array.shape, np.dtype(np.uint8), voxel_um)
    with create_volume(path, layout) as out:
        out.write(tuple(slice(0, n) for n in array.shape), array[None])
    return path


def test_kept_rows_keep_their_order_and_their_bytes(cells, tmp_path):
    result = filter_cells(cells, tmp_path / "out.csv", [SignalToBackground(2)])
    # The first has 4; the second no background; the third exactly 2, which is not above 2; the fourth 1.67.
    assert (tmp_path / "out.csv").read_text().splitlines() == [HEADER, ROWS[0], ROWS[1]]
    assert result.kept == 2


def test_unknown_columns_and_odd_number_formats_pass_through(tmp_path):
    row = '1.50,2e0,+3,7,1,1,7,"a, b",yes'
    path = tmp_path / "cells.csv"
    path.write_text(f"{HEADER},region,flag\r\n{row}\r\n", newline="")
    filter_cells(CellFile(path), tmp_path / "out.csv", [Limit("deltaI", low=7, high=7)])
    assert (tmp_path / "out.csv").read_bytes() == path.read_bytes()


def test_each_dropped_row_is_counted_by_the_first_rule_that_drops_it(cells, tmp_path):
    rules = [Limit("deltaI", low=90), SignalToBackground(2), Limit("vol", high=500)]
    result = filter_cells(cells, tmp_path / "out.csv", rules)
    assert result.kept == 0
    assert result.dropped == {"deltaI ≥ 90": 2, "signal to background > 2": 1, "vol ≤ 500": 1}
    assert (tmp_path / "out.csv").read_text() == HEADER + "\n"


def test_row_without_a_number_passes_no_limit_on_it(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("X,Y,Z,p\n1,2,3,\n1,2,3,0.5\n")
    filter_cells(CellFile(path), tmp_path / "out.csv", [Limit("p", high=1)])
    assert (tmp_path / "out.csv").read_text() == "X,Y,Z,p\n1,2,3,0.5\n"


@pytest.mark.skipif(not GOLDEN.exists(), reason="ecc's goldens are not here")
def test_cells_are_those_that_ecc_keeps(tmp_path):
    # ecc_e2e_cells_SBR2.csv is what ecc's filter_cells_by_SBR(…, 2) made of ecc_e2e_cells.csv.
    filter_cells(CellFile(GOLDEN / "ecc_e2e_cells.csv"), tmp_path / "out.csv", [SignalToBackground(2)])
    kept, expected = pd.read_csv(tmp_path / "out.csv"), pd.read_csv(GOLDEN / "ecc_e2e_cells_SBR2.csv")
    pd.testing.assert_frame_equal(kept, expected)


@pytest.mark.parametrize("piece_bytes", [1, 1 << 20])
def test_cells_inside_a_mask_are_those_whose_voxel_is_above_0(cells, tmp_path, monkeypatch, piece_bytes):
    monkeypatch.setattr(reading, "PIECE_BYTES", piece_bytes)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2, 2, 4] = mask[5, 15, 11] = 1  # the last cell, at (5.1, 15, 10.5), belongs to voxel 11 along x
    with open_volume(mask_file(tmp_path / "mask.h5", mask, VOXEL_UM)) as volume:
        inside = cells_inside(cells, volume, GRID)
    assert inside.tolist() == [True, False, False, True]
    filter_cells(cells, tmp_path / "out.csv", [], inside=inside)
    assert (tmp_path / "out.csv").read_text().splitlines() == [HEADER, ROWS[0], ROWS[3]]


def test_coarser_mask_of_the_same_volume_is_laid_over_it(cells, tmp_path):
    coarse = np.zeros((5, 6, 8), np.uint8)
    coarse[0, 0, 0] = coarse[1, 3, 2] = 1
    path = mask_file(tmp_path / "mask.h5", coarse, (28.0, 32.25, 32.5))
    with open_volume(path) as volume:
        assert cells_inside(cells, volume, GRID).tolist() == [True, True, False, True]


def test_mask_of_another_volume_is_refused_with_both_sizes(cells, tmp_path):
    path = mask_file(tmp_path / "mask.h5", np.ones((10, 30, 40), np.uint8), VOXEL_UM)
    with open_volume(path) as volume, pytest.raises(GridMismatch, match=r"70 × 194 × 260 µm.*140 × 194 × 260 µm"):
        cells_inside(cells, volume, GRID)


def test_nothing_is_left_when_a_line_is_bad(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("X,Y,Z\n1,2,3\n1,2,x\n")
    with pytest.raises(UnreadableTable, match="line 3"):
        filter_cells(CellFile(path), tmp_path / "out.csv", [Limit("X", low=0)])
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


def test_existing_output_is_not_replaced(cells, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(OutputExists):
        filter_cells(cells, tmp_path / "out.csv", [Limit("X")])
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_limits_are_read_from_texts():
    assert parse_limit("deltaI = 1e2", lower=True) == Limit("deltaI", low=100)
    assert parse_limit("a=b=3", lower=False) == Limit("a=b", high=3)
    for text in ("deltaI", "deltaI=", "=3", "deltaI=nan", "deltaI=1,5"):
        with pytest.raises(InvalidSetting, match="COLUMN=NUMBER"):
            parse_limit(text, lower=True)


@pytest.mark.parametrize("far", ["1e300", "-1e300", "1e12"])
def test_cell_far_outside_is_not_inside(tmp_path, far):
    cells = CellFile(write_table(tmp_path / "cells.csv", [f"{far},0,0,1,1,1,1"]))
    path = mask_file(tmp_path / "mask.h5", np.ones(SHAPE, np.uint8), VOXEL_UM)
    with open_volume(path) as volume:
        assert cells_inside(cells, volume, GRID).tolist() == [False]
    assert not GRID.contains(GRID.nearest(np.array([[float(far), 0, 0]]))).any()
