"""Blocks own every voxel once, and read what lies around them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecc_px.volumes.blocks import blocks_of, runs_of, shape_of, whole

EXTENTS = st.tuples(*[st.integers(1, 12)] * 3)
HALOS = st.tuples(*[st.integers(0, 4)] * 3)


@given(EXTENTS, EXTENTS, HALOS)
def test_every_voxel_has_one_owner_that_reads_its_surroundings(shape, core, halo):
    owners = np.zeros(shape, int)
    for block in blocks_of(shape, core, halo):
        owners[block.core] += 1
        for c, o, h, n in zip(block.core, block.outer, halo, shape, strict=True):
            assert (o.start, o.stop) == (max(0, c.start - h), min(n, c.stop + h))
        outer = np.arange(np.prod(shape)).reshape(shape)[block.outer]
        np.testing.assert_array_equal(outer[block.core_in_outer], np.arange(np.prod(shape)).reshape(shape)[block.core])
    assert (owners == 1).all()


@given(EXTENTS, EXTENTS, HALOS, st.integers(1, 15))
def test_runs_hold_the_same_blocks_and_read_all_that_they_read(shape, core, halo, longest):
    runs = list(runs_of(shape, core, halo, longest))
    assert sorted(map(str, (b for run in runs for b in run.blocks))) == sorted(map(str, blocks_of(shape, core, halo)))
    for run in runs:
        assert len(run.blocks) == 1 or sum(shape_of(b.core)[2] for b in run.blocks) <= longest
        read = np.zeros(shape, bool)
        read[run.outer] = True
        needed = np.zeros(shape, bool)
        for block in run.blocks:
            needed[block.outer] = True
        np.testing.assert_array_equal(read, needed)


def test_whole_volume_is_a_region():
    assert shape_of(whole((3, 4, 5))) == (3, 4, 5)
