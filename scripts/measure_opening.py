"""Measure how long it takes to open an image, so that everything that can be known without reading voxels is known.

    python scripts/measure_opening.py              # a folder of 3,000 planes of 2048 × 2048 uint16, which it makes
    python scripts/measure_opening.py brain.ims    # that instead

A folder's planes are made sparse: opening reads headers only. Prints the least and the median of five openings, in this
process, after the files' headers are in the system's cache.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import tifffile

from ecc_px import open_volume

PLANES, EDGE = 3000, 2048
OPENINGS = 5


def make_folder(folder: Path) -> None:
    """One plane written by tifffile, and copies of what surrounds its voxels, with a hole in between."""
    first = folder / "11-14-17_brain_UltraII_C00_xyz-Table Z0000.ome.tif"
    tifffile.imwrite(first, shape=(EDGE, EDGE), dtype="uint16", metadata={"axes": "YX", "PhysicalSizeX": 1.0})
    with tifffile.TiffFile(first) as file:
        begin = file.pages.first.dataoffsets[0]
    content = first.read_bytes()
    end = begin + EDGE * EDGE * 2
    for number in range(PLANES):
        plane = folder / first.name.replace("Z0000", f"Z{number:04d}")
        with plane.open("wb") as file:
            file.write(content[:begin])
            file.seek(end)
            file.write(content[end:])


def measure(path: Path) -> None:
    seconds, processor = [], []
    for _ in range(OPENINGS):
        begun, used = time.perf_counter(), time.process_time()
        with open_volume(path) as volume:
            seconds.append(time.perf_counter() - begun)
            processor.append(time.process_time() - used)
            shape = volume.layout.stored_shape
    print(
        f"{path.name or path}: {volume.axes} {shape} opened in {min(seconds):.2f} s "
        f"(median {statistics.median(seconds):.2f} s of {OPENINGS}; {min(processor):.2f} s of processor time); "
        f"{os.cpu_count()} cores, tifffile {tifffile.__version__}"
    )


def main() -> None:
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            measure(Path(name))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder))
        measure(Path(folder))


if __name__ == "__main__":
    main()
