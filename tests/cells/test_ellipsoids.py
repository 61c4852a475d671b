"""Half-axes of objects: as LAPACK has them, to nearly the last digit, equal ones too."""

import numpy as np
import pytest

from ecc_px.cells.ellipsoids import covariances, elongations, volumes


def as_six(matrices):
    """Matrices as zz, yy, xx, zy, zx, yx."""
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    return np.stack([matrices[:, i, j] for i, j in pairs], axis=1)


@pytest.mark.parametrize("alike", ["none", "two small", "two large", "nearly two", "three"])
def test_elongation_is_that_of_lapacks_eigenvalues(alike):
    rng = np.random.default_rng(7)
    axes = np.linalg.qr(rng.normal(size=(3000, 3, 3)))[0]
    spread = np.sort(10 ** rng.uniform(-1, 1.5, (3000, 3)), axis=1)
    if alike == "two small":
        spread[:, 1] = spread[:, 0]
    elif alike == "two large":
        spread[:, 1] = spread[:, 2]
    elif alike == "nearly two":
        spread[:, 1] = spread[:, 0] * (1 + 1e-12)
    elif alike == "three":
        spread[:] = spread[:, :1]
    matrices = np.einsum("nij,nj,nkj->nik", axes, spread, axes)
    scale = np.array([7.0, 6.45, 5.0])
    expected = np.linalg.eigvalsh((matrices + 0.25 * np.eye(3)) * scale[:, None] * scale)
    found = elongations(as_six(matrices), scale, 0.25, False)
    np.testing.assert_allclose(found, np.sqrt(expected[:, 2] / expected[:, 0]), rtol=1e-12)
    in_plane = np.linalg.eigvalsh((matrices * scale[:, None] * scale)[:, 1:, 1:])
    found = elongations(as_six(matrices), scale, 0.0, True)
    np.testing.assert_allclose(found, np.sqrt(in_plane[:, 1] / in_plane[:, 0]), rtol=1e-12)


def test_axes_along_the_grid_are_exact():
    matrices = np.stack([np.diag([4.0, 1.0, 9.0]), np.eye(3)])
    assert elongations(as_six(matrices), np.ones(3), 0.0, False).tolist() == [3.0, 1.0]


def test_moments_of_a_box_are_those_of_the_solid_box():
    z, y, x = (side.ravel() for side in np.indices((2, 3, 5)) + 4)
    indices = np.stack([z, y, x])
    squares = [(indices[i] * indices[j]).sum() for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    covariance = covariances(np.array([30]), indices.sum(axis=1)[None], np.array([squares]))
    np.testing.assert_allclose(covariance, [[4 / 12, 9 / 12, 25 / 12, 0, 0, 0]], atol=1e-12)
    assert volumes(covariance)[0] == pytest.approx(4 / 3 * np.pi * np.sqrt(5**3 * (4 / 12) * (9 / 12) * (25 / 12)))
