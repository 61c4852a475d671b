"""How much memory there is, and how much a prediction takes."""

from __future__ import annotations

import contextlib
import re
import resource
from math import prod
from pathlib import Path

from ecc_px.errors import InvalidSetting
from ecc_px.features.feature_set import FLAT_STRIP_ROWS, STRIP_ROWS
from ecc_px.filters.lanes import LANES
from ecc_px.pipeline.block_groups import Computation
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.hdf5_chunks import CACHE_BYTES
from ecc_px.volumes.slabs import slab_depth

BASE_BYTES = 420 * 10**6
"""Python, the libraries and the compiled kernels: 237 MB for a prediction of 32³ voxels on 2 cores, measured by
`scripts/measure_memory.py --base`. The rest is for what the allocator keeps for each thread, and for what a run loads
for tables and pictures.
"""

TILE_BYTES = 4 * 10**6
"""What a filter of the widest scale keeps of a tile on its way from the image to the features."""

SHARE = 0.8
"""Of what is free, taken where nobody says how much."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_bytes(text: str) -> int:
    """The number of bytes that a person means: "4GB", "1.5 GiB", "800M".

    Raises
    ------
    InvalidSetting
    """
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    if not matched:
        raise InvalidSetting(f"{text!r} is no amount of memory: write for example 4GB, 1.5GiB or 800MB.")
    return int(float(matched[1]) * _UNITS[matched[2] or ""])


def free_memory() -> int | None:
    """Bytes that this process may still take: of the machine, or of the container it is in. None where nobody says."""
    known = [*_machine(), *_containers()]
    return min(known) if known else None


def usual_memory(sharers: int = 1) -> int | None:
    """Bytes that each of so many processes takes where nobody says how many; None where nobody knows what is free."""
    free = free_memory()
    return None if free is None else int(SHARE * free / sharers)


def peak_memory() -> int:
    """Most resident bytes that this program has had."""
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    # Of a process that was begun by a larger one, this tells of the larger one.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_needed(computation: Computation, block: Shape, run_length: int, jobs: int) -> int:
    """Peak resident bytes of a prediction with this cut and so many threads, rounded up."""
    slabs = slab_bytes(computation, block, run_length, jobs)
    return BASE_BYTES + _cache(computation) + slabs + jobs * _of_a_thread(computation, block, run_length)


def slab_bytes(computation: Computation, block: Shape, run_length: int, jobs: int) -> int:
    """Raw voxels that runs on top of each other share, as many as are at work at a time; see `Slabs`."""
    volume = computation.volume
    core, halo, run = _sides(computation, block, run_length)
    depth = slab_depth(volume.layout)
    planes = min((-(-(jobs * core[0] + 2 * halo[0]) // depth) + 1) * depth, volume.shape[0])
    height, width = (min(n + 2 * h, whole) for n, h, whole in zip(run[1:], halo[1:], volume.shape[1:], strict=True))
    return planes * height * width * volume.channels * volume.dtype.itemsize


def _sides(computation: Computation, block: Shape, run_length: int) -> tuple[Shape, Shape, Shape]:
    """Voxels of a block's core, its halo and a run's cores, along (z, y, x)."""
    volume = computation.volume
    z, y, x = (min(b, n) for b, n in zip(block, volume.shape, strict=True))
    halo = computation.classifier.features.halo(flat=volume.shape[0] == 1)
    return (z, y, x), halo, (z, y, min(max(run_length // block[2], 1) * block[2], volume.shape[2]))


def _of_a_thread(computation: Computation, block: Shape, run_length: int) -> int:
    """A run of raw voxels; one block's float32 copy, features, votes and images; the run's encoded images.

    Features are there as a whole, or as a strip and the smoothed images that it is made from: the larger is counted.
    """
    volume, classifier = computation.volume, computation.classifier
    flat = volume.shape[0] == 1
    core, halo, run = _sides(computation, block, run_length)
    outer = prod(min(c + 2 * h, n) for c, h, n in zip(core, halo, volume.shape, strict=True))
    outer_run = prod(min(c + 2 * h, n) for c, h, n in zip(run, halo, volume.shape, strict=True))
    columns = classifier.features.count(volume.channels, flat=flat)
    images = sum(plan.dtype.itemsize * len(plan.channel_names) for plan in computation.plans)
    raw = 2 * outer_run * volume.channels * volume.dtype.itemsize
    # The filters' image reaches beyond the volume's border, and rows in memory are whole vectors.
    extended = prod(c + 2 * h for c, h in zip(core[:2], halo[:2], strict=True)) * (core[2] + 2 * halo[2] + LANES)
    filtered = 4 * (extended + 3 * outer) + TILE_BYTES
    smoothed = volume.channels * len({(f.scale, f.in_2d) for f in classifier.features.features}) * extended
    strip = columns * prod(core) * min(FLAT_STRIP_ROWS if flat else STRIP_ROWS, core[1]) // core[1]
    featured = 4 * max(columns * prod(core), smoothed + strip)
    voted = prod(core) * (12 * len(classifier.classes) + 3 * images)
    encoded = prod(run) * images
    return raw + filtered + featured + voted + encoded


def _cache(computation: Computation) -> int:
    """Chunks that readers keep, ours and HDF5's own, of the volume and of the mask."""
    return 2 * CACHE_BYTES * (1 if computation.mask is None else 2)


def _machine() -> list[int]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return []
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    return [int(found[1]) * 1024] if found else []


def _containers() -> list[int]:
    """What the control groups above this process leave free (version 2, and 1)."""
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    free = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        base = root / "memory" if controllers else root
        folder = base / place.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(base):
                free += _left_in(group, *names)
    return free


def _left_in(group: Path, limit: str, usage: str) -> list[int]:
    try:
        most, used = (group / limit).read_text().strip(), int((group / usage).read_text())
        cached = re.search(r"^(?:total_)?inactive_file (\d+)", (group / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return []
    if not most.isdecimal():
        return []
    # Files that are cached give way.
    return [max(0, int(most) - used + (int(cached[1]) if cached else 0))]
