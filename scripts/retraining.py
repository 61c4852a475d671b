#!/usr/bin/env python
"""How far retrained projects are from real ilastik's exports, ours beside real vigra's: the noise of training itself.

    python scripts/retraining.py [--seeds 3]

Each project is trained again on its own labels and applied to a volume that it was not trained on. Mean |Δp| is over
all voxels and the classes that were labelled; the worst seed counts. Vigra's half needs Debian's python3-vigra.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import parity
from peer import has_vigra, vigra_forest, vigra_votes

from ecc_px import open_volume
from ecc_px.classifiers.retraining import labelled_lanes
from ecc_px.classifiers.sampling import Samples
from ecc_px.classifiers.training import TrainingSettings, sample_lanes
from ecc_px.ilastik import feature_set_of, read_project
from ecc_px.models.training import train_forest

Rows = npt.NDArray[np.float32]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=3)
    seeds = range(arguments.parse_args().seeds)
    print("| case | labelled voxels | trees | ours: mean \\|Δp\\| | other class | vigra: mean \\|Δp\\| | other class |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for case in [case for case in parity.cases() if case.volume == "unseen"]:
        samples, rows, exported, trees = _material(case)
        ours = _worst(exported, (_ours(samples, rows, trees, seed) for seed in seeds))
        theirs = _worst(exported, (_vigras(samples, rows, trees, seed) for seed in seeds)) if has_vigra() else "– | –"
        print(f"| {case.folder.name} | {len(samples):,} | {trees} | {ours} | {theirs} |")


def _material(case: parity.Case) -> tuple[Samples, Rows, Rows, int]:
    """What to train on; features of the unseen volume and ilastik's probabilities, one row for each voxel; trees."""
    project = read_project(case.folder / "project.ilp")
    forest = project.require_trained()
    features = feature_set_of(project.features)
    with labelled_lanes(project) as lanes:
        samples = sample_lanes(lanes, features, project.classes, TrainingSettings(allow_unlabelled=True))
    with open_volume(case.folder / f"{case.volume}.h5") as volume:
        columns = np.stack([features.compute(volume.read(frame=t)) for t in range(volume.frames)])
    exported = _as_rows(parity.exported_by_ilastik(case))[:, forest.labels - 1]
    return samples, _as_rows(columns), exported, forest.n_trees


def _as_rows(image: Rows) -> Rows:
    """(t, channel, z, y, x) → (voxel, channel)."""
    return np.moveaxis(image, 1, -1).reshape(-1, image.shape[1])


def _ours(samples: Samples, rows: Rows, trees: int, seed: int) -> Rows:
    forest = train_forest(samples.features, samples.labels, trees=trees, seed=seed).forest
    columns = np.ascontiguousarray(rows.T).reshape(rows.shape[1], 1, 1, -1)
    return forest.probabilities(columns).reshape(forest.n_classes, -1).T


def _vigras(samples: Samples, rows: Rows, trees: int, seed: int) -> Rows:
    with TemporaryDirectory(prefix="ecc-px-retraining-") as name:
        store = Path(name) / "forest.ilp"
        vigra_forest(samples.features, samples.labels, store, trees=trees, seed=seed)
        return vigra_votes(rows, store).result / trees


def _worst(exported: Rows, predicted: Iterator[Rows]) -> str:
    apart, other_class = zip(
        *((np.abs(p - exported).mean(), (p.argmax(axis=1) != exported.argmax(axis=1)).mean()) for p in predicted),
        strict=True,
    )
    return f"{max(apart):.4f} | {max(other_class):.2%}"


if __name__ == "__main__":
    main()
