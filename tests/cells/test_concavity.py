"""The response that parts cells: where an image bends down in every direction."""

import numpy as np
import pytest

from ecc_px.cells.concavity import least_concavity


@pytest.mark.parametrize("shape", [(9, 10, 11), (1, 12, 13)])
def test_it_is_the_largest_eigenvalue_of_the_hessian_with_the_opposite_sign(shape):
    rng = np.random.default_rng(1)
    axes = 3 if shape[0] > 1 else 2
    bend = rng.normal(size=(axes, axes))
    bend = (bend + bend.T) / 2
    voxel = (2.5, 1.0, 0.5)
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * voxel
    places = places[..., 3 - axes :]
    image = 0.5 * np.einsum("...i,ij,...j->...", places, bend, places)
    inner = tuple(slice(1, -1) if n > 1 else slice(None) for n in shape)
    where = np.zeros(shape, bool)
    where[inner] = True
    found = least_concavity(image.astype(np.float32), where, voxel).copy()
    part = least_concavity(image.astype(np.float32), where[inner], voxel, tuple(side.start or 0 for side in inner))
    assert np.array_equal(part, found[inner])
    assert found[inner] == pytest.approx(-np.linalg.eigvalsh(bend)[-1], abs=2e-3)
    assert np.all(found[~where] == -np.inf)


def test_a_dim_ball_on_the_flank_of_a_bright_one_has_a_summit_and_a_tube_has_none():
    z, y, x = np.mgrid[:21, :21, :41].astype(np.float32)
    bright = 10 * np.exp(-((z - 10) ** 2 + (y - 10) ** 2 + (x - 12) ** 2) / 32)
    dim = 3 * np.exp(-((z - 10) ** 2 + (y - 10) ** 2 + (x - 22) ** 2) / 32)
    image = bright + dim
    assert np.all(np.diff(image[10, 10, 12:30]) < 0)  # no summit of brightness
    response = least_concavity(image, np.ones(image.shape, bool), (1, 1, 1))[10, 10].copy()
    summits = [n for n in range(1, 40) if response[n] > max(response[n - 1], response[n + 1], 0.01)]
    assert len(summits) == 2
    assert summits == pytest.approx([12, 22], abs=2)
    tube = np.exp(-((z - 10) ** 2 + (y - 10) ** 2) / 8).astype(np.float32)
    assert least_concavity(tube, np.ones(tube.shape, bool), (1, 1, 1)).max() == pytest.approx(0, abs=1e-6)
