"""Slabs give what the volume gives, and read nothing twice on the way through it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes import Layout
from ecc_px.volumes.blocks import runs_of
from ecc_px.volumes.slabs import Slabs
from ecc_px.volumes.volume import Volume


class Counted(Volume):
    """A volume in memory that remembers which planes were read, and how often."""

    def __init__(self, image: np.ndarray, depth: int | None) -> None:
        self.path, self.name, self.attributes = Path("image"), "image", {}
        chunks = None if depth is None else (1, depth, 4, 4)
        self.layout = Layout("czyx", image.shape, image.dtype, chunks=chunks)
        self.image = image
        self.reads = np.zeros(image.shape[1], int)
        self.damaged = False

    def _read_stored(self, index: tuple[slice, ...]) -> np.ndarray:
        if self.damaged:
            raise UnreadableVolume("image: damaged.")
        self.reads[index[1]] += 1
        return self.image[index].copy()


def slab_of(volume: Volume, begin: int, end: int) -> Any:
    return slice(begin, end), slice(0, volume.shape[1]), slice(2, 9)


@settings(max_examples=60, deadline=None)
@given(
    depth=st.sampled_from([None, 1, 5, 8, 100]),
    planes=st.integers(1, 40),
    capacity=st.integers(0, 20_000),
    pieces=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 20)), min_size=1, max_size=12),
)
def test_what_is_read_is_what_the_volume_holds(depth, planes, capacity, pieces):
    image = np.random.default_rng(0).integers(0, 999, (2, planes, 6, 11), np.uint16)
    slabs = Slabs(Counted(image, depth), capacity)
    for begin, n in pieces:
        begin %= planes
        end = min(begin + n, planes)
        read = slabs.read((slice(begin, end), slice(1, 6), slice(2, 9)))
        np.testing.assert_array_equal(read, image[:, begin:end, 1:6, 2:9])


@pytest.mark.parametrize("depth", [None, 8])
def test_on_the_way_along_z_every_plane_is_read_once(depth):
    volume = Counted(np.zeros((1, 64, 6, 11), np.uint16), depth)
    slabs = Slabs(volume, 4 * 8 * 6 * 11 * 2)
    for run in runs_of((64, 6, 11), (8, 6, 11), (3, 3, 3), 11):
        slabs.read(run.outer)
    assert volume.reads.tolist() == [1] * 64


def test_threads_that_want_the_same_slab_read_it_once():
    volume = Counted(np.zeros((1, 16, 6, 11), np.uint16), 8)
    slabs = Slabs(volume, 10**6)
    together = Barrier(8)

    def read(_: int) -> int:
        together.wait()
        return slabs.read(slab_of(volume, 0, 16)).size

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(8))) == {16 * 6 * 7}
    assert volume.reads.tolist() == [1] * 16


def test_no_more_is_kept_than_there_is_room_for():
    volume = Counted(np.zeros((1, 64, 6, 11), np.uint16), 8)
    slabs = Slabs(volume, 2 * 8 * 6 * 7 * 2)
    for begin in (0, 8, 16, 8, 0):
        slabs.read(slab_of(volume, begin, begin + 8))
    assert volume.reads[[0, 8, 16]].tolist() == [2, 1, 1]


def test_what_could_not_be_read_is_tried_again():
    volume = Counted(np.ones((1, 8, 6, 11), np.uint16), 8)
    slabs = Slabs(volume, 10**6)
    volume.damaged = True
    for _ in range(2):
        with pytest.raises(UnreadableVolume, match="damaged"):
            slabs.read(slab_of(volume, 0, 8))
    volume.damaged = False
    assert slabs.read(slab_of(volume, 0, 8)).all()
