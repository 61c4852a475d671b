"""Probabilities that real ilastik exported of one brain, as float32 and as uint8 (golden, not part of the project)."""

from pathlib import Path

import numpy as np
import pytest

from ecc_px.cells import find_cells

BRAIN = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden" / "ilastik" / "a_brain3d_uint16"

pytestmark = pytest.mark.skipif(not BRAIN.is_dir(), reason="ilastik's golden exports are not distributed")


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
def test_float_and_uint8_exports_give_the_same_cells(threshold):
    settings = {"voxel_um": (6.5, 6.5, 6.5), "threshold": threshold, "split": "none", "jobs": 1}
    tables = [
        find_cells(BRAIN / name, BRAIN / "unseen.h5", **settings).table
        for name in ("unseen_probabilities.h5", "unseen_prob_uint8_drange.h5")
    ]
    rounded = ["soft_vol", "probability"]
    assert tables[0].drop(columns=rounded).equals(tables[1].drop(columns=rounded))
    assert np.allclose(tables[0].probability, tables[1].probability, atol=0.5 / 255)
    assert len(tables[0]) > 10
