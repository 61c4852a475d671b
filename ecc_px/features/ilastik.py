"""ilastik's catalogue of features: six filters, each at any scale, exactly as released ilastik computes them.

Everything is smoothed twice: once with (nearly) the scale itself, then by the filter at a scale of at most 1.

    presmoothing  σ = √(scale² − 1), or the scale itself up to 1      kernels cut off at 3.5 σ
    filter        σ = min(scale, 1)                                   kernels cut off at 2 σ

Two flavours exist. Released ilastik computes the structure tensor with fastfilters, whose binding exchanges the two
scales: gradient at σ/2, average at σ. Projects from before (about ilastik 1.2) had vigra's: gradient at σ, average
at σ/2; vigra also has no kernel of radius 0. A project does not say which one it was trained with.
"""

from __future__ import annotations

import math
from typing import Literal

from ecc_px.filters.derivatives import DerivativeScale
from ecc_px.filters.gaussian import HalfKernel, smoothing_taps

Flavour = Literal["ilastik", "vigra"]

PRESMOOTH_WINDOW = 3.5
FILTER_WINDOW = 2.0
NARROW_RATIO = 0.66
"""The second Gaussian of the Difference of Gaussians, relative to the first."""

LEAST_SCALE = 0.2
"""Below it, the kernels of the structure tensor, at half the scale, underflow; ilastik's smallest is 0.3."""

FILTER_NAMES = {
    "GaussianSmoothing": "Gaussian Smoothing",
    "LaplacianOfGaussian": "Laplacian of Gaussian",
    "GaussianGradientMagnitude": "Gaussian Gradient Magnitude",
    "DifferenceOfGaussians": "Difference of Gaussians",
    "StructureTensorEigenvalues": "Structure Tensor Eigenvalues",
    "HessianOfGaussianEigenvalues": "Hessian of Gaussian Eigenvalues",
}
"""The ids in a project file, and the names that ilastik shows."""

EIGENVALUE_FILTERS = ("StructureTensorEigenvalues", "HessianOfGaussianEigenvalues")
"""Filters with a feature for each eigenvalue: 3 of them, 2 in 2-D."""


def presmoothing_taps(scale: float, flavour: Flavour) -> HalfKernel:
    """Kernel of the first smoothing."""
    sigma = math.sqrt(scale**2 - 1) if scale > 1 else scale
    return smoothing_taps(sigma, PRESMOOTH_WINDOW, least_radius=_least_radius(flavour))


def derivative_scale(scale: float, flavour: Flavour) -> DerivativeScale:
    """Kernels of the filters that follow the first smoothing."""
    return _kernels(min(scale, 1.0), flavour)


def structure_tensor_scales(scale: float, flavour: Flavour) -> tuple[DerivativeScale, DerivativeScale]:
    """Kernels of the structure tensor's gradient and of its average."""
    wide, narrow = _kernels(min(scale, 1.0), flavour), _kernels(min(scale, 1.0) / 2, flavour)
    return (narrow, wide) if flavour == "ilastik" else (wide, narrow)


def least_extent(scale: float) -> int:
    """Voxels that ilastik demands along every filtered axis at a scale."""
    return math.ceil(PRESMOOTH_WINDOW * scale) + 1


def _kernels(sigma: float, flavour: Flavour) -> DerivativeScale:
    return DerivativeScale(sigma, FILTER_WINDOW, NARROW_RATIO, _least_radius(flavour))


def _least_radius(flavour: Flavour) -> int:
    return 1 if flavour == "vigra" else 0
