"""The CSV file: ecc's layout, whole or not at all, never over another by accident."""

import numpy as np
import pandas as pd
import pytest
from array_volume import ArrayVolume

from ecc_px.cells import find_cells
from ecc_px.cells.table import table_name
from ecc_px.errors import OutputExists, OutputFailed


@pytest.fixture
def one_cell():
    image = np.zeros((5, 6, 7), np.uint8)
    image[2, 3, 3:5] = 255
    raw = np.full(image.shape, 100, np.uint16)
    raw[2, 3, 3:5] = 300, 401
    return find_cells(ArrayVolume(image), ArrayVolume(raw), voxel_um=(7.0, 6.45, 6.0), like="ecc")


def test_the_file_is_laid_out_as_ecc_does(one_cell, tmp_path):
    path = one_cell.write_csv(tmp_path / "brain_cells.csv")
    assert path.read_bytes() == (
        b"X,Y,Z,deltaI,BG,vol,deltaI_total\n24.00,19.35,14.00,250.50,100.00,541.80,135720.90\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["brain_cells.csv"]


def test_an_existing_table_stays_unless_told_otherwise(one_cell, tmp_path):
    path = tmp_path / "brain_cells.csv"
    path.write_text("mine")
    with pytest.raises(OutputExists, match="brain_cells"):
        one_cell.write_csv(path)
    assert path.read_text() == "mine"
    one_cell.write_csv(path, overwrite=True)
    assert len(pd.read_csv(path)) == 1


def test_a_table_that_cannot_be_written_leaves_nothing(one_cell, tmp_path):
    with pytest.raises(OutputFailed, match="brain_cells"):
        one_cell.write_csv(tmp_path / "no such folder" / "brain_cells.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_called_as_the_brain():
    assert table_name("brain_probabilities") == "brain_cells.csv"
    assert table_name("prob_image") == "prob_image_cells.csv"
