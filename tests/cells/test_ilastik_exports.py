"""Probabilities that real ilastik exported of one brain, as float32 and as uint8 (golden, not part of the project)."""

from pathlib import Path

import pytest

from ecc_px.cells import find_cells

BRAIN = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden" / "ilastik" / "a_brain3d_uint16"

pytestmark = pytest.mark.skipif(not BRAIN.is_dir(), reason="ilastik's golden exports are not distributed")


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
def test_float_and_uint8_exports_give_the_same_cells(threshold, csv_bytes):
    tables = {
        csv_bytes(find_cells(BRAIN / name, BRAIN / "unseen.h5", voxel_um=(6.5, 6.5, 6.5), threshold=threshold, jobs=1))
        for name in ("unseen_probabilities.h5", "unseen_prob_uint8_drange.h5")
    }
    assert len(tables) == 1
    assert len(tables.pop().splitlines()) > 10
