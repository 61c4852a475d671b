"""One contract, run over every format and voxel type, on files that other programs' libraries wrote."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from foreign_files import FOREIGN_DTYPES, FOREIGN_WRITERS, VOXEL_UM, noise

from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import blocks_of, whole
from ecc_px.volumes.volume import SUPPORTED_DTYPES

SHAPE = (21, 40, 37)


@pytest.fixture(params=FOREIGN_WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def write(request):
    return request.param


@pytest.mark.parametrize(
    ("write", "dtype"),
    [(write, dtype) for write in FOREIGN_WRITERS for dtype in FOREIGN_DTYPES.get(write, SUPPORTED_DTYPES)],
    ids=lambda value: value if isinstance(value, str) else value.__name__.removeprefix("write_"),
)
def test_every_format_gives_the_same_array_regions_and_facts(write, dtype: str, tmp_path: Path) -> None:
    image = noise(SHAPE, dtype)
    with open_volume(write(tmp_path, image)) as volume:
        assert volume.name == "brain"
        assert volume.shape == SHAPE
        assert (volume.channels, volume.frames) == (1, 1)
        assert volume.dtype == np.dtype(dtype)
        assert volume.dtype.isnative
        assert volume.voxel_um == pytest.approx(VOXEL_UM, rel=1e-5)
        assert {"axes", "voxel size"} <= set(volume.layout.origins)

        everything = volume.read()
        assert everything.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(everything, image[None])
        for region in [
            (slice(0, 1), slice(0, 1), slice(0, 1)),
            (slice(20, 21), slice(39, 40), slice(36, 37)),
            (slice(3, 17), slice(5, 33), slice(15, 18)),
            (slice(0, 21), slice(16, 32), slice(0, 37)),
        ]:
            np.testing.assert_array_equal(volume.read(region, channel=0), image[(None, *region)])


def test_threads_read_what_one_thread_reads(write, tmp_path: Path) -> None:
    image = noise(SHAPE, "uint16")
    regions = [block.core for block in blocks_of(SHAPE, (8, 16, 16))] * 2
    with open_volume(write(tmp_path, image)) as volume, ThreadPoolExecutor(8) as pool:
        for region, piece in zip(regions, pool.map(volume.read, regions), strict=True):
            np.testing.assert_array_equal(piece[0], image[region])


def test_level_of_a_pyramid_by_its_path_has_the_axes_and_voxel_size_of_its_image(tmp_path):
    layout = Layout(axes="tczyx", stored_shape=(1, 2, 6, 8, 300), dtype=np.dtype(np.uint16), voxel_um=(4, 2, 2))
    with create_volume(tmp_path / "brain.ome.zarr", layout) as writer:
        writer.write(whole((6, 8, 300)), np.zeros((2, 6, 8, 300), np.uint16))
    for level in (0, 1):
        image = tmp_path / "brain.ome.zarr"
        with open_volume(image / str(level)) as by_path, open_volume(image, level=level) as by_number:
            assert by_path.layout == by_number.layout
