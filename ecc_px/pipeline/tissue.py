"""Where a brain lies in its volume: cells of a fixed grid that are certainly empty are never computed.

The volume is looked at once, before the work begins. Of every cell of 64³ voxels, each 8th plane is taken, and means
of 8 × 8 voxels in it: the coarse voxels. All that follows depends on them alone, and not on how the volume is cut.

Between the background (the darkest cells) and the tissue (the middle of the cells above Otsu's threshold), the limit
is a tenth of the way up. A cell is certainly empty if all its coarse voxels are below that limit in every channel, all
cells beside it are such, too (a margin of 64 voxels at least), and it is connected with the volume's border through
such cells. If the background is not even, so that the darkest part may be tissue as well, nothing is empty.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ecc_px.volumes import Volume
from ecc_px.volumes.blocks import Region
from ecc_px.volumes.streaming import Progress, in_order

EDGE = 64
"""Voxels of a cell along each axis: a chunk of most files, and no less than features reach."""
STEP = 8
"""Voxels of a coarse voxel along y and x; of these planes, one is looked at."""
LIMIT = 0.1
"""Of the way from background to tissue: below it, a cell is dark."""
EVENNESS = 10.0
"""So many standard deviations of the background's coarse voxels must lie between background and tissue."""
READ_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Tissue:
    """Which cells of a fixed grid are computed.

    Parameters
    ----------
    kept : (t, z, y, x) bool
        Of each cell of `EDGE` voxels along every axis.
    voxels : int
        Outside of them.
    limits : tuple of float or None
        For each frame and channel, the limit below which it is dark; None where nothing is certain.
    """

    kept: npt.NDArray[np.bool_]
    voxels: int
    limits: tuple[float | None, ...]

    def inside(self, region: Region, frame: int) -> npt.NDArray[np.bool_] | None:
        """Which voxels of a region are computed; None where all are."""
        cells = self.kept[frame][tuple(slice(s.start // EDGE, -(-s.stop // EDGE)) for s in region)]
        if cells.all():
            return None
        for axis, part in enumerate(region):
            cells = cells.take(np.arange(part.start, part.stop) // EDGE - part.start // EDGE, axis)
        return cells

    def as_json(self) -> dict[str, Any]:
        packed = base64.b64encode(zlib.compress(np.packbits(self.kept).tobytes())).decode()
        return {
            "cells_tzyx": list(self.kept.shape),
            "cell_voxels": EDGE,
            "kept": packed,
            "voxels_left_out": self.voxels,
            "limits": list(self.limits),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Tissue:
        shape = tuple(content["cells_tzyx"])
        bits = np.frombuffer(zlib.decompress(base64.b64decode(content["kept"])), np.uint8)
        kept = np.unpackbits(bits, count=prod(shape)).reshape(shape).astype(bool)
        return cls(kept, int(content["voxels_left_out"]), tuple(content["limits"]))


def find_tissue(volume: Volume, jobs: int, progress: Progress | None = None) -> Tissue:
    """Look at a volume and find what is certainly empty. Each thread holds about `READ_BYTES` of it.

    Parameters
    ----------
    volume : Volume
    jobs : int
        Threads.
    progress : function of (voxels done, voxels in all), optional
    """
    grid = tuple(-(-n // EDGE) for n in volume.shape)
    # Of each cell's coarse voxels: sum, sum of squares, count, largest.
    seen = np.zeros((4, volume.frames, volume.channels, *grid))
    seen[3] = -np.inf

    def look(piece: tuple[int, Region]) -> int:
        frame, region = piece
        z, y, x = (slice(part.start // EDGE, -(-part.stop // EDGE)) for part in region)
        for plane in _sampled_planes(volume, region, frame):
            coarse = _means(plane)
            place = (frame, slice(None), z.start, y, x)
            edges = [np.arange(0, n, EDGE // STEP) for n in coarse.shape[1:]]
            counts = np.ones(coarse.shape)
            for number, values in enumerate((coarse, coarse**2, counts)):
                seen[number][place] += np.add.reduceat(np.add.reduceat(values, edges[0], 1), edges[1], 2)
            largest = np.maximum.reduceat(np.maximum.reduceat(coarse, edges[0], 1), edges[1], 2)
            # NaN stays: what is no number is not dark.
            seen[3][place] = np.maximum(seen[3][place], largest)
        return prod(part.stop - part.start for part in region)

    done, total = 0, prod(volume.shape) * volume.frames
    for _, voxels in in_order(look, _pieces(volume), jobs):
        done += voxels
        if progress is not None:
            progress(done, total)
    kept, limits = [], []
    for frame in range(volume.frames):
        dark = np.ones(grid, bool)
        for channel in range(volume.channels):
            limit = _limit(*(of_all[frame, channel] for of_all in seen))
            limits.append(limit)
            dark &= False if limit is None else seen[3, frame, channel] < limit
        kept.append(_around(~dark))
    every = np.stack(kept)
    sizes = [np.minimum(EDGE, n - EDGE * np.arange(cells)) for n, cells in zip(volume.shape, grid, strict=True)]
    of_cell = np.einsum("i,j,k->ijk", *sizes)
    return Tissue(every, int((of_cell * ~every).sum()), tuple(limits))


def _pieces(volume: Volume) -> Iterator[tuple[int, Region]]:
    """Regions of whole cells, one cell high; as wide as memory allows, so that chunks and planes are read once."""
    depth, height, width = volume.shape
    voxel = volume.channels * volume.dtype.itemsize * (EDGE if _has_deep_chunks(volume) else 1)
    across = max(1, min(-(-width // EDGE), READ_BYTES // (voxel * EDGE**2))) * EDGE
    along = max(1, READ_BYTES // (voxel * EDGE * across)) * EDGE
    corners = product(range(0, depth, EDGE), range(0, height, along), range(0, width, across))
    for frame, (z, y, x) in product(range(volume.frames), corners):
        z_end, y_end, x_end = min(z + EDGE, depth), min(y + along, height), min(x + across, width)
        yield frame, (slice(z, z_end), slice(y, y_end), slice(x, x_end))


def _sampled_planes(volume: Volume, region: Region, frame: int) -> Iterator[npt.NDArray[Any]]:
    """Each `STEP`-th plane of a region, (c, y, x)."""
    z, y, x = region
    first = min(STEP // 2, (z.stop - z.start - 1) // 2)
    if _has_deep_chunks(volume):
        # Whoever wants one plane of a chunk decodes all of it.
        yield from volume.read(region, frame=frame)[:, first::STEP].swapaxes(0, 1)
        return
    for plane in range(z.start + first, z.stop, STEP):
        yield volume.read((slice(plane, plane + 1), y, x), frame=frame)[:, 0]


def _has_deep_chunks(volume: Volume) -> bool:
    layout = volume.layout
    return layout.chunks is not None and "z" in layout.axes and layout.chunks[layout.axes.index("z")] > 1


def _means(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Of `STEP` × `STEP` voxels of (c, y, x); of fewer at the far border."""
    means = plane.astype(np.float64)
    for axis in (1, 2):
        begins = np.arange(0, means.shape[axis], STEP)
        lengths = np.diff(np.append(begins, means.shape[axis])).reshape([-1 if a == axis else 1 for a in range(3)])
        means = np.add.reduceat(means, begins, axis) / lengths
    return means


def _limit(
    sums: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    largest: npt.NDArray[np.float64],
) -> float | None:
    """Below which a channel is dark; None where there is no even background."""
    means = sums / counts
    finite = np.isfinite(means)
    if not finite.any() or np.ptp(means[finite]) == 0:
        return None
    tissue = float(np.median(means[finite & (means > _otsu(means[finite]))]))
    background = float(np.percentile(means[finite], 1))
    limit = background + LIMIT * (tissue - background)
    dark = finite & (largest < limit)
    if not dark.any():
        return None
    count = counts[dark].sum()
    spread = float(np.sqrt(max(0.0, squares[dark].sum() / count - (sums[dark].sum() / count) ** 2)))
    return limit if tissue - background >= EVENNESS * spread else None


def _otsu(values: npt.NDArray[np.float64]) -> float:
    """The value that parts numbers into the two groups whose means differ most, weighed by their sizes."""
    ordered = np.sort(values, axis=None)
    below = np.arange(1, ordered.size)
    sums = np.cumsum(ordered)
    difference = sums[:-1] / below - (sums[-1] - sums[:-1]) / below[::-1]
    best = int(np.argmax(below * below[::-1] * difference**2))
    return float((ordered[best] + ordered[best + 1]) / 2)


def _around(bright: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Bright cells, what they enclose, and every cell beside one, corners included."""
    return ndimage.binary_dilation(ndimage.binary_fill_holes(bright), np.ones((3, 3, 3), bool))
