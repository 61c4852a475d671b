"""The picture of a brain shows what it says, and appears whole or not at all."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from ecc_px.errors import OutputExists
from ecc_px.report.overview import FOUND, TRUE, densest_box, overview, small_picture
from ecc_px.volumes import Layout, create_volume, open_volume

VOXEL_UM = (10.0, 5.0, 5.0)
SHAPE = (12, 100, 120)


@pytest.fixture
def brain(tmp_path):
    rng = np.random.default_rng(5)
    region = tuple(slice(0, n) for n in SHAPE)
    with create_volume(tmp_path / "raw.h5", Layout("zyx", SHAPE, np.dtype("uint16"), VOXEL_UM)) as raw:
        raw.write(region, rng.integers(100, 300, (1, *SHAPE), np.uint16))
    layout = Layout("zyxc", (*SHAPE, 2), np.dtype("uint8"), VOXEL_UM)
    with create_volume(tmp_path / "probabilities.h5", layout) as probabilities:
        probabilities.write(region, rng.integers(0, 255, (2, *SHAPE), np.uint8))
    with open_volume(tmp_path / "raw.h5") as raw, open_volume(tmp_path / "probabilities.h5") as probabilities:
        yield raw, probabilities


def table(*cells):
    return pd.DataFrame(cells, columns=["X", "Y", "Z"], dtype=float)


def has_colour(path, colour):
    pixels = matplotlib.image.imread(path)[..., :3]
    return bool((np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.02).any())


def test_found_and_true_cells_are_drawn(brain, tmp_path):
    path = overview(
        *brain,
        table((300, 250, 60)),
        tmp_path / "overview.png",
        voxel_um=VOXEL_UM,
        truth=np.array([[65.0, 300.0, 350.0]]),
    )
    assert has_colour(path, FOUND)
    assert has_colour(path, TRUE)


def test_truth_is_drawn_only_where_there_is_one(brain, tmp_path):
    path = overview(*brain, table((300, 250, 60)), tmp_path / "overview.png", voxel_um=VOXEL_UM)
    assert not has_colour(path, TRUE)


def test_brain_without_cells_has_a_picture_too(brain, tmp_path):
    path = overview(*brain, table(), tmp_path / "overview.png", voxel_um=VOXEL_UM)
    assert matplotlib.image.imread(path).shape[1] > 1000


def test_existing_picture_is_refused_and_left_alone(brain, tmp_path):
    path = tmp_path / "overview.png"
    path.write_text("mine")
    with pytest.raises(OutputExists, match=r"overview\.png"):
        overview(*brain, table(), path, voxel_um=VOXEL_UM)
    assert path.read_text() == "mine"
    overview(*brain, table(), path, voxel_um=VOXEL_UM, overwrite=True)
    assert [p.name for p in tmp_path.glob("*.png*")] == ["overview.png"]
    assert not list(tmp_path.glob(".overview*"))


def test_close_up_is_where_cells_are_densest_and_inside_the_volume():
    cells = np.array([[15.0, 20, 20], [100, 420, 450], [95, 430, 500]])
    assert densest_box(cells, SHAPE, VOXEL_UM) == (slice(8, 12), slice(20, 100), slice(40, 120))


def test_close_up_without_cells_is_in_the_middle():
    box = densest_box(np.empty((0, 3)), (120, 400, 400), VOXEL_UM)
    assert box == (slice(60, 64), slice(160, 240), slice(160, 240))


def test_a_thumbnail_shows_the_brain_and_its_cells_in_few_pixels() -> None:
    image = np.zeros((900, 600), np.uint16)
    image[300:600] = 1000
    centres = np.array([[0.5, 0.5], [0.999999, 0.999999]])
    small = small_picture(image, centres)
    assert small.shape == (450, 300, 3)
    assert small[10, 10].tolist() == [0, 0, 0]
    red, _, blue = small[225, 150].astype(int)
    assert red - blue > 100
    assert small[225, 10, 0] == small[225, 10, 2] > 150
    assert small[449, 299, 0] > 100
    assert small_picture(image, np.zeros((0, 2))).shape == small.shape
