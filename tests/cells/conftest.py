"""What all tests of cell finding share: small volumes with objects, and the bytes of their table."""

import numpy as np
import pytest

VOXEL_UM = (7.0, 6.45, 6.5)


@pytest.fixture
def csv_bytes(tmp_path):
    """The bytes that a table is written as."""

    def write(cells):
        return cells.write_csv(tmp_path / "cells.csv", overwrite=True).read_bytes()

    return write


@pytest.fixture
def blobs():
    """(probabilities uint8, raw uint16) with some dozen objects, large, small and touching the border."""
    rng = np.random.default_rng(3)
    coarse = rng.random((9, 10, 12)) > 0.8
    noise = rng.random((27, 30, 36)) > 0.3
    foreground = np.kron(coarse, np.ones((3, 3, 3), bool)) & noise
    raw = rng.integers(80, 200, foreground.shape) + 500 * foreground
    return np.where(foreground, 230, 40).astype(np.uint8), raw.astype(np.uint16)
