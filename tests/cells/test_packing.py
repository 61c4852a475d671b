"""Millions of cells in little memory: packed and made into a table piece by piece, nothing is lost or changed."""

import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from array_volume import ArrayVolume

from ecc_px.cells import find_cells
from ecc_px.cells.components import Voxels, objects_of_block
from ecc_px.cells.objects import NUMBERS, Objects
from ecc_px.cells.packing import AT_ONCE, PackedObjects

UM = (7.0, 6.45, 6.5)


def any_objects(count, seed):
    """Objects with any numbers, from one byte to eight."""
    rng = np.random.default_rng(seed)
    bits = [int(n) for n in rng.integers(1, 63, NUMBERS)]
    return Objects(np.stack([rng.integers(-(1 << n), 1 << n, count) for n in bits], axis=1))


def assert_equal(one, other):
    assert one.numbers.dtype == np.int64
    assert np.array_equal(one.numbers, other.numbers)


@pytest.fixture
def packed():
    """(the objects in one, the same packed as they came: few, none, many, few)."""
    parts = [any_objects(count, seed) for seed, count in enumerate((3, 0, AT_ONCE + 7, 1, 50))]
    together = PackedObjects()
    for part in parts:
        together.add(part)
    return Objects.concatenated(parts), together


def test_what_is_packed_comes_back_as_it_was(packed):
    objects, together = packed
    assert len(together) == len(objects)
    assert_equal(Objects.concatenated(list(together.pieces())), objects)
    assert np.array_equal(together.column("raw_max"), objects.raw_max)
    for which in (np.array([len(objects) - 1, 0, 2, 2, AT_ONCE]), np.zeros(0, np.int64), together.raster_order()):
        assert_equal(together.take(which), objects.take(which))


def test_objects_can_be_added_after_some_were_taken(packed):
    objects, together = packed
    further = any_objects(9, 9)
    together.add(further)
    assert_equal(together.take(np.arange(len(objects), len(objects) + 9)), further)


def test_what_is_kept_comes_back_as_it_was_and_more_can_be_added(packed):
    objects, together = packed
    further = any_objects(9, 9)
    for limit in (0, -(1 << 62)):  # about half, then all of them
        together.keep(lambda some, limit=limit: some.raw_max >= limit)
    together.add(further)
    expected = Objects.concatenated([objects.take(objects.raw_max >= 0), further])
    assert_equal(Objects.concatenated(list(together.pieces())), expected)
    assert_equal(together.take(np.arange(len(expected))[::-1]), expected.take(np.arange(len(expected))[::-1]))
    together.keep(lambda some: np.zeros(len(some), bool))
    assert len(together) == 0
    assert len(Objects.concatenated(list(together.pieces()))) == len(together.column("first")) == 0


def test_no_objects_are_no_rows():
    nothing = PackedObjects()
    assert len(nothing) == len(nothing.take(nothing.raster_order())) == 0
    assert list(nothing.pieces()) == []


def test_an_object_takes_less_than_half_of_its_eight_byte_numbers():
    rng = np.random.default_rng(0)
    foreground = rng.random((40, 200, 200)) > 0.95
    raw = rng.integers(0, 4000, foreground.shape).astype(np.uint16)
    probability = rng.integers(128, 256, foreground.shape).astype(np.uint8)
    voxels = Voxels(foreground, None, probability).with_raw(raw)
    region = (slice(3000, 3040), slice(5000, 5200), slice(7000, 7200))
    objects = objects_of_block(voxels, region, (4000, 9000, 9000), 6).closed
    full = objects.numbers.nbytes
    tracemalloc.start()
    together = PackedObjects()
    together.add(objects)
    held = len(list(together.pieces())) and tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(objects) > 30_000
    assert held < full / 2


def test_a_table_of_more_rows_than_are_made_at_once_is_the_same_in_memory_and_in_its_file(csv_bytes):
    image = np.zeros((84, 84, 80), np.uint8)
    image[::2, ::2, ::2] = 255
    raw = np.random.default_rng(1).integers(100, 4000, image.shape).astype(np.uint16)
    cells = find_cells(ArrayVolume(image), ArrayVolume(raw), voxel_um=UM, split="none", background="percentile")
    written = pd.read_csv(io.BytesIO(csv_bytes(cells)))
    assert len(cells) == len(written) == 42 * 42 * 40 > AT_ONCE
    assert cells.table.index.equals(written.index)
    assert list(written.columns) == list(cells.rows.columns)
    pd.testing.assert_frame_equal(written, cells.table, check_dtype=False, rtol=0, atol=0.00501)
    assert written.object.tolist() == list(range(1, len(written) + 1))
    assert np.array_equal(cells.table.max_I, raw[::2, ::2, ::2].ravel())
