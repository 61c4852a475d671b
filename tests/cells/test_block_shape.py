"""Blocks fit how the volumes are stored."""

import numpy as np
import pytest
from array_volume import ArrayVolume

from ecc_px.cells.block_shape import LARGEST_BLOCK, block_shape_for


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
        ((5, 30000, 30000), None, (1, 30000, 30000)),
    ],
)
def test_blocks_are_made_of_whole_chunks_or_planes(shape, chunks, block):
    assert block_shape_for([volume(shape, chunks)], jobs=1) == block
    assert np.prod(block) <= LARGEST_BLOCK or block[0] == 1


def test_planes_beside_chunks_give_slabs_of_planes():
    shape = (2000, 2900, 1660)
    assert block_shape_for([volume(shape, (64, 64, 64)), volume(shape, None)], jobs=1)[1:] == shape[1:]


@pytest.mark.parametrize(("jobs", "block"), [(2, (320, 320, 320)), (8, (192, 192, 192)), (64, (128, 128, 128))])
def test_many_threads_share_the_memory_of_a_few(jobs, block):
    assert block_shape_for([volume((2000, 3000, 1600), (64, 64, 64))], jobs) == block
