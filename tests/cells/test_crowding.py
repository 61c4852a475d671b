"""A doubtful spot is a cell among many cells and none where there are few, wherever the volume is cut."""

import numpy as np
import pytest
from array_volume import ArrayVolume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecc_px.cells import find_cells
from ecc_px.cells.crowding import MOST, SPARSE_PER_MM3, Crowding
from ecc_px.cells.objects import Objects

UM = (4.0, 2.0, 2.0)
SHAPE = (25, 60, 300)
DIAMETER = 14.0
DENSE_SPOT, SPARSE_SPOT = 40, 270
"""Where two spots of the same voxels lie along x: in the dense end of the volume, and in its empty one."""


def spots_and_cells(*, with_cells=True):
    """(probabilities, raw): round and certain cells at one end of the volume, a long and doubtful spot at either."""
    probabilities, raw = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 100, np.uint16)
    z, y, x = np.ogrid[:5, :9, :9]
    ball = ((z - 2) * 4) ** 2 + ((y - 4) * 2) ** 2 + ((x - 4) * 2) ** 2 <= (DIAMETER / 2) ** 2
    for corner in np.ndindex(4, 5, 8) if with_cells else ():
        at = tuple(slice(a, a + n) for a, n in zip(np.multiply(corner, (6, 12, 12)), ball.shape, strict=True))
        if not at[2].start - 12 < DENSE_SPOT < at[2].stop + 4:
            probabilities[at][ball], raw[at][ball] = 250, 700
    for start in (DENSE_SPOT, SPARSE_SPOT):
        probabilities[12:14, 30:34, start : start + 7], raw[12:14, 30:34, start : start + 7] = 140, 300
    return probabilities, raw


def found(volumes, **how):
    images = (ArrayVolume(volume) for volume in volumes)
    return find_cells(*images, **{"voxel_um": UM, "diameter_um": DIAMETER, "jobs": 1} | how)


def spots_of(cells):
    """Places along x of the doubtful spots that were taken for cells."""
    return cells.table.x_min[cells.table.probability < 0.6].tolist()


@pytest.mark.parametrize("split", ["auto", "maxima", "distance"])
def test_a_doubtful_spot_is_a_cell_among_many_and_none_where_it_is_alone(split):
    cells = found(spots_and_cells(), split=split)
    assert spots_of(cells) == [DENSE_SPOT]
    assert len(cells) > 100
    assert cells.summary.too_small_or_faint == 1
    assert cells.summary.parts == len(cells) + 1


def test_where_nothing_is_certain_nothing_doubtful_is_a_cell():
    cells = found(spots_and_cells(with_cells=False))
    assert len(cells) == 0
    assert cells.summary.too_small_or_faint == 2


def test_what_is_left_out_by_its_volume_makes_nothing_likelier():
    cells = found(spots_and_cells(), max_volume=60)
    assert len(cells) == 0
    assert (cells.summary.too_small_or_faint, cells.summary.too_large > 100) == (2, True)


def test_a_single_plane_has_no_density():
    probabilities, raw = (volume[13:14] for volume in spots_and_cells())
    assert not spots_of(found((probabilities, raw)))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    block=st.tuples(st.integers(6, 25), st.integers(13, 60), st.integers(25, 300)),
    jobs=st.integers(1, 2),
    seed=st.integers(0, 2**32),
)
def test_any_cut_gives_the_bytes_of_the_whole_volume(block, jobs, seed, csv_bytes):
    rng = np.random.default_rng(seed)
    probabilities, raw = spots_and_cells()
    for z, y, x in rng.integers(0, (23, 56, 293), (40, 3)):  # doubtful spots anywhere, many at a border of cubes
        probabilities[z : z + 2, y : y + 4, x : x + 7] = rng.integers(129, 160)
    raw = raw + rng.integers(0, 50, raw.shape).astype(np.uint16)
    whole = found((probabilities, raw), block_shape=SHAPE)
    cut = found((probabilities, raw), block_shape=block, jobs=jobs)
    assert csv_bytes(cut) == csv_bytes(whole)
    assert cut.summary == whole.summary


def cells_at(*centres):
    return Objects.neutral(len(centres)).having(voxels=np.ones(len(centres)), index_sum=np.array(centres))


def test_odds_are_those_of_the_surroundings_and_never_below_one_nor_beyond_the_most():
    crowding = Crowding((100, 100, 1000), (10.0, 10.0, 10.0))  # 1 mm², 10 mm long
    assert np.all(crowding.odds() == 1)
    rng = np.random.default_rng(1)
    in_first_mm = rng.integers(0, 100, (int(2 * SPARSE_PER_MM3), 3))
    crowding.add(cells_at(*in_first_mm))
    crowding.add(cells_at(*[(50, 50, 700)] * 5000))
    odds = crowding.of(cells_at((50, 50, 50), (0, 0, 0), (50, 50, 400), (50, 50, 700), (99, 99, 999)), crowding.odds())
    assert odds[:2] == pytest.approx([2, 2], rel=0.25)
    assert odds[2:].tolist() == [1, MOST, 1]


def test_a_volume_of_few_voxels_and_voxels_larger_than_the_cubes_are_counted_in():
    for shape, voxel_um in (((3, 3, 3), (1.0, 1.0, 1.0)), ((3, 3, 3), (300.0, 250.0, 250.0))):
        crowding = Crowding(shape, voxel_um)
        crowding.add(cells_at((0, 0, 0), (2, 2, 2)))
        assert np.all((crowding.odds() >= 1) & (crowding.odds() <= 3))
