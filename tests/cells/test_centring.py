"""The middle of a cell lies in its core, whatever hangs on to it, and is looked for in its own surroundings only."""

import numpy as np
import pytest
from array_volume import ArrayVolume

from ecc_px.cells import find_cells
from ecc_px.cells.centring import Centring
from ecc_px.cells.diameter import BALL, TypicalCell
from ecc_px.cells.objects import Objects

UM = (4.0, 2.0, 2.0)
CELL = TypicalCell(12.0, (12 / BALL,) * 3)


def one_object(voxels, raw):
    """The object that these voxels are, all that the middle depends on."""
    voxels, weight = np.array(voxels), raw[tuple(np.transpose(voxels))].astype(np.int64)
    return Objects.neutral(1).having(
        voxels=np.array([len(voxels)]),
        index_sum=voxels.sum(axis=0)[None],
        lower=voxels.min(axis=0)[None],
        upper=voxels.max(axis=0)[None],
        weight_sum=weight.sum()[None],
        weight_index_sum=(weight[:, None] * voxels).sum(axis=0)[None],
    )


def middle(raw, objects, background=100.0):
    shift = Centring.on(CELL, UM).shifts(raw, objects, np.zeros(3, np.int64), np.array([background]))
    return (objects.weighted_centroid(np.array([background]), np.dtype(np.uint16)) + shift)[0]


def ball_with_a_tail():
    z, y, x = np.indices((16, 24, 40))
    ball = np.exp(-(((z - 8) * 4) ** 2 + ((y - 12) * 2) ** 2 + ((x - 12) * 2) ** 2) / (2 * 4.0**2))
    raw = 100 + 400 * ball
    raw[8, 12, 16:24] += 150
    return raw.astype(np.uint16)


def test_what_hangs_on_to_a_cell_does_not_draw_its_middle_away():
    raw = ball_with_a_tail()
    objects = one_object(np.argwhere(raw > 140), raw)
    centroid = objects.weighted_centroid(np.array([100.0]), raw.dtype)[0]
    assert centroid[2] > 12.4
    assert middle(raw, objects) == pytest.approx([8, 12, 12], abs=0.25)


def test_nothing_brighter_than_the_background_leaves_the_middle_at_the_centroid():
    raw = np.full((16, 24, 40), 100, np.uint16)
    objects = one_object([[8, 12, 12], [8, 12, 13]], raw)
    assert middle(raw, objects).tolist() == [8, 12, 12.5]


def test_the_middle_never_leaves_the_object():
    raw = np.full((16, 24, 40), 110, np.uint16)
    raw[8, 12, 14] = 5000  # a neighbour's
    objects = one_object([[8, 12, 12], [8, 12, 13]], raw)
    assert middle(raw, objects).tolist() == [8, 12, 13]


def test_an_object_whose_light_is_far_from_its_centre_keeps_its_centroid():
    raw = np.full((16, 24, 40), 101, np.uint16)
    raw[8, 12, 39] = 30_000
    objects = one_object([[8, 12, x] for x in range(40)], raw)
    centroid = objects.weighted_centroid(np.array([100.0]), raw.dtype)[0]
    assert centroid[2] > 38
    assert middle(raw, objects).tolist() == centroid.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_what_can_not_be_measured_gives_no_light(bad):
    raw = ball_with_a_tail().astype(np.float32)
    objects = one_object(np.argwhere(raw > 140), raw)
    dark = raw.copy()
    raw[8, 12, 9], dark[8, 12, 9] = bad, 0
    assert middle(raw, objects).tolist() == middle(dark, objects).tolist()


@pytest.mark.parametrize("place", [(0, 12, 12), (15, 0, 12), (8, 12, 39)])
def test_the_window_ends_where_the_volume_does(place):
    z, y, x = np.indices((16, 24, 40))
    away = ((z - place[0]) * 4) ** 2 + ((y - place[1]) * 2) ** 2 + ((x - place[2]) * 2) ** 2
    raw = (100 + 400 * np.exp(-away / (2 * 4.0**2))).astype(np.uint16)
    objects = one_object(np.argwhere(raw > 140), raw)
    found = middle(raw, objects)
    assert np.abs(found - place).max() < np.abs(objects.centroid[0] - place).max()
    assert (found >= objects.lower[0]).all()
    assert (found <= objects.upper[0]).all()


def test_split_cells_have_their_middle_and_whole_components_their_centroid():
    raw = ball_with_a_tail()
    image = ArrayVolume((255 * (raw > 140)).astype(np.uint8))
    off = {}
    for split in ("auto", "none"):
        table = find_cells(image, ArrayVolume(raw), voxel_um=UM, split=split, diameter_um=None).table
        off[split] = abs(table.X[0] - 24)
    assert off["auto"] < 0.5 < 0.8 < off["none"]
