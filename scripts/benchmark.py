#!/usr/bin/env python
"""How fast features, votes and the whole prediction are, beside real vigra in the same run; prints a table.

    python scripts/benchmark.py [--edge 256] [--runs 5] [--jobs 1 2]

A synthetic brain (uint16), the 16 features of the seed set, a forest of 100 trees and 3 classes trained by real
ilastik. Speeds are Mvoxel per second: the median of the runs, with the fastest in brackets; per CPU second for what has
one thread, as for vigra, and by the clock for whole predictions. Peers are timed in the same rounds as ours, so that a
machine that is busy is busy for all. A second table is of `ecc-px predict` as a process, from its start to its end: CPU
seconds of all threads, and peak resident memory from its receipt.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from peer import has_vigra, vigra_features, vigra_votes
from synthetic_brain import Brain, draw

from ecc_px import load_classifier, predict
from ecc_px.pipeline.block_plan import BLOCK
from ecc_px.pipeline.cells_only import least_votes
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import blocks_of, whole

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
VOTES = "votes, 1 thread"
ONE_CLASS = "votes for one class where above 0.5, 1 thread"
CELLS_ONLY = "votes for one class where no background, 1 thread"
PEER_EDGE = 96
"""vigra is timed on a cube of this edge: it is slow, and its speed does not depend on the size."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--edge", type=int, default=256)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--jobs", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    chosen = arguments.parse_args()

    shape = (chosen.edge,) * 3
    raw, _ = draw(Brain(shape=shape, seed=1), threads=os.cpu_count() or 1)
    classifier = load_classifier(PROJECT)
    blocks = list(blocks_of(shape, BLOCK, classifier.features.halo()))
    images = [raw[None][(slice(None), *block.outer)] for block in blocks]
    features = [classifier.features.compute(image, block, shape) for image, block in zip(images, blocks, strict=True)]

    def all_features() -> float:
        for image, block, out in zip(images, blocks, features, strict=True):
            classifier.features.compute(image, block, shape, out)
        return raw.size

    def all_votes() -> float:
        for block_features in features:
            classifier.forest.votes(block_features)
        return raw.size

    def votes_from(at_least: int) -> float:
        for block_features in features:
            classifier.forest.frequent_votes(block_features, 1, at_least)
        return raw.size

    middle = slice(chosen.edge // 2 - PEER_EDGE // 2, chosen.edge // 2 + PEER_EDGE // 2)
    sample = np.ascontiguousarray(raw[middle, middle, middle])
    sample_rows = classifier.features.compute(sample[None]).reshape(classifier.forest.n_features, -1).T
    versions: set[str] = set()

    with TemporaryDirectory(prefix="ecc-px-benchmark-") as name:
        folder = Path(name)
        layout = Layout(axes="zyx", stored_shape=shape, dtype=raw.dtype, chunks=(64, 64, 64))
        with create_volume(folder / "brain.h5", layout) as writer:
            writer.write(whole(shape), raw[None])
        tasks: dict[str, Callable[[], float]] = {
            "features, 1 thread": _timed(all_features, time.process_time),
            VOTES: _timed(all_votes, time.process_time),
            ONE_CLASS: _timed(lambda: votes_from(classifier.forest.n_trees // 2 + 1), time.process_time),
            CELLS_ONLY: _timed(lambda: votes_from(least_votes(classifier, "float32", {}) or 1), time.process_time),
        }
        for jobs in dict.fromkeys(chosen.jobs):
            tasks[f"whole, file to file, {_threads(jobs)}"] = _timed(
                lambda jobs=jobs: predict(classifier, folder / "brain.h5", folder, overwrite=True, jobs=jobs).voxels
            )
        if has_vigra():

            def peer(ask: Callable[..., object], *what: object) -> Callable[[], float]:
                def run() -> float:
                    answer = ask(*what)
                    versions.add(answer.version)
                    return sample.size / answer.seconds

                return run

            tasks["vigra's features, 1 thread"] = peer(vigra_features, sample, classifier.features)
            tasks["vigra's votes, 1 thread"] = peer(vigra_votes, sample_rows, PROJECT)
        speeds: dict[str, list[float]] = {what: [] for what in tasks}
        for round_number in range(chosen.runs + 1):
            for what, run in tasks.items():
                speed = run()
                if round_number > 0:  # the first round warms everything up
                    speeds[what].append(speed)
        commands = {jobs: [_command(folder, jobs) for _ in range(chosen.runs)] for jobs in dict.fromkeys(chosen.jobs)}

    forest = classifier.forest
    print(
        f"{chosen.edge}³ uint16, {forest.n_features} features, {forest.n_trees} trees "
        f"({int((forest.feature >= 0).sum()):,} decisions), {forest.n_classes} classes; {os.cpu_count()} cores; "
        f"vigra {', '.join(versions) or 'not installed'}; median (fastest) of {chosen.runs} runs\n"
    )
    print("| | Mvoxel/s | × vigra |\n|---|---:|---:|")
    for what, measured in speeds.items():
        peer_speeds = speeds.get(f"vigra's {what}")
        ratio = f"{statistics.median(measured) / statistics.median(peer_speeds):.1f}" if peer_speeds else ""
        print(f"| {what} | {statistics.median(measured) / 1e6:.2f} ({max(measured) / 1e6:.2f}) | {ratio} |")
    plain, above, no_background = (statistics.median(speeds[what]) for what in (VOTES, ONE_CLASS, CELLS_ONLY))
    print(
        f"\nVotes for one class are {above / plain:.2f} times as fast as all votes where above 0.5, and "
        f"{no_background / plain:.2f} times where no background, as for `run --no-probabilities`."
    )

    print("\n| `ecc-px predict`, whole process | CPU s | Mvoxel per CPU s | peak memory, GB |\n|---|---:|---:|---:|")
    for jobs, runs in commands.items():
        seconds, peak = (statistics.median(figures) for figures in zip(*runs, strict=True))
        print(f"| {_threads(jobs)} | {seconds:.2f} | {raw.size / seconds / 1e6:.2f} | {peak / 1e9:.2f} |")


def _threads(jobs: int) -> str:
    return f"{jobs} thread{'s' * (jobs > 1)}"


def _command(folder: Path, jobs: int) -> tuple[float, float]:
    """CPU seconds and peak resident bytes of a prediction on the command line."""
    out = folder / "command"
    command = [sys.executable, "-m", "ecc_px", "predict", PROJECT, folder / "brain.h5", "-o", out]
    process = subprocess.Popen([*map(str, command), "--jobs", str(jobs), "--overwrite"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The prediction of the benchmark ended with {process.returncode}.")
    # What the system says of a child's peak includes that of this process, from which it was begun.
    receipt = json.loads((out / "brain_probabilities.h5.receipt.json").read_text())
    return used.ru_utime + used.ru_stime, receipt["actual"]["memory_bytes"]


def _timed(work: Callable[[], float], clock: Callable[[], float] = time.perf_counter) -> Callable[[], float]:
    """Voxels per second of a task that returns the number of its voxels."""

    def run() -> float:
        started = clock()
        voxels = work()
        return voxels / (clock() - started)

    return run


if __name__ == "__main__":
    main()
