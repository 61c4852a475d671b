#!/usr/bin/env python
"""Time and peak memory of `ecc-px cells find` for very many cells; prints a line.

    python scripts/measure_many_cells.py [--cells 5000000] [--jobs 2] [--executor threads]

A synthetic volume (7/6.45 µm, uint8 probabilities, uint16 raw) has one round cell in every 6 × 6 × 6 voxels, a little
off its place and of its own brightness: 5 million cells are 1.1 Gvoxel, 3.4 GB in the folder for temporary files
(TMPDIR). The table is found by the command, in a process of its own, whose largest resident memory is told.
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
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--executor", choices=("threads", "processes"), default="threads")
    arguments.add_argument("--split", default="auto")
    chosen = arguments.parse_args()

    in_tile = (EDGE // PITCH) ** 3
    across = max(1, round(np.cbrt(chosen.cells / in_tile)))
    tiles = (-(-chosen.cells // (in_tile * across**2)), across, across)
    with TemporaryDirectory(prefix="ecc-px-many-") as name:
        folder = Path(name)
        write_volumes(folder, tiles)
        command = [sys.executable, "-m", "ecc_px", "cells", "find", str(folder / "brain_probabilities.h5")]
        command += ["--raw", str(folder / "brain.h5"), "-o", str(folder), "--split", chosen.split]
        command += ["-j", str(chosen.jobs), "--executor", chosen.executor]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            sys.exit(f"{' '.join(command)}: it failed (status {status}).")
        table = folder / "brain_cells.csv"
        with table.open("rb") as lines:
            rows = sum(1 for _ in lines) - 1
        megabytes = table.stat().st_size / 1e6
    megavoxels = np.prod(tiles) * EDGE**3 / 1e6
    work = used.ru_utime + used.ru_stime
    print(
        f"ecc-px {version('ecc-px')}, {os.cpu_count()} cores, {chosen.jobs} {chosen.executor}: "
        f"{megavoxels:,.0f} Mvoxel, "
        f"{rows:,} of {np.prod(tiles) * in_tile:,} cells, {megabytes:,.0f} MB of CSV; {seconds:.0f} s "
        f"({work:.0f} s of processors), peak {used.ru_maxrss / 2**20:.2f} GB"
    )
    print(said.strip().split(": ")[-1])


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
