"""The closed forms equal LAPACK's eigenvalues, also where eigenvalues coincide."""

import numpy as np
import pytest

from ecc_px.filters.eigenvalues import eigenvalues_2x2, eigenvalues_3x3

UPPER_3 = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def solve_3x3(matrices):
    elements = np.stack([matrices[:, i, j] for i, j in UPPER_3]).astype(np.float32)
    out = np.empty((3, len(matrices)), np.float32)
    n = np.uintp(len(matrices))
    eigenvalues_3x3(elements.ravel(), np.uintp(0), n, out.ravel(), np.uintp(0), n, len(matrices))
    return out.T


def error_of(matrices):
    """Largest error, relative to each matrix' largest element."""
    matrices = matrices.astype(np.float32)
    expected = np.linalg.eigvalsh(matrices.astype(np.float64))[:, ::-1]
    size = np.abs(matrices).max(axis=(1, 2), initial=1e-30)
    return (np.abs(solve_3x3(matrices) - expected).max(axis=1) / size).max()


def symmetric(rng, n, scale=1.0):
    a = rng.standard_normal((n, 3, 3)) * scale
    return a + a.transpose(0, 2, 1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_random_matrices(scale):
    assert error_of(symmetric(np.random.default_rng(0), 20_000, scale)) < 5e-7


def test_matrices_with_nearly_equal_eigenvalues():
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.standard_normal((5000, 3, 3)))[0]
    values = np.stack([np.full(5000, 3.0), 3 + 10.0 ** rng.uniform(-8, 0, 5000), rng.normal(size=5000)], axis=1)
    assert error_of(rotation @ (values[..., None] * rotation.transpose(0, 2, 1))) < 1e-6


def test_integer_matrices_meet_exact_ties():
    values = np.random.default_rng(2).integers(-2, 3, (20_000, 3, 3))
    assert error_of(values + values.transpose(0, 2, 1)) < 5e-7


def test_zero_and_diagonal_matrices_are_exact():
    diagonal = np.array([np.diag(d) for d in ([0, 0, 0], [4, 4, 4], [1, 3, 2], [-1, 0, 5])], np.float32)
    expected = [[0, 0, 0], [4, 4, 4], [3, 2, 1], [5, 0, -1]]
    np.testing.assert_allclose(solve_3x3(diagonal), expected, atol=1e-6)


def test_eigenvalues_come_largest_first():
    solved = solve_3x3(symmetric(np.random.default_rng(3), 5000))
    assert (np.diff(solved, axis=1) <= 0).all()


def test_2x2_matrices():
    rng = np.random.default_rng(4)
    elements = rng.standard_normal((3, 5000)).astype(np.float32)
    out = np.empty((2, 5000), np.float32)
    n = np.uintp(5000)
    eigenvalues_2x2(elements.ravel(), np.uintp(0), n, out.ravel(), np.uintp(0), n, 5000)
    matrices = elements[[0, 1, 1, 2]].T.reshape(-1, 2, 2).astype(np.float64)
    np.testing.assert_allclose(out[::-1].T, np.linalg.eigvalsh(matrices), atol=2e-6)
