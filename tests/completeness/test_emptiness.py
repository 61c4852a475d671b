"""What is lost is found in any image that has noise; images that are empty by nature raise no alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from ecc_px.completeness.findings import Finding
from ecc_px.completeness.judging import Seen, judge
from ecc_px.completeness.scanning import scan
from ecc_px.volumes.volume import Layout, Volume

Array = npt.NDArray[Any]

SHAPE = (24, 100, 96)
CHUNKS = [None, (8, 32, 32), (1, 25, 96), (4, 8, 8)]


class ArrayVolume(Volume):
    """An array in memory, as if it were cut into chunks."""

    def __init__(self, array: Array, chunks: tuple[int, ...] | None = None) -> None:
        self.path, self.name, self.attributes = Path("brain"), "brain", {}
        self.layout = Layout("zyx", array.shape, array.dtype, chunks=chunks)
        self._array = array

    def _read_stored(self, index: tuple[slice, ...]) -> Array:
        return self._array[index]


def defects(array: Array, chunks: tuple[int, ...] | None = None) -> list[Finding]:
    volume = ArrayVolume(array, chunks)
    seen = Seen(volume, scan(volume, jobs=1), lambda plane: str(plane[2]), lambda plane: Path("brain"))
    return [finding for finding in judge(seen, allow_missing=False) if not finding.is_warning]


def camera(random: np.random.Generator) -> Array:
    return (random.poisson(80, SHAPE) + random.normal(100, 2, SHAPE)).astype(np.uint16)


def smooth(random: np.random.Generator, sigma: float) -> Array:
    return ndimage.gaussian_filter(random.normal(size=SHAPE), sigma)


def images(seed: int) -> dict[str, Array]:
    """Images that are empty in places, and rightly so."""
    random = np.random.default_rng(seed)
    light = camera(random)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    ragged = smooth(random, 8)
    shape = z**2 + y**2 + x**2 + 1.2 * ragged / np.abs(ragged).max() < 0.7
    stitched = np.zeros(SHAPE, np.uint16)
    for number, (z0, y0, x0) in enumerate([(0, 0, 0), (2, 46, 3), (3, 2, 48), (5, 50, 45)]):
        stitched[z0 : z0 + 18, y0 : y0 + 48, x0 : x0 + 46] = light[:18, :48, :46] + number
    with_gap = light.copy()
    with_gap[:, 40:70, 50:] = 0
    return {
        "masked": np.where(shape, light, 0),
        "drawn mask": shape.astype(np.uint8) * 255,
        "thresholded": np.where(smooth(random, 3) > 0.02, light, 0),
        "sparse": np.where(smooth(random, 2) > 0.09, light, 0),
        "a photon here and there": random.poisson(0.02, SHAPE).astype(np.uint8),
        "dark, 8 bits": random.poisson(0.5, SHAPE).astype(np.uint8),
        "background subtracted": np.clip(light.astype(int) - 182, 0, None).astype(np.uint16),
        "stitched": stitched,
        "with a gap between tiles": with_gap,
    }


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_empty_by_nature_raises_no_alarm(seed: int, chunks: tuple[int, ...] | None) -> None:
    told = {name: found for name, image in images(seed).items() if (found := defects(image, chunks))}
    assert told == {}


@pytest.mark.parametrize("name", ["camera", "masked", "background subtracted"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_lost_inside_is_found(name: str, seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    image = camera(random) if name == "camera" else images(seed)[name]
    plane, size = int(random.integers(9, 15)), SHAPE[1] * SHAPE[2]
    at = plane * size + int(random.uniform(0.35, 0.6) * size)

    blank = image.copy()
    blank[plane] = 0
    assert [(f.kind, f.where) for f in defects(blank)] == [("blank", f"plane {plane}")]

    half = image.copy()
    half.reshape(-1)[at : (plane + 1) * size] = 0
    assert {(f.kind.value, f.where.partition(",")[0]) for f in defects(half)} == {("zero-filled", f"plane {plane}")}

    twice = image.copy()
    twice[plane] = image[plane - 3]
    assert [f.where for f in defects(twice)] == [f"plane {plane - 3} and plane {plane}"]

    holed = image.copy()
    holed[8:16, 32:64, 32:64] = 0
    assert [(f.kind, f.where) for f in defects(holed, (8, 32, 32))] == [("blank", "z 8:16, y 32:64, x 32:64")]


@pytest.mark.parametrize("cut", [0.3, 0.5531, 0.71])
def test_a_file_whose_end_is_zeros_is_found_by_its_last_plane(cut: float) -> None:
    image = camera(np.random.default_rng(7))
    at = int(cut * image.size)
    image.reshape(-1)[at:] = 0
    # The row in which the data end has some; the next one has none.
    plane, row = divmod(-(-at // SHAPE[2]), SHAPE[1])
    (finding,) = defects(image)
    assert finding.kind == "zero-filled"
    assert finding.where == f"plane {plane}, from y {row} on"
