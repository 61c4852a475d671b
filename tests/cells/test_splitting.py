"""Touching cells are parted where a person would part them, and nothing gets lost on the way."""

import numpy as np
import pytest
from array_volume import ArrayVolume

from ecc_px.cells import find_cells

UM = (4.0, 2.0, 2.0)
RADIUS_UM = 7.0


def balls(shape, centres, *, brightness=800, radius_um=RADIUS_UM):
    """(probabilities, raw) of balls that are brightest in the middle; centres in voxels."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    closest = np.full(shape, np.inf)
    for centre in centres:
        parts = [((axis - c) * um) ** 2 for axis, c, um in zip((z, y, x), centre, UM, strict=True)]
        closest = np.minimum(closest, np.sqrt(sum(parts)))
    inside = closest <= radius_um
    raw = 100 + np.where(inside, brightness * (1 - 0.5 * (closest / radius_um) ** 2), 0)
    probability = 1 / (1 + np.exp(np.clip((closest - radius_um) * 2, -30, 30)))
    return (probability * 255).astype(np.uint8), raw.astype(np.uint16)


TWO = [(8, 20, 14), (8, 20, 20)]
THREE_IN_A_ROW = [(8, 20, 12), (8, 20, 18), (8, 20, 24)]


@pytest.mark.parametrize("split", ["auto", "maxima", "distance"])
@pytest.mark.parametrize("centres", [TWO[:1], TWO, THREE_IN_A_ROW])
def test_touching_balls_are_as_many_cells(split, centres):
    probabilities, raw = balls((17, 40, 36), centres)
    whole = find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, split="none")
    cells = find_cells(
        ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, split=split, diameter_um=2 * RADIUS_UM
    )
    assert len(whole) == 1
    found = cells.table.sort_values("X")[["Z", "Y", "X"]].to_numpy()
    assert len(found) == len(centres)
    assert np.abs(found - np.multiply(centres, UM)).max() < 2.0
    assert set(cells.table.object) == {1}
    assert cells.table.voxels.sum() == whole.table.voxels.sum()
    assert cells.table.soft_vol.sum() == pytest.approx(whole.table.soft_vol.sum())


@pytest.mark.parametrize("split", ["auto", "maxima", "distance"])
@pytest.mark.parametrize("block_shape", [None, (5, 7, 6)])
def test_a_flat_object_is_one_cell_however_large(split, block_shape):
    probabilities = np.zeros((14, 30, 30), np.uint8)
    probabilities[3:11, 5:25, 5:25] = 255
    probabilities[5:9, 9:21, 9:21] = 0  # hollow, too
    raw = np.where(probabilities > 0, 65535, 100).astype(np.uint16)
    cells = find_cells(
        ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, split=split, diameter_um=8, block_shape=block_shape
    )
    assert cells.table.voxels.tolist() == [np.count_nonzero(probabilities)]


def test_every_part_is_a_cell_or_counted():
    rng = np.random.default_rng(4)
    probabilities, raw = balls((17, 60, 60), rng.uniform(3, (14, 57, 57), (30, 3)))
    raw += rng.poisson(200, raw.shape).astype(np.uint16)
    sizes = find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM).table.voxels
    low, high = np.percentile(sizes, [20, 80]).astype(int)
    cells = find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, min_volume=low, max_volume=high)
    summary = cells.summary
    assert summary.parts == summary.too_small_or_faint + summary.too_large + summary.cells
    assert min(summary.too_small_or_faint, summary.too_large, summary.cells) > 0
    assert len(cells) == summary.cells
    everything = find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, split="none", connectivity=26)
    assert summary.objects == len(everything)


def test_the_diameter_is_that_of_a_cell_and_not_of_a_cluster_or_a_speck():
    rng = np.random.default_rng(5)
    z, y, x = (14 * np.arange(4) + 8, 26 * np.arange(4) + 14, 26 * np.arange(5) + 14)
    single = np.stack(np.meshgrid(z[:2], y, x, indexing="ij"), -1).reshape(-1, 3)
    clusters = np.concatenate(
        [np.array([(a, b, c), (a, b + 6, c), (a, b, c + 6)]) for a in z[2:] for b in y for c in x]
    )
    probabilities, raw = balls((64, 110, 140), np.concatenate([single, clusters]))
    specks = tuple(rng.integers(0, n, 500) for n in probabilities.shape)
    probabilities[specks] = 255
    cells = find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM)
    assert cells.summary.diameter_um == pytest.approx(2 * RADIUS_UM, rel=0.15)
    assert len(cells) == pytest.approx(len(single) + len(clusters), rel=0.05)


def test_a_2d_image_is_split():
    probabilities, raw = balls((1, 40, 36), [(0, 20, 14), (0, 20, 20)])
    cells = find_cells(
        ArrayVolume(probabilities[0], axes="yx"), ArrayVolume(raw[0], axes="yx"), voxel_um=UM, block_shape=(1, 16, 17)
    )
    assert sorted(cells.table.X) == pytest.approx([28, 40], abs=1.5)
    assert not cells.table.at_border.any()


def test_what_is_stored_in_the_excluded_region_does_not_split_a_cell_beside_it():
    probabilities, raw = balls((17, 40, 36), [(8, 20, 14)])
    image = probabilities.astype(np.float32) / 255
    excluded = np.zeros(image.shape, np.uint8)
    excluded[:, :, 16:] = 1
    settings = {"voxel_um": UM, "exclude": ArrayVolume(excluded), "diameter_um": 2 * RADIUS_UM}
    empty = find_cells(ArrayVolume(np.where(excluded, 0, image)), ArrayVolume(raw), **settings)
    image[excluded > 0] = np.nan
    cells = find_cells(ArrayVolume(image), ArrayVolume(raw), **settings)
    assert cells.table.equals(empty.table)
    assert cells.table.at_excluded.tolist() == [1]
