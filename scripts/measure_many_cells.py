#!/usr/bin/env python
"""Time and peak memory of `ecc-px cells find` for very many cells, and of what can be done with their table.

    python scripts/measure_many_cells.py [--cells 5000000] [--jobs 1] [--executor threads] [--split auto]

A synthetic volume (7/6.45 µm, uint8 probabilities, uint16 raw) has one round cell in every 6 × 6 × 6 voxels, a little
off its place and of its own brightness: 5 million cells are 1.1 Gvoxel, 3.4 GB in the folder for temporary files
(TMPDIR), and as much again for tables. Every command is a process of its own, whose largest resident memory and seconds
of processors are told: find, filter (which leaves out dim cells), pair and score (what is left with the whole table),
and export to each format.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import Region

VOXEL_UM = (7.0, 6.45, 6.45)
PITCH = 6
"""Voxels from one cell to the next, along each axis."""

EDGE = 120
"""Voxels of a tile, along each axis: tiles of one layer differ only from layer to layer."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cells", type=int, default=5_000_000, help="how many there are at least")
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--executor", choices=("threads", "processes"), default="threads")
    arguments.add_argument("--split", default="auto")
    chosen = arguments.parse_args()

    in_tile = (EDGE // PITCH) ** 3
    across = max(1, round(np.cbrt(chosen.cells / in_tile)))
    tiles = (-(-chosen.cells // (in_tile * across**2)), across, across)
    with TemporaryDirectory(prefix="ecc-px-many-") as name:
        folder = Path(name)
        write_volumes(folder, tiles)
        megavoxels = np.prod(tiles) * EDGE**3 / 1e6
        print(f"ecc-px {version('ecc-px')}, {os.cpu_count()} cores, {chosen.jobs} {chosen.executor}", flush=True)
        table, bright, probabilities = (folder / n for n in ("brain_cells.csv", "bright.csv", "brain_probabilities.h5"))
        find = ["find", probabilities, "--raw", folder / "brain.h5", "-o", folder, "--split", chosen.split]
        tell([*find, "-j", chosen.jobs, "--executor", chosen.executor])
        with table.open("rb") as lines:
            rows = sum(1 for _ in lines) - 1
        print(
            f"    {rows:,} of {np.prod(tiles) * in_tile:,} cells in {megavoxels:,.0f} Mvoxel, "
            f"{table.stat().st_size / 1e6:,.0f} MB of CSV",
            flush=True,
        )
        tell(["filter", table, "-o", bright, "--min", "deltaI=600"])
        tell(["pair", table, bright, "--max-distance-um", 10, "-o", folder / "pairs.csv"])
        tell(["score", bright, table, "--max-distance-um", 10])
        for target in ("cubic", "brainglobe", "napari", "parquet", "neuroglancer"):
            tell(["export", table, "--to", target])


def tell(arguments: list[Any]) -> None:
    """Run a command of `ecc-px cells` and print what it took, and the last line that it said."""
    command = [sys.executable, "-m", "ecc_px", "cells", *map(str, arguments)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read().strip().splitlines() or [""]
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)}: it failed (status {status}).")
    name = " ".join(str(word) for word in arguments if word in ("find", "filter", "pair", "score"))
    if not name:
        name = f"export --to {arguments[3]}"
    work = used.ru_utime + used.ru_stime
    print(f"{name}: {work:.0f} s of processors, {seconds:.0f} s, peak {used.ru_maxrss / 2**20:.2f} GB", flush=True)
    print(f"    {said[-1].split(': ', 1)[-1]}", flush=True)


def write_volumes(folder: Path, tiles: tuple[int, int, int]) -> None:
    """Write probabilities and raw volume, tile by tile: `tiles` of them along z, y, x."""
    shape = (EDGE * tiles[0], EDGE * tiles[1], EDGE * tiles[2])
    rng = np.random.default_rng(1)
    layouts = [Layout("zyx", shape, np.dtype(t), VOXEL_UM, chunks=(EDGE // 2,) * 3) for t in (np.uint8, np.uint16)]
    with (
        create_volume(folder / "brain_probabilities.h5", layouts[0], compression="none") as probabilities,
        create_volume(folder / "brain.h5", layouts[1], compression="none") as raws,
    ):
        for layer in range(tiles[0]):
            probability, raw = tile(rng)
            for y, x in np.ndindex(*tiles[1:]):
                region: Region = tuple(slice(EDGE * n, EDGE * (n + 1)) for n in (layer, y, x))  # type: ignore[assignment]
                probabilities.write(region, probability[None])
                raws.write(region, raw[None])


def tile(rng: np.random.Generator) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(z, y, x) uint8 probabilities and uint16 intensities of a tile of cells."""
    count = EDGE // PITCH
    place = np.indices((EDGE,) * 3) % PITCH - (PITCH - 1) / 2

    def of_each_voxel(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        for axis in range(3):
            values = np.repeat(values, PITCH, axis)
        return values

    distance = np.sqrt(sum((place[k] - of_each_voxel(rng.uniform(-0.5, 0.5, (count,) * 3))) ** 2 for k in range(3)))
    inside = np.clip(2.2 - distance, 0, 1)
    bright = of_each_voxel(rng.uniform(300, 2000, (count,) * 3))
    raw = 200 + bright * inside + rng.normal(0, 10, inside.shape)
    return np.rint(255 * inside).astype(np.uint8), np.rint(raw).astype(np.uint16)


if __name__ == "__main__":
    main()
