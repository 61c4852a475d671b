"""Chunks that we decode ourselves are those that HDF5 decodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest
from foreign_files import noise

from ecc_px.volumes import open_volume
from ecc_px.volumes.hdf5_chunks import ChunkCache, Hdf5Array
from ecc_px.volumes.hdf5_file import Hdf5File

SHAPE = (21, 40, 37)
REGIONS = [
    (slice(0, 21), slice(0, 40), slice(0, 37)),
    (slice(20, 21), slice(39, 40), slice(36, 37)),
    (slice(7, 9), slice(15, 33), slice(0, 16)),
    (slice(3, 3), slice(0, 40), slice(0, 37)),
]


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<i2", "uint32", ">f4", "<f4"])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "compression_opts": 9, "shuffle": True},
        {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True},
        {"compression": "gzip", "fletcher32": True},
        {"scaleoffset": 0},
    ],
    ids=lambda filters: "-".join(filters) or "none",
)
def test_every_filter_gives_what_hdf5_gives(filters: dict, dtype: str, tmp_path: Path) -> None:
    if "scaleoffset" in filters and dtype != "uint8":
        filters = filters | {"scaleoffset": 4}
    image = noise(SHAPE, np.dtype(dtype).name).astype(dtype)
    image[:8, :16, :16] = 3
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=image, chunks=(8, 16, 16), **filters)
    with closing(Hdf5File(tmp_path / "a.h5")) as file:
        dataset = file.root["data"]
        array = file.array(dataset)
        for region in REGIONS:
            np.testing.assert_array_equal(array.read(region), dataset[region])
    with open_volume(tmp_path / "a.h5") as volume:
        assert volume.read().dtype.isnative


def test_chunks_that_were_never_written_have_the_fill_value(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", SHAPE, "uint16", chunks=(8, 16, 16), fillvalue=7, compression="gzip")
        dataset[8:16, :16, 16:32] = 5
        assert dataset.id.get_num_chunks() == 1
    with open_volume(tmp_path / "a.h5") as volume:
        expected = np.full(SHAPE, 7, "uint16")
        expected[8:16, :16, 16:32] = 5
        np.testing.assert_array_equal(volume.read()[0], expected)
        assert volume.is_stored((slice(0, 21), slice(15, 16), slice(0, 37)))
        assert not volume.is_stored((slice(0, 8), slice(0, 40), slice(0, 37)))
        assert not volume.is_stored((slice(8, 16), slice(16, 40), slice(16, 32)))


@pytest.mark.parametrize("filters", [{"compression": "gzip"}, {"fletcher32": True}, {}])
def test_what_is_stored_is_known_whoever_decodes_it(filters: dict, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", SHAPE, "uint16", chunks=(8, 16, 16), **filters)[0, 0, 0] = 1
    with open_volume(tmp_path / "a.h5") as volume:
        assert volume.is_stored((slice(7, 9), slice(15, 17), slice(15, 17)))
        assert not volume.is_stored((slice(8, 9), slice(15, 17), slice(15, 17)))


def test_a_chunk_that_was_stored_without_its_filter(tmp_path: Path) -> None:
    image = noise((8, 16, 16), "uint16")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", SHAPE, "uint16", chunks=image.shape, compression="gzip", shuffle=True)
        shuffled = np.frombuffer(image.tobytes(), "uint8").reshape(-1, 2).T.tobytes()
        dataset.id.write_direct_chunk((0, 0, 0), shuffled, 0b10)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["data"][:8, :16, :16], image)
    with open_volume(tmp_path / "a.h5") as volume:
        np.testing.assert_array_equal(volume.read()[0, :8, :16, :16], image)


def test_a_file_with_a_user_block_is_read(tmp_path: Path) -> None:
    image = noise(SHAPE, "uint16")
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file.create_dataset("data", data=image, chunks=(8, 16, 16), compression="gzip")
    with open_volume(tmp_path / "a.h5") as volume:
        np.testing.assert_array_equal(volume.read()[0], image)


def test_threads_share_decoded_chunks_within_the_cache_s_size(tmp_path: Path) -> None:
    image = noise(SHAPE, "uint16")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=image, chunks=(8, 16, 16), compression="gzip")
    cache = ChunkCache(3 * 8 * 16 * 16 * 2)
    regions = REGIONS[:3] * 20
    with (
        closing(Hdf5File(tmp_path / "a.h5")) as file,
        (tmp_path / "a.h5").open("rb") as plain,
        ThreadPoolExecutor(8) as pool,
    ):
        array = Hdf5Array(file.root["data"], plain.fileno(), cache)
        for region, piece in zip(regions, pool.map(array.read, regions), strict=True):
            np.testing.assert_array_equal(piece, image[region])
    assert len(cache) == 3
