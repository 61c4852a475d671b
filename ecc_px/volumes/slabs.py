"""Slabs of a volume that pieces on top of each other share, read and decoded once.

A block is read with a border, and a chunked file hands out whole chunks: without slabs, those above and below a block
are decoded for it, and again for themselves. A slab is as thick as a chunk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.volumes.blocks import Region
from ecc_px.volumes.volume import Layout, Volume

THICKEST = 64
"""Planes of a slab at most."""


def slab_depth(layout: Layout) -> int:
    """Planes that a file hands out together, as far as a slab may be thick; 1 where it hands out any."""
    if layout.chunks is None or "z" not in layout.axes:
        return 1
    return min(layout.chunks[layout.axes.index("z")], THICKEST)


class Slabs:
    """The slabs that were read last, for any number of threads.

    Parameters
    ----------
    volume : Volume
    capacity : int
        Bytes that are kept.
    """

    def __init__(self, volume: Volume, capacity: int) -> None:
        self._volume, self._capacity = volume, capacity
        self._depth = slab_depth(volume.layout)
        self._slabs: OrderedDict[tuple[Any, ...], Future[npt.NDArray[Any]]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, region: Region, *, frame: int = 0) -> npt.NDArray[Any]:
        """What `Volume.read` gives; it may be shared with other pieces, so nobody may write to it."""
        z, y, x = region
        parts = []
        for begin in range(z.start // self._depth * self._depth, z.stop, self._depth):
            end = min(begin + self._depth, self._volume.shape[0])
            slab = self._slab((slice(begin, end), y, x), frame)
            parts.append(slab[:, max(z.start - begin, 0) : z.stop - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _slab(self, region: Region, frame: int) -> npt.NDArray[Any]:
        key = frame, *((side.start, side.stop) for side in region)
        with self._lock:
            slab = self._slabs.get(key)
            is_new = slab is None
            if slab is None:
                slab = self._slabs[key] = Future()
            else:
                self._slabs.move_to_end(key)
        if is_new:
            try:
                read = self._volume.read(region, frame=frame)
            except BaseException as error:
                with self._lock:
                    del self._slabs[key]
                # Those who wait for it are told the same.
                slab.set_exception(error)
                raise
            slab.set_result(read)
            self._keep(read.nbytes)
        return slab.result()

    def _keep(self, new_bytes: int) -> None:
        """Make room for a slab that was just read."""
        with self._lock:
            self._bytes += new_bytes
            for key, slab in list(self._slabs.items()):
                if self._bytes <= self._capacity:
                    break
                if slab.done():
                    self._bytes -= slab.result().nbytes
                    del self._slabs[key]
