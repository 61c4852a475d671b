"""Measure how fast an HDF5 image is read block by block: by our own decoding of its chunks, and by HDF5's.

    python scripts/measure_reading.py              # 192 × 512 × 1024 uint16 of noise, gzip, which it makes
    python scripts/measure_reading.py brain.h5     # that instead

Reads it as a prediction does, in runs of blocks with a halo of 12 voxels, with one thread and with two. Prints millions
of voxels of the image (halos not counted) for each second and for each second of processor time; the best of three.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import prod
from pathlib import Path

import h5py
import numpy as np

from ecc_px import open_volume
from ecc_px.volumes.blocks import runs_of
from ecc_px.volumes.hdf5_chunks import ChunkCache, Hdf5Array
from ecc_px.volumes.hdf5_file import Hdf5File

SHAPE, BLOCK, HALO, RUN_LENGTH = (192, 512, 1024), (64, 64, 256), (12, 12, 12), 2048
REPEATS = 3


def make_image(path: Path) -> None:
    noise = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        image = file.create_dataset(
            "data", SHAPE, "uint16", chunks=(64, 64, 64), compression="gzip", compression_opts=1
        )
        for z in range(0, SHAPE[0], 64):
            image[z : z + 64] = noise.poisson(200, (64, *SHAPE[1:])).astype("uint16")


def read_all(path: Path, inner_path: str, threads: int, *, by_hdf5: bool) -> tuple[float, float, int]:
    """Seconds, seconds of processor time, voxels."""
    with closing(Hdf5File(path)) as file, ThreadPoolExecutor(threads) as pool:
        dataset = file.root[inner_path]
        array = Hdf5Array(dataset, None, ChunkCache()) if by_hdf5 else file.array(dataset)
        regions = [run.outer for run in runs_of(array.shape[:3], BLOCK, HALO, RUN_LENGTH)]
        begun, used = time.perf_counter(), time.process_time()
        for _ in pool.map(array.read, regions):
            pass
        return time.perf_counter() - begun, time.process_time() - used, prod(array.shape)


def measure(path: Path) -> None:
    with open_volume(path) as volume:
        inner_path = volume.inner_path
    print(f"{path.name}, {os.cpu_count()} cores, h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version})")
    for threads in (1, 2):
        for by_hdf5 in (False, True):
            runs = [read_all(path, inner_path, threads, by_hdf5=by_hdf5) for _ in range(REPEATS)]
            seconds, processor, voxels = (min(column) for column in zip(*runs, strict=True))
            print(
                f"{threads} thread{'s' * (threads > 1)}, {'HDF5' if by_hdf5 else 'ours'}: "
                f"{voxels / 1e6 / seconds:.0f} Mvoxel/s, {voxels / 1e6 / processor:.0f} Mvoxel per processor second"
            )


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_image(Path(folder) / "noise.h5")
        measure(Path(folder) / "noise.h5")


if __name__ == "__main__":
    main()
