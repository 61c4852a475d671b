"""Connected components of one block, from runs of foreground along x.

A block is read once; what is kept of it is its runs, so that sparse foreground costs little more than finding it,
and no image of labels is ever made. All kernels release the GIL: blocks are worked on by threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.volumes.blocks import Shape

STEPS = {6: 1, 18: 2, 26: 3}
"""Connectivity → the number of axes along which two neighbours may differ."""

_WORD = 8  # voxels looked at together; a word of zeros is passed over
_ALL_SET = np.uint64(0x0101010101010101)


@dataclass(frozen=True)
class LabelledRuns:
    """Runs of foreground in raster order, and the component that each belongs to.

    Parameters
    ----------
    row : (n,) int32
        z · height + y of the run.
    start, stop : (n,) int32
        Extent along x; stop is the first voxel after the run.
    component : (n,) int32
        From 0, in the order of the components' first voxels.
    count : int
        Number of components.
    shape : (z, y, x)
        The block's.
    """

    row: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    stop: npt.NDArray[np.int32]
    component: npt.NDArray[np.int32]
    count: int
    shape: Shape

    @property
    def length(self) -> npt.NDArray[np.int64]:
        """(n,) voxels of each run."""
        return (self.stop - self.start).astype(np.int64)

    def values(self, image: npt.NDArray[Any], units: int = 1) -> npt.NDArray[np.int64]:
        """(voxels,) of all runs, one after the other: what an image of the block has there, in 1 / `units`."""
        out = np.empty(int(self.length.sum()), np.int64)
        _gather(self.row, self.start, self.stop, image, float(units), out)
        return out


def label_runs(foreground: npt.NDArray[np.bool_], connectivity: int) -> LabelledRuns:
    """Connected components of a block.

    Parameters
    ----------
    foreground : (z, y, x) bool
    connectivity : 6, 18 or 26
    """
    depth, height, width = foreground.shape
    padded = np.zeros((depth * height, -(-width // _WORD) * _WORD), np.uint8)
    padded[:, :width] = foreground.reshape(depth * height, width)
    row, start, stop, first_of_row = _scan(padded, padded.view(np.uint64))
    component, count = _join_rows(start, stop, first_of_row, depth, height, STEPS[connectivity])
    return LabelledRuns(row, start, stop, component, count, (depth, height, width))


@kernel()
def _scan(foreground: Any, words: Any) -> Any:
    """Runs of each row; `words` is the same memory, eight voxels to a number."""
    rows, width = foreground.shape
    first_of_row = np.zeros(rows + 1, np.int64)
    most = rows * (width // 2)
    row, start, stop = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    n = 0
    for r in range(rows):
        inside = False
        for w in range(words.shape[1]):
            word = words[r, w]
            if (word == 0 and not inside) or (word == _ALL_SET and inside):
                continue
            for x in range(w * _WORD, (w + 1) * _WORD):
                here = foreground[r, x] != 0
                if here and not inside:
                    row[n], start[n] = r, x
                elif inside and not here:
                    stop[n] = x
                    n += 1
                inside = here
        if inside:
            stop[n] = width
            n += 1
        first_of_row[r + 1] = n
    return row[:n].copy(), start[:n].copy(), stop[:n].copy(), first_of_row


@kernel()
def _gather(row: Any, start: Any, stop: Any, image: Any, units: float, out: Any) -> None:
    k = 0
    for i in range(len(row)):
        z, y = row[i] // image.shape[1], row[i] % image.shape[1]
        for x in range(start[i], stop[i]):
            # Whole numbers of up to 32 bits are exact in float64.
            out[k] = np.int64(np.rint(np.float64(image[z, y, x]) * units))
            k += 1


@kernel()
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel()
def _join_rows(start: Any, stop: Any, first_of_row: Any, depth: int, height: int, steps: int) -> Any:
    """Component of each run, and how many there are.

    Each row meets the four neighbouring rows that come before it. A root is always its component's first run, so
    that numbering the roots in order numbers the components by their first voxels.
    """
    n = len(start)
    parent = np.arange(n)
    for z in range(depth):
        for y in range(height):
            r = z * height + y
            if first_of_row[r] == first_of_row[r + 1]:
                continue
            for dz, dy in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
                apart = abs(dz) + abs(dy)
                if apart > steps or z + dz < 0 or y + dy < 0 or y + dy >= height:
                    continue
                reach = 1 if apart < steps else 0
                i, j = first_of_row[r], first_of_row[r + dz * height + dy]
                i_end, j_end = first_of_row[r + 1], first_of_row[r + dz * height + dy + 1]
                while i < i_end and j < j_end:
                    if start[i] < stop[j] + reach and start[j] < stop[i] + reach:
                        a, b = _root(parent, i), _root(parent, j)
                        if a < b:
                            parent[b] = a
                        else:
                            parent[a] = b
                    if stop[i] < stop[j]:
                        i += 1
                    else:
                        j += 1
    component = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        root = _root(parent, i)
        if root == i:
            component[i] = count
            count += 1
        else:
            component[i] = component[root]
    return component, count
