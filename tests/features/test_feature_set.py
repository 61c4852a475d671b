"""Features equal their formulas, computed independently with scipy, whole or in blocks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d

from ecc_px.errors import InvalidSetting, VolumeTooThin
from ecc_px.features import ECC, Feature, FeatureSet
from ecc_px.features.ilastik import FILTER_NAMES, LEAST_SCALE
from ecc_px.filters.gaussian import first_derivative_taps, second_derivative_taps, smoothing_taps
from ecc_px.volumes.blocks import blocks_of

ALL = FeatureSet(tuple(Feature(name, scale) for name in FILTER_NAMES for scale in (0.7, 1.0, 1.6)))


def kernel(order, sigma, window):
    half = [smoothing_taps, first_derivative_taps, second_derivative_taps][order](sigma, window).astype(float)
    return np.concatenate([(-1) ** order * half[:0:-1], half])


def separable(image, orders, sigma, window=2.0):
    for axis, order in enumerate(orders):
        image = correlate1d(image, kernel(order, sigma, window), axis=axis, mode="mirror")
    return image


def reference(image, feature, *, in_2d):
    """The feature's formula in double precision: (z, y, x) → list of columns."""
    if in_2d:
        planes = [formula(plane, feature) for plane in image.astype(float)]
        return [np.stack(column) for column in zip(*planes, strict=True)]
    return formula(image.astype(float), feature)


def formula(image, feature):
    s = feature.scale
    image = separable(image, (0,) * image.ndim, math.sqrt(s * s - 1) if s > 1 else s, 3.5)
    s, n = min(s, 1.0), image.ndim

    def derivative(*axes, of=image, sigma=s):
        return separable(of, tuple(axes.count(a) for a in range(n)), sigma)

    def eigenvalues(element):
        matrix = np.array([[element(*sorted((i, j))) for j in range(n)] for i in range(n)])
        values = np.linalg.eigvalsh(np.moveaxis(matrix, (0, 1), (-2, -1)))
        return [values[..., k] for k in reversed(range(n))]

    gradient = [derivative(a, sigma=s / 2) for a in range(n)]
    return {
        "GaussianSmoothing": lambda: [derivative()],
        "LaplacianOfGaussian": lambda: [sum(derivative(a, a) for a in range(n))],
        "GaussianGradientMagnitude": lambda: [np.sqrt(sum(derivative(a) ** 2 for a in range(n)))],
        "DifferenceOfGaussians": lambda: [derivative() - derivative(sigma=0.66 * s)],
        "HessianOfGaussianEigenvalues": lambda: eigenvalues(derivative),
        "StructureTensorEigenvalues": lambda: eigenvalues(lambda i, j: derivative(of=gradient[i] * gradient[j])),
    }[feature.filter]()


@pytest.mark.parametrize("in_2d", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_features_are_their_formulas(in_2d, dtype):
    image = (np.random.default_rng(0).random((11, 14, 17)) * 250).astype(dtype)
    features = FeatureSet(tuple(Feature(f.filter, f.scale, in_2d) for f in ALL.features))
    expected = np.array([c for f in features.features for c in reference(image, f, in_2d=in_2d)])
    computed = features.compute(image[None])
    assert len(computed) == features.count() == len(features.names())
    size = 250 * np.maximum(1, np.abs(expected).reshape(len(expected), -1).max(axis=1) / 250)
    error = np.abs(computed - expected).reshape(len(expected), -1).max(axis=1) / size
    assert error.max() < 2e-6


def test_channels_are_filtered_by_themselves_and_vary_faster_than_scales():
    image = np.random.default_rng(1).random((2, 6, 12, 13)).astype(np.float32)
    features = FeatureSet((Feature("GaussianSmoothing", 0.7), Feature("HessianOfGaussianEigenvalues", 1.0)))
    both = features.compute(image)
    first, second = (features.compute(channel[None]) for channel in image)
    np.testing.assert_array_equal(both, np.concatenate([first[:1], second[:1], first[1:], second[1:]]))


def test_names_say_scale_dimension_and_column():
    features = FeatureSet((Feature("GaussianSmoothing", 0.3), Feature("StructureTensorEigenvalues", 1.6, True)))
    assert features.names() == [
        "Gaussian Smoothing (σ=0.3)",
        "Structure Tensor Eigenvalues (σ=1.6) in 2D [0]",
        "Structure Tensor Eigenvalues (σ=1.6) in 2D [1]",
    ]


def test_seed_set_has_sixteen_columns_and_reaches_fourteen_voxels():
    assert ECC.count() == 16
    assert ECC.halo() == (14, 14, 14)
    assert ECC.halo(flat=True) == (0, 14, 14)


def test_flat_volume_is_filtered_in_2d():
    image = np.random.default_rng(2).random((1, 1, 20, 21)).astype(np.float32)
    assert ALL.count(flat=True) == 4 * 3 + 2 * 2 * 3
    np.testing.assert_array_equal(
        ALL.compute(image), FeatureSet(tuple(Feature(f.filter, f.scale, True) for f in ALL.features)).compute(image)
    )


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_blockwise_and_strip_by_strip_equal_whole_bit_for_bit(data):
    shape = tuple(data.draw(st.integers(low, high)) for low, high in ((1, 20), (7, 40), (7, 40)))
    core = tuple(data.draw(st.integers(1, n)) for n in shape)
    scales = st.sampled_from([0.3, 0.7, 1.0, 1.6, 2.2])
    feature = st.builds(Feature, st.sampled_from(sorted(FILTER_NAMES)), scales, st.sampled_from([None, False, True]))
    chosen = FeatureSet(tuple(data.draw(st.lists(feature, min_size=1, max_size=4, unique=True))))
    channels = data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    image = (rng.random((channels, *shape)) * 60_000).astype(np.uint16)

    whole = chosen.compute(image)
    blocks = list(blocks_of(shape, core, chosen.halo(flat=shape[0] == 1)))
    for block in blocks[:: max(1, len(blocks) // 12)]:
        core = whole[(slice(None), *block.core)].view(np.uint32)
        outer = image[(slice(None), *block.outer)]
        np.testing.assert_array_equal(chosen.compute(outer, block, shape).view(np.uint32), core)
        strips = [(rows, strip.copy()) for rows, strip in chosen.strips(outer, block, shape)]
        assert [rows.stop for rows, _ in strips[:-1]] == [rows.start for rows, _ in strips[1:]]
        np.testing.assert_array_equal(np.concatenate([strip for _, strip in strips], axis=2).view(np.uint32), core)


@pytest.mark.parametrize("rows", [1, 5])
def test_a_view_with_gaps_is_filled_and_what_lies_between_is_left_alone(rows):
    image = np.random.default_rng(5).random((1, 4, rows, 1), np.float32)
    whole = ALL.compute(image)
    memory = np.full((*whole.shape[:3], 4), -7, np.float32)
    np.testing.assert_array_equal(ALL.compute(image, out=memory[..., :1]), whole)
    assert (memory[..., 1:] == -7).all()


def test_a_strip_holds_few_rows_and_the_next_one_takes_its_memory():
    image = np.random.default_rng(1).random((1, 6, 40, 50), np.float32)
    (block,) = blocks_of(image.shape[1:], image.shape[1:], ECC.halo())
    first, second, last = (features for _, features in ECC.strips(image, block, image.shape[1:]))
    assert (first.shape, last.shape) == ((16, 6, 16, 50), (16, 6, 8, 50))
    assert np.shares_memory(first, second)


@pytest.mark.parametrize("shape", [(12, 15, 20), (1, 15, 20)])
@pytest.mark.parametrize("value", [0.0, 7.0, 1234.5, 65535.0, -3e-5])
def test_constant_block_is_computed_once_with_the_bits_of_the_long_way(shape, value, monkeypatch):
    image = np.full((2, *shape), value, np.float32)
    image[1] += 1
    at_once = ALL.compute(image)
    assert at_once.strides[1:] == (0, 0, 0)
    filled = ALL.compute(image, out=np.empty(at_once.shape, np.float32))
    monkeypatch.setattr("ecc_px.features.feature_set.is_constant", lambda _: False)
    long_way = ALL.compute(image)
    assert min(long_way.strides) > 0
    np.testing.assert_array_equal(at_once.view(np.uint32), long_way.view(np.uint32))
    np.testing.assert_array_equal(filled.view(np.uint32), long_way.view(np.uint32))


def test_one_voxel_that_differs_anywhere_is_seen():
    for place in ((0, 0, 0), (0, 0, 19), (5, 7, 9), (11, 14, 19)):
        image = np.full((12, 15, 20), 40, np.uint16)
        image[place] += 1
        computed = ALL.compute(image[None])
        assert computed.std(axis=(1, 2, 3)).max() > 0


def test_volume_thinner_than_a_scale_is_refused_with_axis_and_scale():
    with pytest.raises(VolumeTooThin, match=r"13 voxels along z.*scale 3\.5 needs 14"):
        ECC.check_extent((13, 100, 100))
    ECC.check_extent((14, 14, 14))
    FeatureSet(tuple(Feature(f.filter, f.scale, True) for f in ECC.features)).check_extent((3, 14, 14))


def test_smallest_scale_gives_numbers_for_every_filter():
    smallest = FeatureSet(tuple(Feature(name, LEAST_SCALE) for name in FILTER_NAMES))
    for flavour in ("ilastik", "vigra"):
        computed = FeatureSet(smallest.features, flavour).compute(np.random.default_rng(0).random((1, 5, 6, 7)))
        assert np.isfinite(computed).all()


def test_feature_that_is_selected_twice_is_refused():
    with pytest.raises(InvalidSetting, match="twice"):
        FeatureSet((Feature("GaussianSmoothing", 1.0), Feature("GaussianSmoothing", 1.0)))


def test_unknown_filters_and_impossible_scales_are_refused():
    with pytest.raises(InvalidSetting, match="Sharpness"):
        Feature("Sharpness", 1.0)
    for scale in (0.0, 0.1, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidSetting, match="scale"):
            Feature("GaussianSmoothing", scale)
