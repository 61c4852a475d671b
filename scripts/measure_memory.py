#!/usr/bin/env python
"""Peak memory of a whole prediction, for volumes of several sizes on disk; prints a table.

    python scripts/measure_memory.py [--gigabytes 0.5 2 8] [--memory 2GB] [--jobs 2] [--folder DIR] [--plot memory.png]
    python scripts/measure_memory.py --base

Each volume is uint16, chunked 64³, uncompressed, written chunk by chunk: one synthetic brain of 256³ voxels, repeated.
`ecc-px predict` runs as a process of its own; its peak resident memory is what the operating system counted.
Exit code 1 if it is above `--memory`. `--format` is that of the output.

`--base` measures what a process takes for a volume of 32³ voxels, which is the program itself: `memory.BASE_BYTES`
must be more. Exit code 1 if it is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from synthetic_brain import Brain, draw

from ecc_px.pipeline.memory import BASE_BYTES, parse_bytes

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
EDGE = 256


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gigabytes", type=float, nargs="+", default=[0.5, 2.0, 8.0])
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--memory", default="2GB", help="The bound that is passed on.")
    arguments.add_argument("--plot", type=Path, help="Also draw peak memory over volume size.")
    arguments.add_argument("--folder", type=Path, help="Where the volumes are made and removed; default: temporary.")
    arguments.add_argument("--format", default="hdf5", help="Of the output.")
    arguments.add_argument("--base", action="store_true", help="Measure the program alone.")
    chosen = arguments.parse_args()
    if chosen.base:
        return measure_base()
    tile, _ = draw(Brain(shape=(EDGE,) * 3, seed=1), threads=os.cpu_count() or 1)
    bound = parse_bytes(chosen.memory)
    print(
        f"16 features, 100 trees, 3 classes, {chosen.jobs} threads, {os.cpu_count()} cores, --memory {chosen.memory}\n"
    )
    measured = []
    print("| volume | Gvoxel | peak memory, GB | Mvoxel/s |\n|---|---:|---:|---:|", flush=True)
    for gigabytes in chosen.gigabytes:
        with TemporaryDirectory(prefix="ecc-px-memory-", dir=chosen.folder) as name:
            folder = Path(name)
            shape = write_volume(folder / "brain.h5", tile, gigabytes)
            seconds, peak = predict(folder, chosen.jobs, chosen.memory, chosen.format)
        voxels = int(np.prod(shape))
        measured.append((voxels / 1e9, peak / 1e9))
        size = " × ".join(map(str, shape))
        print(
            f"| {size} uint16, {2 * voxels / 1e9:.1f} GB | {voxels / 1e9:.2f} | {peak / 1e9:.2f} | "
            f"{voxels / 1e6 / seconds:.2f} |",
            flush=True,
        )
    if chosen.plot is not None:
        draw_plot(chosen.plot, measured, bound / 1e9)
    return int(any(peak > bound / 1e9 for _, peak in measured))


def draw_plot(path: Path, measured: list[tuple[float, float]], bound: float) -> None:
    """Peak memory over volume size, and the bound."""
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(*zip(*measured, strict=True), "o-", color="C0", label="peak resident memory")
    axes.axhline(bound, color="C3", linestyle="--", label="--memory")
    axes.set(xlabel="volume, Gvoxel", ylabel="GB", ylim=(0, 1.15 * bound), xlim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def write_volume(path: Path, tile: np.ndarray, gigabytes: float) -> tuple[int, int, int]:
    """A volume of about so many GB: the tile, repeated."""
    tiles = max(1, round(gigabytes * 1e9 / 2 / tile.size))
    across = max(1, round(tiles ** (1 / 3)))
    repeats = (max(1, round(tiles / across**2)), across, across)
    shape = tuple(EDGE * n for n in repeats)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", shape, tile.dtype, chunks=(64, 64, 64))
        for place in product(*map(range, repeats)):
            z, y, x = (slice(EDGE * i, EDGE * (i + 1)) for i in place)
            data[z, y, x] = tile
    return shape[0], shape[1], shape[2]


def measure_base() -> int:
    """Print a table of what the program takes by itself."""
    print(f"| command, 32³ voxels | peak memory, MB (bound {BASE_BYTES / 1e6:.0f}) |\n|---|---:|")
    most = 0
    with TemporaryDirectory(prefix="ecc-px-memory-") as name:
        volume = Path(name) / "brain.h5"
        with h5py.File(volume, "w") as file:
            file["data"] = np.random.default_rng(0).integers(0, 4000, (32, 32, 32), np.uint16)
        for options in (["predict"], ["predict", "--format", "ome-zarr"], ["predict", "--format", "tiff"], ["run"]):
            command = [options[0], PROJECT, volume, "-o", Path(name) / "out", "--overwrite", *options[1:]]
            _, peak = measured_process([*command, "--voxel-um", 5, 5, 5])
            print(f"| {' '.join(options)} | {peak / 1e6:.0f} |", flush=True)
            most = max(most, peak)
    return int(most > BASE_BYTES)


def predict(folder: Path, jobs: int, memory: str, file_format: str) -> tuple[float, int]:
    """Wall seconds and peak memory in bytes of predicting `folder`/brain.h5."""
    command = ["predict", PROJECT, folder / "brain.h5", "-o", folder, "--format", file_format]
    return measured_process([*command, "--dtype", "uint8", "--jobs", jobs, "--memory", memory, "--no-check"])


def measured_process(arguments: list[object]) -> tuple[float, int]:
    """Wall seconds and peak memory in bytes of `ecc-px` with these arguments."""
    command = [sys.executable, "-m", "ecc_px", *arguments]
    started = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed with status {status}")
    return time.monotonic() - started, usage.ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
