"""Components of one block: scipy's, for every connectivity and any width."""

import numpy as np
import pytest
from scipy import ndimage

from ecc_px.cells.runs import STEPS, label_runs


def labels_of(runs):
    labels = np.zeros(runs.shape, np.int64)
    for row, start, stop, component in zip(runs.row, runs.start, runs.stop, runs.component, strict=True):
        labels.reshape(-1, runs.shape[2])[row, start:stop] = component + 1
    return labels


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 33])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 0.8, 1.0])
def test_components_and_their_order_are_those_of_scipy(connectivity, width, density):
    foreground = np.random.default_rng(width).random((6, 7, width)) < density
    structure = ndimage.generate_binary_structure(3, STEPS[connectivity])
    expected, count = ndimage.label(foreground, structure)
    runs = label_runs(foreground, connectivity)
    assert runs.count == count
    assert np.array_equal(labels_of(runs), expected)
