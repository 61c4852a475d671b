"""Blocks fit how the volumes are stored."""

import numpy as np
import pytest
from array_volume import ArrayVolume

from ecc_px.cells.block_shape import LARGEST_BLOCK, VOXELS_AT_WORK, block_shape_for


def volume(shape, chunks):
    return ArrayVolume(np.broadcast_to(np.uint8(0), shape), chunks=chunks)


@pytest.mark.parametrize(
    ("shape", "chunks", "block"),
    [
        ((2000, 3000, 1600), (64, 64, 64), (320, 320, 320)),
        ((2000, 2900, 1660), None, (6, 2900, 1660)),
        ((20, 30, 40), None, (20, 30, 40)),
        ((20, 30, 40), (64, 64, 64), (20, 30, 40)),
        ((1, 9000, 9000), (1, 256, 256), (1, 5888, 5632)),
        ((2000, 2900, 1660), (1, 2900, 1660), (6, 2900, 1660)),
        ((5, 30000, 30000), None, (1, 1118, 30000)),
        ((5, 30000, 30000), (1, 30000, 30000), (1, 1118, 30000)),
    ],
)
def test_blocks_are_made_of_whole_chunks_planes_or_rows(shape, chunks, block):
    assert block_shape_for([volume(shape, chunks)], jobs=1) == block
    assert np.prod(block) <= LARGEST_BLOCK


@pytest.mark.parametrize("raw", [None, (1, 10000, 10000), (1, 64, 10000), (100, 100, 100)])
@pytest.mark.parametrize("jobs", [1, 2, 8, 32])
@pytest.mark.parametrize("extent", [1500, 10000])
def test_chunked_probabilities_stay_whole_beside_any_raw_volume(raw, jobs, extent):
    shape = (2000, extent, extent)
    chunks = None if raw is None else tuple(min(pair) for pair in zip(raw, shape, strict=True))
    block = block_shape_for([volume(shape, (64, 64, 64)), volume(shape, chunks)], jobs)
    assert np.prod(block) * jobs <= VOXELS_AT_WORK
    if raw != (100, 100, 100):
        assert all(side % 64 == 0 or side == n for side, n in zip(block, shape, strict=True))


def test_planes_that_fit_are_read_whole_beside_chunks():
    shape = (2000, 500, 600)
    for raw in (None, (1, 500, 600)):
        assert block_shape_for([volume(shape, (64, 64, 64)), volume(shape, raw)], jobs=2) == (64, 500, 600)


@pytest.mark.parametrize(("jobs", "block"), [(2, (320, 320, 320)), (8, (192, 192, 192)), (64, (128, 128, 128))])
def test_many_threads_share_the_memory_of_a_few(jobs, block):
    assert block_shape_for([volume((2000, 3000, 1600), (64, 64, 64))], jobs) == block
