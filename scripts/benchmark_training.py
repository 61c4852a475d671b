#!/usr/bin/env python
"""How fast a forest is trained, beside real vigra in the same run; and how much memory labels of a huge volume take.

    python scripts/benchmark_training.py [--voxels 50000] [--trees 100] [--threads 2] [--runs 3] [--gigabytes 10]

Training: voxels of a synthetic brain with 16 features, three classes of brightness, some labels wrong. vigra grows one
part of its trees on each thread, as ilastik does; both compute the out-of-bag error. Memory: an HDF5 file of the given
size in which most chunks are missing, with labels all over it; the peak is that of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import numpy.typing as npt

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from peer import has_vigra, vigra_forest
from synthetic_brain import Brain, draw

from ecc_px.features import ECC
from ecc_px.models.training import train_forest

PLANE = (4096, 4096)
LABELLED_BOXES = 300
"""Boxes of labels in the huge volume, 16³ voxels each."""

MEASURE_MEMORY = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from ecc_px.classifiers.sampling import LabelledImage, gather_samples
from ecc_px.features import ECC
from ecc_px.labels import Annotation, LabelBlock, LabelClass
from ecc_px.volumes import open_volume
image = open_volume(sys.argv[1])
random = np.random.default_rng(0)
cells = [np.array(image.shape) // 16 - 1] * int(sys.argv[2])
starts = [tuple(int(n) * 16 for n in random.integers(0, cell + 1)) for cell in cells]
labels = random.integers(1, 3, (1, 16, 16, 16)).astype(np.uint8)
blocks = tuple(LabelBlock((0, *start), labels) for start in sorted(set(starts)))
classes = (LabelClass(1, "a", (0, 0, 0)), LabelClass(2, "b", (0, 0, 0)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
samples = gather_samples([LabelledImage("huge", image, Annotation(blocks, None))], ECC, classes, jobs=int(sys.argv[3]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"voxels": len(samples), "seconds": time.perf_counter() - started, "before": before, "peak": peak}))
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--voxels", type=int, default=50_000)
    arguments.add_argument("--trees", type=int, default=100)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--gigabytes", type=float, default=10.0)
    chosen = arguments.parse_args()

    samples, labels = labelled_brain(chosen.voxels)
    seconds: dict[str, list[float]] = {"ecc-px": [], "vigra": []}
    errors: dict[str, float] = {}
    for seed in range(chosen.runs):
        started = time.perf_counter()
        trained = train_forest(samples, labels, trees=chosen.trees, seed=seed, jobs=chosen.threads)
        seconds["ecc-px"].append(time.perf_counter() - started)
        errors["ecc-px"] = float((trained.forest.labels[trained.out_of_bag.argmax(axis=1)] != labels).mean())
        if has_vigra():
            with TemporaryDirectory(prefix="ecc-px-benchmark-") as name:
                store = Path(name) / "forest.ilp"
                answer = vigra_forest(samples, labels, store, trees=chosen.trees, seed=seed, forests=chosen.threads)
            seconds["vigra"].append(answer.seconds)
            errors["vigra"] = float(answer.result.mean())
    print(
        f"{len(samples):,} voxels × {samples.shape[1]} features, {len(np.unique(labels))} classes, "
        f"{chosen.trees} trees, {chosen.threads} threads; median (fastest) of {chosen.runs} runs\n"
    )
    print("| | seconds | out-of-bag error |\n|---|---:|---:|")
    for program, measured in seconds.items():
        if measured:
            print(f"| {program} | {statistics.median(measured):.1f} ({min(measured):.1f}) | {errors[program]:.2%} |")

    with TemporaryDirectory(prefix="ecc-px-benchmark-") as name:
        path = Path(name) / "huge.h5"
        shape = sparse_volume(path, chosen.gigabytes)
        command = [sys.executable, "-c", MEASURE_MEMORY, str(path), str(LABELLED_BOXES), str(chosen.threads)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(
        f"\nLabels of a volume of {np.prod(shape) * 2 / 1e9:.1f} GB {shape}: features of {found['voxels']:,} voxels "
        f"in {found['seconds']:.1f} s, peak memory {found['peak'] / 1024:.0f} MB "
        f"({found['before'] / 1024:.0f} MB before)."
    )


def labelled_brain(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Features and classes of voxels of a synthetic brain: bright ones and others, with one label in twenty wrong."""
    raw, _ = draw(Brain(shape=(96, 128, 128), seed=3))
    columns = ECC.compute(raw[None])
    random = np.random.default_rng(0)
    chosen = random.choice(raw.size, count, replace=False)
    samples = np.ascontiguousarray(columns.reshape(len(columns), -1)[:, chosen].T)
    brightness = samples[:, 1]
    labels = 3 - np.digitize(brightness, np.quantile(brightness, (0.6, 0.9))).astype(np.uint8)
    wrong = random.random(count) < 0.05
    labels[wrong] = random.integers(1, 4, int(wrong.sum()))
    return samples, labels


def sparse_volume(path: Path, gigabytes: float) -> tuple[int, int, int]:
    """An HDF5 volume of uint16 whose chunks are missing, but for a few: it takes almost no room on the disk."""
    shape = (int(gigabytes * 1e9 / 2 / np.prod(PLANE)), *PLANE)
    with h5py.File(path, "w") as file:
        volume = file.create_dataset("volume", shape, np.uint16, chunks=(64, 64, 64), compression="gzip")
        noise = np.random.default_rng(0).integers(0, 4000, (64, 64, 64)).astype(np.uint16)
        for corner in range(0, min(shape) - 64, 64):
            volume[corner : corner + 64, corner : corner + 64, corner : corner + 64] = noise
    return shape


if __name__ == "__main__":
    main()
