"""A projection made piece by piece is the projection."""

import numpy as np
import pytest

from ecc_px.report import projection
from ecc_px.report.projection import maximum_projection
from ecc_px.volumes import Layout, create_volume, open_volume


@pytest.fixture
def stored(tmp_path):
    def store(array, axes, chunks=None):
        path = tmp_path / "volume.h5"
        layout = Layout(axes, array.shape, array.dtype, chunks=chunks)
        with create_volume(path, layout, overwrite=True) as writer:
            canonical = layout.to_canonical(array)
            writer.write(tuple(slice(0, n) for n in layout.shape), canonical)
        return open_volume(path)

    return store


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_maximum_along_z_also_below_zero(stored, dtype):
    array = np.random.default_rng(1).normal(-500, 100, (9, 20, 30)).clip(0 if dtype == "uint16" else None)
    array = array.astype(dtype)
    with stored(array, "zyx") as volume:
        image, step = maximum_projection(volume)
    np.testing.assert_array_equal(image, array.max(axis=0))
    assert (step, image.dtype) == (1, array.dtype)


def test_pieces_and_pooling_give_the_maximum_of_each_square(stored, monkeypatch):
    monkeypatch.setattr(projection, "PIECE_BYTES", 1000)
    array = np.random.default_rng(2).integers(0, 60000, (10, 530, 1100), np.uint16)
    with stored(array, "zyx", chunks=(4, 64, 64)) as volume:
        image, step = maximum_projection(volume, longest=400)
    assert step == 3
    padded = np.pad(array.max(axis=0), ((0, 1), (0, 1)))
    np.testing.assert_array_equal(image, padded.reshape(177, 3, 367, 3).max(axis=(1, 3)))


def test_one_channel_is_projected(stored):
    array = np.random.default_rng(3).integers(0, 255, (5, 12, 14, 3), np.uint8)
    with stored(array, "zyxc") as volume:
        image, _ = maximum_projection(volume, channel=2)
    np.testing.assert_array_equal(image, array[..., 2].max(axis=0))


def test_image_without_z_is_its_own_projection(stored):
    array = np.random.default_rng(4).integers(0, 255, (12, 14), np.uint8)
    with stored(array, "yx") as volume:
        np.testing.assert_array_equal(maximum_projection(volume)[0], array)
