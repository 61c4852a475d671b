"""Pairs are one to one, keep the numbers of both tables as written, and may be none."""

import numpy as np
import pandas as pd
import pytest
from cell_tables import HEADER, write_table

from ecc_px.cells import reading
from ecc_px.cells.channel_shift import Shift
from ecc_px.cells.pairing import pair_cells
from ecc_px.cells.reading import CellFile

A = ["10.00,20.00,30.00,5.10,1.00,8.00,40.80", "50.00,20.00,30.00,6.00,1.00,8.00,48.00", "90.00,0,0,7,1,8,56"]
B = ["51.00,20.00,30.00,2.50,1.00,9.00,22.50", "10.00,22.00,30.00,1.50,1.00,9.00,13.50", "10.00,24.00,30.00,1,1,1,1"]


@pytest.fixture
def table(tmp_path):
    def write(name, rows, header=HEADER):
        return CellFile(write_table(tmp_path / name, rows, header, voxel_um=None))

    return write


@pytest.mark.parametrize("method", ["mutual", "assignment"])
@pytest.mark.parametrize("piece_bytes", [1, 1 << 20])
def test_pairs_have_the_numbers_of_both_tables_as_written(table, tmp_path, monkeypatch, method, piece_bytes):
    monkeypatch.setattr(reading, "PIECE_BYTES", piece_bytes)
    pair_cells(table("a.csv", A), table("b.csv", B), tmp_path / "pairs.csv", 10.0, method=method)
    assert (tmp_path / "pairs.csv").read_text().splitlines() == [
        "X,Y,Z,a_deltaI,a_BG,a_vol,a_deltaI_total,b_X,b_Y,b_Z,b_deltaI,b_BG,b_vol,b_deltaI_total,distance_um",
        "10.00,20.00,30.00,5.10,1.00,8.00,40.80,10.00,22.00,30.00,1.50,1.00,9.00,13.50,2.000",
        "50.00,20.00,30.00,6.00,1.00,8.00,48.00,51.00,20.00,30.00,2.50,1.00,9.00,22.50,1.000",
    ]


def test_no_pair_is_a_header(table, tmp_path):
    pairs = pair_cells(table("a.csv", A), table("b.csv", []), tmp_path / "pairs.csv", 10.0)
    assert len(pairs) == 0
    assert pd.read_csv(tmp_path / "pairs.csv").columns[0] == "X"
    assert (tmp_path / "pairs.csv").read_text().count("\n") == 1
    pair_cells(table("a.csv", A), table("b.csv", B), tmp_path / "none.csv", 0.5)
    assert (tmp_path / "none.csv").read_bytes() == (tmp_path / "pairs.csv").read_bytes()


def test_columns_may_stand_in_any_order_and_texts_keep_their_commas(table, tmp_path):
    a = table("a.csv", ['"V1, left",1,2,3'], header="region,Z,Y,X")
    pair_cells(a, table("b.csv", ["3,2,1,x"], header="X,Y,Z,id"), tmp_path / "pairs.csv", 1.0)
    assert (tmp_path / "pairs.csv").read_text() == (
        'X,Y,Z,a_region,b_X,b_Y,b_Z,b_id,distance_um\n3,2,1,"V1, left",3,2,1,x,0.000\n'
    )


def test_each_side_of_the_midline_has_its_own_shift():
    shift = Shift(left=(0, 0, 5), right=(1, 2, 3), midline_um=50)
    moved = shift.applied(np.array([[49.0, 0, 0], [50.0, 0, 0]]))
    assert moved.tolist() == [[54, 0, 0], [53, 2, 1]]
    assert Shift((1, 2, 3)).applied(np.zeros((1, 3))).tolist() == [[3, 2, 1]]


def test_shift_is_added_to_b_before_distances_are_measured(table, tmp_path):
    pairs = pair_cells(
        table("a.csv", ["10,20,30,1,1,1,1"]),
        table("b.csv", ["40,20,30,1,1,1,1"]),
        tmp_path / "pairs.csv",
        5.0,
        shift=Shift((0, 0, -28)),
    )
    assert pairs.distance.tolist() == [2.0]
    assert pd.read_csv(tmp_path / "pairs.csv")["b_X"].tolist() == [40]
