"""A shift between channels is recovered between voxels; nothing in common is refused."""

import numpy as np
import pytest
from scipy import ndimage

from ecc_px.cells.channel_shift import estimate_shift, middle, phase_correlation
from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.volumes import Layout, create_volume, open_volume


def tissue(seed, shape=(48, 64, 64)):
    """Texture of several scales."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return sum(ndimage.gaussian_filter(noise, s) / s**-1.5 for s in (1.5, 3, 6)) * 100 + 500


@pytest.mark.parametrize("shift", [(0, 0, 0), (2, -3, 5), (0.5, -1.25, 2.4), (-3.3, 5.7, 0.2)])
def test_shift_is_found_between_voxels_under_another_gain_and_noise(shift):
    a = tissue(1)
    b = 0.3 * ndimage.shift(a, np.negative(shift), order=3, mode="nearest") + 90
    b += np.random.default_rng(2).normal(0, 0.1 * b.std(), b.shape)
    inner = (slice(8, 40), slice(8, 56), slice(8, 56))
    estimate = phase_correlation(a[inner], b[inner])
    assert estimate.voxels == pytest.approx(shift, abs=0.25)
    assert estimate.sharpness > 20


@pytest.fixture
def volume(tmp_path):
    def write(name, array):
        path = tmp_path / name
        with create_volume(path, Layout("zyx", array.shape, np.dtype(np.uint16), (1.0, 1.0, 1.0))) as out:
            out.write(tuple(slice(0, n) for n in array.shape), array.astype(np.uint16)[None])
        return open_volume(path)

    return write


def test_crops_without_anything_in_common_are_refused(volume):
    noise = [np.random.default_rng(seed).integers(0, 1000, (24, 32, 32)) for seed in (1, 2)]
    with volume("a.h5", noise[0]) as a, volume("b.h5", noise[1]) as b, pytest.raises(InvalidSetting, match="--crop"):
        estimate_shift(a, b, middle(a.shape))
    flat = np.full((8, 8, 8), 7)
    with volume("c.h5", flat) as c, pytest.raises(InvalidSetting, match="no structure in common"):
        estimate_shift(c, c, middle(c.shape))


def test_volumes_of_different_shape_are_refused_with_both(volume):
    with (
        volume("a.h5", tissue(1, (8, 8, 8))) as a,
        volume("b.h5", tissue(1, (8, 8, 9))) as b,
        pytest.raises(GridMismatch, match=r"\(8, 8, 9\).*\(8, 8, 8\)"),
    ):
        estimate_shift(a, b, middle(a.shape))


def test_middle_is_clipped_to_the_volume_and_centred_in_its_columns():
    assert middle((10, 1000, 1000)) == (slice(0, 10), slice(308, 692), slice(308, 692))
    assert middle((100, 100, 100), slice(60, 100)) == (slice(18, 82), slice(0, 100), slice(60, 100))
