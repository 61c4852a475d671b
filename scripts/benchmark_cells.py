#!/usr/bin/env python
"""How well and how fast cells are found, for every way of splitting, with default settings; prints a table.

    python scripts/benchmark_cells.py [--edge 128] [--seeds 1001] [--methods none maxima auto] [--golden FOLDER]
        [--generator SCRIPT] [--keep FOLDER]

Synthetic brains of two voxel sizes and three densities, half of their cells touching another one, classified by a
forest that was trained on a brain of another seed; and, where the folder exists, three volumes with truth that were
classified elsewhere: two synthetic ones and a real one, whose truth has ambiguous places that count neither way.
--generator draws the brains with another program: a Python file with `P` and `cubic`, functions of shape, seed and
density that describe a brain of either voxel size, and `generate(brain, labels)`, which gives the raw volume, a truth
with z_um, y_um and x_um from the volume's corner, and the cells' numbers voxel by voxel.
--keep draws and classifies each brain once, and takes it from that folder the next time.
Settings were tuned on seeds below 1000. Speeds are Mvoxel per second of one thread, from two files to one of cells.
`components` are our connected components with their shapes and `label` is scipy.ndimage.label without any measuring,
both of the same foreground in memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy import ndimage

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from synthetic_brain import TRUTH_COLUMNS, Brain, draw

from ecc_px.cells import Cells, find_cells
from ecc_px.cells.components import Voxels, objects_of_block
from ecc_px.cells.scoring import match
from ecc_px.features.feature_set import ECC, FeatureSet, selection
from ecc_px.models.forest import Forest
from ecc_px.models.training import train_forest
from ecc_px.volumes import Layout, VoxelUm, create_volume
from ecc_px.volumes.blocks import blocks_of, whole

GOLDEN = Path(__file__).parents[1] / ".." / "shared" / "golden" / "cells"
DENSITIES = (5_000, 20_000, 60_000)
TRAINING_SEED = 1
METHODS = ("none", "maxima", "distance", "auto")

FINE = selection(
    [
        ("GaussianSmoothing", (0.7, 1.6, 3.5)),
        ("GaussianGradientMagnitude", (0.7, 1.6)),
        ("DifferenceOfGaussians", (0.7, 1.6, 3.5)),
        ("HessianOfGaussianEigenvalues", (1.0, 1.6, 3.5)),
    ]
)
"""Features for cells of some hundred voxels; ecc's set is for those of a dozen."""


@dataclass(frozen=True)
class Regime:
    """A way of imaging: the brain, the features that find its cells, and how far off a found cell may be."""

    name: str
    brain: Brain
    features: FeatureSet
    within_um: float


REGIMES = (
    Regime(
        "5/2/2 µm",
        Brain(
            voxel_um=(5.0, 2.0, 2.0), touching=0.5, cell_radius=6.0, cell_brightness=500.0,
            psf_sigma=(4.0, 1.5, 1.5), counts_per_photon=4.0,
        ),
        FINE,
        6.0,
    ),
    Regime("7/6.45 µm", Brain(voxel_um=(7.0, 6.45, 6.45), touching=0.5), ECC, 8.0),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A classified volume with its truth; `counts` is False where a true place is ambiguous or no cell."""

    regime: str
    name: str
    raw: np.ndarray
    probability: np.ndarray
    voxel_um: VoxelUm
    true_um: np.ndarray
    is_cell: np.ndarray
    is_ambiguous: np.ndarray
    within_um: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--edge", type=int, default=128, help="planes, half the rows and columns of a fine brain")
    arguments.add_argument("--seeds", type=int, nargs="*", default=[1001])
    arguments.add_argument("--methods", nargs="+", choices=METHODS, default=["none", "maxima", "auto"])
    arguments.add_argument("--golden", type=Path, default=GOLDEN)
    arguments.add_argument("--generator", type=Path, help="draw brains with another program than ours")
    arguments.add_argument("--keep", type=Path, help="folder for the drawn and classified brains, to be used again")
    chosen = arguments.parse_args()

    rows = []
    compiled_for = set()
    with TemporaryDirectory(prefix="ecc-px-benchmark-") as folder:
        kept = None if chosen.keep is None else chosen.keep / ("ours" if chosen.generator is None else "theirs")
        drawn = synthetic_cases(chosen.seeds, chosen.edge, drawing(chosen.generator), kept)
        for case in chain(golden_cases(chosen.golden), drawn):
            for method in chosen.methods:
                kernels = method, case.raw.dtype, case.probability.dtype
                if kernels not in compiled_for:
                    timed(case, method, Path(folder))
                    compiled_for.add(kernels)
                cells, seconds = timed(case, method, Path(folder))
                row = {"regime": case.regime, "volume": case.name, "split": method} | scored(case, cells)
                rows.append(
                    row
                    | {what: case.raw.size / spent / 1e6 for what, spent in seconds.items()}
                    | {"diameter": cells.summary.diameter_um}
                )
                print("  ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in rows[-1].values()), flush=True)
    table = pd.DataFrame(rows)
    measures = ["F1", "precision", "recall", "error_um", "Mvoxel/s", "components", "label"]
    print("\nMeans:\n" + table.groupby(["regime", "split"])[measures].mean().round(3).to_string())


def golden_cases(folder: Path) -> Iterator[Case]:
    """The volumes that were classified elsewhere, as far as they are there."""
    for name, regime, voxel_um, within_um in (
        ("VA20k", "5/2/2 µm", (5.0, 2.0, 2.0), 6.0),
        ("VC5k", "7/6.45 µm", (7.0, 6.45, 6.45), 8.0),
    ):
        if (folder / f"{name}.npz").is_file():
            with np.load(folder / f"{name}.npz") as file:
                truth = file["truth"]
                true_um = np.column_stack([truth["z_um"], truth["y_um"], truth["x_um"]])
                cell = np.ones(len(true_um), bool)
                yield Case(regime, name, file["raw"], file["prob"], voxel_um, true_um, cell, ~cell, within_um)
    if (folder / "real_light_sheet.npz").is_file():
        truth = pd.read_csv(folder / "real_light_sheet_truth.csv")
        with np.load(folder / "real_light_sheet.npz") as file:
            z, y, x = (float(size) for size in file["voxel_um"])
            true_um = (truth[["z", "y", "x"]].to_numpy() + 0.5) * (z, y, x)
            is_cell, is_ambiguous = (truth.tier.to_numpy() == tier for tier in ("cell", "ambiguous"))
            yield Case("real", "real", file["raw"], file["prob"], (z, y, x), true_um, is_cell, is_ambiguous, 8.0)


Drawing = Callable[[Regime, tuple[int, int, int], int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Of a regime, a shape, a seed and cells per mm³: raw volume, places of the cells in µm, and the voxels of cells."""


def drawing(program: Path | None) -> Drawing:
    """What draws the brains: ours, or another program."""
    if program is None:
        return draw_ours
    spec = importlib.util.spec_from_file_location(program.stem, program)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{program}: it is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)

    def draw_theirs(
        regime: Regime, shape: tuple[int, int, int], seed: int, density: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        of_regime = module.P if regime.features is FINE else module.cubic
        raw, truth, labels = module.generate(of_regime(shape=shape, seed=seed, density=float(density)), True)
        return raw, np.column_stack([truth[name] for name in ("z_um", "y_um", "x_um")]), labels > 0

    return draw_theirs


def draw_ours(
    regime: Regime, shape: tuple[int, int, int], seed: int, density: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A brain of `examples/synthetic_brain.py`."""
    brain = replace(regime.brain, shape=shape, seed=seed, cells_per_mm3=float(density))
    raw, truth = draw(brain)
    return raw, truth[:, :3], painted(raw.shape, truth, brain.voxel_um)


def synthetic_cases(seeds: list[int], edge: int, draw_brain: Drawing, kept: Path | None) -> Iterator[Case]:
    """Brains of all densities, each regime classified by a forest of its own."""
    for regime in REGIMES:
        is_fine = regime.features is FINE
        wide, deep = (2 * edge, edge // 2) if is_fine else (edge, edge)
        forest = None
        for seed in seeds:
            for density in DENSITIES:
                file = kept and kept / f"{'fine' if is_fine else 'coarse'}_{edge}_{seed}_{density}.npz"
                if file and file.is_file():
                    with np.load(file) as brain:
                        raw, true_um, probability = (brain[name] for name in ("raw", "true_um", "probability"))
                else:
                    forest = forest or trained(regime, (min(deep, 64), 128, 128), draw_brain)
                    raw, true_um, _ = draw_brain(regime, (deep, wide, wide), seed, density)
                    probability = classified(forest, regime.features, raw)
                    if file:
                        file.parent.mkdir(parents=True, exist_ok=True)
                        np.savez(file, raw=raw, true_um=true_um, probability=probability)
                cell = np.ones(len(true_um), bool)
                name = f"seed {seed}, {density:,}/mm³"
                voxel_um = regime.brain.voxel_um
                yield Case(regime.name, name, raw, probability, voxel_um, true_um, cell, ~cell, regime.within_um)


def trained(regime: Regime, shape: tuple[int, int, int], draw_brain: Drawing) -> Forest:
    """A forest that knows cells, what lies around them, and what else is bright, of a sparse and a dense brain."""
    rng = np.random.default_rng(TRAINING_SEED)
    samples, labels = [], []
    for density in DENSITIES[:2]:
        raw, _, cells = draw_brain(regime, shape, TRAINING_SEED, density)
        columns = regime.features.compute(raw[None]).reshape(regime.features.count(), -1).T
        cell = cells.ravel()
        bright = ~cell & (raw.ravel() > np.percentile(raw[~cells], 93))
        for among, count, label in ((cell, 2500, 1), (~cell, 4000, 2), (bright, 3500, 2)):
            places = np.flatnonzero(among)
            picked = rng.choice(places, min(count, len(places)), replace=False)
            samples.append(columns[picked])
            labels.append(np.full(len(picked), label))
    return train_forest(np.concatenate(samples), np.concatenate(labels), jobs=1).forest


def painted(shape: tuple[int, ...], truth: np.ndarray, voxel_um: VoxelUm) -> np.ndarray:
    """Voxels whose centre lies in a true cell, each taken for a ball of its volume."""
    mask = np.zeros(shape, bool)
    for row in truth:
        centre = row[:3]
        radius = np.cbrt(row[TRUTH_COLUMNS.index("volume_um3")] * 3 / 4 / np.pi)
        low = np.maximum(np.floor((centre - radius) / voxel_um), 0).astype(int)
        high = np.minimum(np.ceil((centre + radius) / voxel_um), shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [(np.arange(a, b) + 0.5) * um - c for a, b, um, c in zip(low, high, voxel_um, centre, strict=True)]
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        mask[box] |= z**2 + y**2 + x**2 <= radius**2
    return mask


def classified(forest: Forest, features: FeatureSet, raw: np.ndarray) -> np.ndarray:
    """Probability of a cell for every voxel, uint8."""
    out = np.empty(raw.shape, np.uint8)
    for block in blocks_of(raw.shape, (64, 64, 64), features.halo()):
        columns = features.compute(np.ascontiguousarray(raw[block.outer])[None], block, raw.shape)
        out[block.core] = np.rint(forest.probabilities(columns)[0] * 255)
    return out


def timed(case: Case, method: str, folder: Path) -> tuple[Cells, dict[str, float]]:
    """Cells, and the processor's seconds that these, the components and `scipy.ndimage.label` took."""
    paths = []
    for name, image in (("probabilities", case.probability), ("raw", case.raw)):
        layout = Layout("zyx", image.shape, image.dtype, case.voxel_um, chunks=(64, 64, 64))
        path = folder / f"{name}.h5"
        with create_volume(path, layout, compression="none", overwrite=True) as writer:
            writer.write(whole(image.shape), image[None])
        paths.append(path)
    started = time.process_time()
    cells = find_cells(paths[0], paths[1], split=method, jobs=1)
    cells.write_csv(folder / "cells.csv", overwrite=True)
    seconds = {"Mvoxel/s": time.process_time() - started}
    foreground = case.probability > 128
    started = time.process_time()
    objects_of_block(Voxels(foreground), whole(foreground.shape), foreground.shape, 26)
    seconds["components"] = time.process_time() - started
    started = time.process_time()
    ndimage.label(foreground, np.ones((3, 3, 3)))
    seconds["label"] = time.process_time() - started
    return cells, seconds


def scored(case: Case, cells: Cells) -> dict[str, float | int]:
    """Found cells beside the truth; a cell that is found at an ambiguous place counts neither way."""
    found_um = cells.table[["Z", "Y", "X"]].to_numpy() + np.divide(case.voxel_um, 2)
    pairs = match(found_um, case.true_um, case.within_um)
    hits = case.is_cell[pairs.b]
    found = len(found_um) - int(case.is_ambiguous[pairs.b].sum())
    true, matched = int(case.is_cell.sum()), int(hits.sum())
    return {
        "found": len(found_um),
        "true": true,
        "precision": matched / max(1, found),
        "recall": matched / max(1, true),
        "F1": 2 * matched / max(1, found + true),
        "error_um": float(np.median(pairs.distance[hits])) if matched else float("nan"),
    }


if __name__ == "__main__":
    main()
