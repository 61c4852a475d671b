"""A synthetic cleared brain with known cells: raw data for demos, tests and measurements.

    python examples/synthetic_brain.py --shape 192 256 256 --seed 7 --out demo/brain.h5

writes `demo/brain.h5` (dataset `data`, uint16, z y x) and `demo/brain_truth.csv`, one row per cell.

The volume is a function of its settings alone. It is drawn in tiles of 64³ voxels, each from random streams
keyed by (seed, what is drawn, tile): the same voxels in whatever order and on however many threads they are
drawn, and a few tiles in memory whatever the size of the volume.

What makes it hard in the way real data is: cells that touch; vessels and neurites as bright as dim cells; an
autofluorescent rim; a background with a gradient, texture and shot noise; a point spread longer in z than in
plane.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import Region, Shape
from ecc_px.volumes.naming import volume_name

TILE = 64
CELLS, FIBRES, NOISE, TEXTURE = range(4)
"""What a random stream draws."""

Index = tuple[int, int, int]
"""A tile's place in the grid of tiles, z y x."""
TRUTH_COLUMNS = ["z_um", "y_um", "x_um", "volume_um3", "brightness", "touching"]


@dataclass(frozen=True)
class Brain:
    """What a synthetic brain is made of. Lengths in µm, intensities in counts, all vectors z, y, x."""

    shape: Shape = (192, 256, 256)
    seed: int = 7
    voxel_um: tuple[float, float, float] = (6.5, 6.5, 6.5)
    cells_per_mm3: float = 2000.0
    touching: float = 0.1
    """Share of cells that get a second one right beside them."""
    cell_radius: float = 7.0
    cell_brightness: float = 900.0
    vessels_per_mm3: float = 120.0
    neurites_per_mm3: float = 400.0
    psf_sigma: tuple[float, float, float] = (5.0, 3.5, 3.5)
    background: float = 190.0
    camera_offset: float = 20.0
    counts_per_photon: float = 2.0
    read_noise: float = 4.0

    @property
    def extent_um(self) -> np.ndarray:
        return np.multiply(self.shape, self.voxel_um)

    @property
    def tiles(self) -> Index:
        """Tiles along z, y, x."""
        z, y, x = (-(-n // TILE) for n in self.shape)
        return z, y, x

    def stream(self, purpose: int, tile: Index = (0, 0, 0)) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, *tile])

    def depth_um(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """About how far a point lies below the surface of two ellipsoidal hemispheres; negative outside."""
        half = self.extent_um / 2
        radii = half * (0.95, 0.95, 0.65)
        height = ((z - half[0]) / radii[0]) ** 2 + ((y - half[1]) / radii[1]) ** 2
        left, right = (np.sqrt(height + ((x - half[2] * side) / radii[2]) ** 2) for side in (0.7, 1.3))
        return (1 - np.minimum(left, right)) * radii.min()


@dataclass(frozen=True)
class Blobs:
    """Ellipsoids of one brightness each: centres and semi-axes (n, 3) in µm."""

    centres: np.ndarray
    axes: np.ndarray
    brightness: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Blobs:
        return Blobs(self.centres[chosen], self.axes[chosen], self.brightness[chosen])


def join(blobs: list[Blobs]) -> Blobs:
    return Blobs(
        np.concatenate([b.centres for b in blobs]),
        np.concatenate([b.axes for b in blobs]),
        np.concatenate([b.brightness for b in blobs]),
    )


def candidate_cells(brain: Brain, tile: Index) -> Blobs:
    """Cells that a tile proposes, singles and touching pairs, before crowding is thinned out."""
    rng = brain.stream(CELLS, tile)
    edge = TILE * np.array(brain.voxel_um)
    n = rng.poisson(brain.cells_per_mm3 / (1 + brain.touching) * edge.prod() * 1e-9)
    first = (rng.random((n, 3)) + tile) * edge
    partnered = rng.random(n) < brain.touching
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    second = first + direction * brain.cell_radius * rng.uniform(1.8, 2.3, (n, 1))
    centres = np.concatenate([first, second[partnered]])
    radius = brain.cell_radius * np.exp(0.15 * rng.normal(size=(len(centres), 1)))
    stretch = 0.15 * rng.normal(size=(len(centres), 3))
    axes = radius * np.exp(stretch - stretch.mean(axis=1, keepdims=True))
    return Blobs(centres, axes, brain.cell_brightness * np.exp(0.5 * rng.normal(size=len(centres))))


def fibres(brain: Brain, tile: Index) -> Blobs:
    """Vessels (thick) and neurites (thin, bright) that begin in a tile: random walks, as strings of beads."""
    rng = brain.stream(FIBRES, tile)
    edge = TILE * np.array(brain.voxel_um)
    steps = int(min(120, edge.min() / 2) / 4)  # no fibre reaches beyond the neighbouring tiles
    strings = []
    for density, radius, brightness in (
        (brain.vessels_per_mm3, (3.0, 6.0), (0.15, 0.5)),
        (brain.neurites_per_mm3, (1.5, 2.5), (0.3, 0.8)),
    ):
        n = rng.poisson(density * edge.prod() * 1e-9)
        heading = rng.normal(size=(n, 1, 3)) + 0.3 * np.cumsum(rng.normal(size=(n, steps, 3)), axis=1)
        heading *= 4 / np.linalg.norm(heading, axis=2, keepdims=True)
        beads = (rng.random((n, 1, 3)) + tile) * edge + np.cumsum(heading, axis=1)
        axes = np.repeat(rng.uniform(*radius, n), steps)
        light = np.repeat(rng.uniform(*brightness, n) * brain.cell_brightness, steps)
        strings.append(Blobs(beads.reshape(-1, 3), np.repeat(axes[:, None], 3, axis=1), light))
    every = join(strings)
    return every[brain.depth_um(*every.centres.T) > 10]


def stamp(canvas: np.ndarray, corner: np.ndarray, voxel_um: np.ndarray, blobs: Blobs) -> None:
    """Draw ellipsoids on a canvas that begins at `corner` µm; where they overlap, the brighter wins."""
    reach = int(np.ceil((blobs.axes / voxel_um).max(initial=0))) + 1
    window = np.arange(-reach, reach + 1)
    place, distance2 = [], []
    for axis in range(3):
        position = (blobs.centres[:, axis] - corner[axis]) / voxel_um[axis]
        voxel = np.floor(position).astype(int)[:, None] + window
        inside = (voxel >= 0) & (voxel < canvas.shape[axis])
        offset = (voxel + 0.5 - position[:, None]) * (voxel_um[axis] / blobs.axes[:, axis, None])
        place.append(np.clip(voxel, 0, canvas.shape[axis] - 1))
        distance2.append(np.where(inside, offset**2, np.inf).astype(np.float32))
    z, y, x = np.ix_(*(range(len(window)),) * 3)
    every = slice(None)
    rho = np.sqrt(distance2[0][every, z] + distance2[1][every, y] + distance2[2][every, x])
    # A soft edge one voxel wide stands for the share of an edge voxel that lies in the cell.
    softness = (blobs.axes / voxel_um).mean(axis=1).astype(np.float32)[:, None, None, None]
    light = np.clip((1 - rho) * softness + 0.5, 0, 1) * blobs.brightness.astype(np.float32)[:, None, None, None]
    flat = np.ravel_multi_index((place[0][every, z], place[1][every, y], place[2][every, x]), canvas.shape)
    np.maximum.at(canvas.reshape(-1), flat, light)


class Painter:
    """Draws the tiles of a brain, from several threads at once; remembers what neighbouring tiles share."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        layers = 4 * brain.tiles[1] * brain.tiles[2]
        self._candidates = lru_cache(layers)(partial(candidate_cells, brain))
        self._fibres = lru_cache(layers)(partial(fibres, brain))
        self.cells = lru_cache(layers)(self._cells)
        rng = brain.stream(TEXTURE)
        wavelength = np.geomspace(30, 1500, 40)[:, None]
        direction = rng.normal(size=(40, 3))
        self._waves = 2 * np.pi * direction / np.linalg.norm(direction, axis=1, keepdims=True) / wavelength
        self._phases = rng.uniform(0, 2 * np.pi, 40)
        self._gradient = rng.uniform(-0.2, 0.2, 3)

    def neighbours(self, tile: Index) -> Iterator[Index]:
        """A tile and those around it that exist."""
        ranges = (range(max(0, i - 1), min(n, i + 2)) for i, n in zip(tile, self.brain.tiles, strict=True))
        yield from product(*ranges)

    def _cells(self, tile: Index) -> Blobs:
        """The cells a tile owns: inside the brain, and none closer than 1.7 radii to a brighter one."""
        own = self._candidates(tile)
        every = join([own, *(self._candidates(t) for t in self.neighbours(tile) if t != tile)])
        keep = self.brain.depth_um(*every.centres.T) > 2 * self.brain.cell_radius
        pairs = cKDTree(every.centres).query_pairs(1.7 * self.brain.cell_radius, output_type="ndarray")
        # Every tile that sees a crowded pair decides alike, because brightness belongs to the pair alone.
        dimmer = np.where(every.brightness[pairs[:, 0]] < every.brightness[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
        keep[dimmer] = False
        return own[keep[: len(own.brightness)]]

    def background(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Tissue without cells at coordinates in µm: gradient, texture, bright rim; nothing outside."""
        # cos(a + b + c) for 40 plane waves as one matrix product, and continuous across tiles.
        along = [np.exp(1j * np.outer(k, g)) for k, g in zip(self._waves.T, (z, y, x), strict=True)]
        plane = np.einsum("ky,kx,k->kyx", along[1], along[2], np.exp(1j * self._phases)).reshape(40, -1)
        texture = (along[0].T.real @ plane.real - along[0].T.imag @ plane.imag).reshape(len(z), len(y), len(x))
        grid = np.ix_(z, y, x)
        slope = sum(g * (p / e - 0.5) for g, p, e in zip(self._gradient, grid, self.brain.extent_um, strict=True))
        depth = self.brain.depth_um(*grid).astype(np.float32)
        tissue = 1 / (1 + np.exp(-np.clip(depth / 4, -30, 30)))
        rim = 0.8 * np.exp(-np.abs(depth) / 12)
        return self.brain.background * np.maximum(1 + slope + 0.035 * texture, 0.2) * tissue * (1 + rim)

    def tile(self, tile: Index) -> np.ndarray:
        """One tile of raw data, uint16; smaller than 64³ at the far faces of the volume."""
        brain = self.brain
        voxel_um = np.array(brain.voxel_um)
        sigma = np.array(brain.psf_sigma) / voxel_um
        margin = np.ceil(4 * sigma).astype(int) + 1
        first = np.array(tile) * TILE
        canvas = np.zeros(TILE + 2 * margin, np.float32)
        corner = (first - margin) * voxel_um
        far = corner + canvas.shape * voxel_um
        for kind in (self._fibres, self.cells):
            blobs = join([kind(t) for t in self.neighbours(tile)])
            reach = blobs.axes.max(initial=0)
            near = ((blobs.centres > corner - reach) & (blobs.centres < far + reach)).all(axis=1)
            stamp(canvas, corner, voxel_um, blobs[near])
        inner = tuple(slice(m, m + TILE) for m in margin)
        light = gaussian_filter(canvas, sigma, truncate=4, mode="constant")[inner]
        light = light + self.background(
            *((f + np.arange(TILE) + 0.5) * v for f, v in zip(first, voxel_um, strict=True))
        )
        rng = brain.stream(NOISE, tile)
        counts = rng.poisson(light / brain.counts_per_photon) * np.float32(brain.counts_per_photon)
        counts += rng.standard_normal(counts.shape, np.float32) * np.float32(brain.read_noise)
        raw = np.clip(np.rint(counts + brain.camera_offset), 0, 65535).astype(np.uint16)
        return raw[tuple(slice(0, n - f) for n, f in zip(brain.shape, first, strict=True))]

    def truth(self, tile: Index) -> list[list[float]]:
        """Rows of the truth table (`TRUTH_COLUMNS`) for the cells that a tile owns."""
        near = join([self.cells(t) for t in self.neighbours(tile)])
        own = self.cells(tile)
        if not len(own.brightness):
            return []
        to_nearest = np.asarray(cKDTree(near.centres).query(own.centres, k=[2])[0])[:, 0]
        touching = to_nearest < 2.4 * self.brain.cell_radius
        volume = 4 / 3 * np.pi * own.axes.prod(axis=1)
        return np.column_stack([own.centres, volume, own.brightness, touching]).tolist()


def rows_of_tiles(brain: Brain, threads: int) -> Iterator[list[tuple[Index, np.ndarray, list[list[float]]]]]:
    """Every tile with its truth, a row along x at a time, so that no more than a row waits in memory."""
    painter = Painter(brain)
    deep, high, wide = brain.tiles
    with ThreadPoolExecutor(threads) as pool:
        for z, y in product(range(deep), range(high)):
            row = [(z, y, x) for x in range(wide)]
            yield list(zip(row, pool.map(painter.tile, row), map(painter.truth, row), strict=True))


def place_of(tile: Index, raw: np.ndarray) -> Region:
    """The region of the volume that a tile fills."""
    z, y, x = (slice(i * TILE, i * TILE + n) for i, n in zip(tile, raw.shape, strict=True))
    return z, y, x


def draw(brain: Brain, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A small brain in memory: raw (z, y, x) uint16 and the truth table, columns `TRUTH_COLUMNS`."""
    raw = np.empty(brain.shape, np.uint16)
    truth = []
    for row in rows_of_tiles(brain, threads):
        for tile, voxels, cells in row:
            raw[place_of(tile, voxels)] = voxels
            truth += cells
    return raw, np.array(truth).reshape(-1, len(TRUTH_COLUMNS))


def write(brain: Brain, path: Path, threads: int = os.cpu_count() or 1) -> Path:
    """Write a brain of any size and, beside it, its truth table, whose path is returned."""
    truth_path = path.with_name(f"{volume_name(path)}_truth.csv")
    layout = Layout("zyx", brain.shape, np.dtype(np.uint16), brain.voxel_um)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        create_volume(path, layout, compression="none", dataset="data", overwrite=True) as volume,
        truth_path.open("w", newline="") as table,
    ):
        rows = csv.writer(table)
        rows.writerow(TRUTH_COLUMNS)
        for row in rows_of_tiles(brain, threads):
            for tile, voxels, cells in row:
                volume.write(place_of(tile, voxels), voxels[None])
                rows.writerows([f"{value:.6g}" for value in cell] for cell in cells)
    return truth_path


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a synthetic cleared brain with known cells.")
    parser.add_argument("--out", type=Path, required=True, help="image to write, e.g. brain.h5")
    parser.add_argument("--shape", type=int, nargs=3, default=Brain.shape, metavar=("Z", "Y", "X"))
    parser.add_argument("--voxel-um", type=float, nargs=3, default=Brain.voxel_um, metavar=("Z", "Y", "X"))
    parser.add_argument("--seed", type=int, default=Brain.seed)
    parser.add_argument("--cells-per-mm3", type=float, default=Brain.cells_per_mm3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    brain = Brain(
        shape=tuple(chosen.shape),
        voxel_um=tuple(chosen.voxel_um),
        seed=chosen.seed,
        cells_per_mm3=chosen.cells_per_mm3,
    )
    truth = write(brain, chosen.out, chosen.threads)
    with truth.open() as table:
        print(f"{chosen.out}: {sum(1 for _ in table) - 1} cells, listed in {truth}")


if __name__ == "__main__":
    main()
