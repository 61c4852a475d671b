"""Regions of one HDF5 dataset, decompressed by the thread that asks for them.

HDF5 works for one thread at a time, decompression included. Where a dataset is compressed with what we know, HDF5 only
says where each chunk lies in the file; its bytes are read and decoded here, by any number of threads at once.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import h5py
import imagecodecs
import numpy as np
import numpy.typing as npt

from ecc_px.volumes.chunks import overlaps

CACHE_BYTES = 64 * 2**20
"""Decoded chunks that a file keeps, so that neighbouring blocks don't decode the same chunk again."""

_MOST_CHUNKS = 1_000_000
"""With more than these, the table of where each lies (13 bytes a chunk) is not worth its memory."""

Decoder = Callable[[bytes | bytearray], bytes | bytearray]


class ChunkCache:
    """Decoded chunks, the most recently used ones, from any thread."""

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self._capacity = capacity
        self._chunks: OrderedDict[tuple[int, ...], npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[int, ...]) -> npt.NDArray[Any] | None:
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def __len__(self) -> int:
        return len(self._chunks)

    def put(self, key: tuple[int, ...], chunk: npt.NDArray[Any]) -> None:
        with self._lock:
            if key in self._chunks:
                return
            self._chunks[key] = chunk
            self._bytes += chunk.nbytes
            while self._bytes > self._capacity:
                self._bytes -= self._chunks.popitem(last=False)[1].nbytes


@dataclass(frozen=True)
class _ChunkTable:
    """Where the chunks of a dataset lie in its file, by their place in the grid of chunks; 0 bytes: not stored."""

    offsets: npt.NDArray[np.int64]
    byte_counts: npt.NDArray[np.uint32]
    filter_masks: npt.NDArray[np.uint8]

    def name(self, place: tuple[int, ...]) -> str:
        """Which chunk it is, and where a person finds its bytes."""
        count, offset = int(self.byte_counts[place]), int(self.offsets[place])
        return f"chunk {'/'.join(map(str, place))} counted from 0, {count:,} bytes from byte {offset:,} of the file"


class Hdf5Array:
    """A dataset of an HDF5 file.

    Parameters
    ----------
    dataset : h5py.Dataset
    descriptor : int or None
        Of the same file, opened for reading; None leaves all reading to HDF5.
    cache : ChunkCache
        Datasets of one file share it.
    """

    def __init__(self, dataset: h5py.Dataset, descriptor: int | None, cache: ChunkCache) -> None:
        self._dataset = dataset
        self._descriptor = descriptor
        self._cache = cache
        self._key = id(dataset)
        self.shape: tuple[int, ...] = tuple(int(n) for n in dataset.shape)
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] | None = dataset.chunks
        self._decoders = None if descriptor is None else _decoders_of(dataset)
        self._table: _ChunkTable | None = None
        self._has_looked = False
        self._lock = threading.Lock()

    def read(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """The piece at `index`, one slice with start and stop for each dimension.

        Raises
        ------
        OSError
            A chunk is damaged, or the file ends before it.
        """
        table = None if self._decoders is None else self._chunk_table()
        if table is None or self.chunks is None:
            return np.asarray(self._dataset[index])
        out = np.empty([part.stop - part.start for part in index], self.dtype)
        for place, target, source in overlaps(index, self.chunks):
            if not table.byte_counts[place]:
                out[target] = self._dataset.fillvalue
                continue
            chunk = self._chunk(table, place)
            if chunk is None:
                # Whatever is wrong with it, HDF5 has the words for it; which chunk it is, we know.
                there = tuple(
                    slice(t.start + part.start, t.stop + part.start) for t, part in zip(target, index, strict=True)
                )
                try:
                    out[target] = self._dataset[there]
                except OSError as error:
                    raise OSError(f"{table.name(place)}: {error}") from error
            else:
                out[target] = chunk[source]
        return out

    def is_stored(self, index: tuple[slice, ...]) -> bool:
        """Whether any chunk of the piece at `index` is in the file; True where that can't be told."""
        table = self._chunk_table()
        if table is None or self.chunks is None:
            return True
        touched = (
            slice(part.start // chunk, -(-part.stop // chunk)) for part, chunk in zip(index, self.chunks, strict=True)
        )
        return bool(table.byte_counts[tuple(touched)].any())

    def _chunk(self, table: _ChunkTable, place: tuple[int, ...]) -> npt.NDArray[Any] | None:
        """A whole chunk; None where its bytes make none."""
        key = (self._key, *place)
        chunk = self._cache.get(key)
        if chunk is None:
            chunk = self._decoded(table, place)
            if chunk is not None:
                self._cache.put(key, chunk)
        return chunk

    def _decoded(self, table: _ChunkTable, place: tuple[int, ...]) -> npt.NDArray[Any] | None:
        assert self._descriptor is not None
        assert self._decoders is not None
        assert self.chunks is not None
        count = int(table.byte_counts[place])
        data: bytes | bytearray = os.pread(self._descriptor, count, int(table.offsets[place]))
        if len(data) != count:
            return None
        mask = int(table.filter_masks[place])
        try:
            for number in reversed(range(len(self._decoders))):
                # A set bit: this filter was left out of this chunk.
                if not mask >> number & 1:
                    data = self._decoders[number](data)
        except Exception:  # noqa: BLE001 (every codec raises its own kind on damaged bytes)
            return None
        if len(data) != prod(self.chunks) * self.dtype.itemsize:
            return None
        return np.frombuffer(data, self.dtype).reshape(self.chunks)

    def _chunk_table(self) -> _ChunkTable | None:
        """The table, made at the first call: asking HDF5 for one chunk's place takes as long as for all of them."""
        if not self._has_looked:
            with self._lock:
                if not self._has_looked:
                    self._table = _table_of(self._dataset)
                    self._has_looked = True
        return self._table


def descriptor_for(file: h5py.File) -> int | None:
    """A descriptor that reads an open HDF5 file beside HDF5; None where its bytes don't lie in one plain file.

    Whoever asks for it closes it.
    """
    if file.driver != "sec2" or file.userblock_size:
        return None
    return os.open(file.filename, os.O_RDONLY)


def _decoders_of(dataset: h5py.Dataset) -> list[Decoder] | None:
    """How to undo each filter of a chunked dataset; None where one is not known here."""
    if dataset.chunks is None or dataset.dtype.kind not in "buif":
        return None
    properties = dataset.id.get_create_plist()
    size, itemsize = prod(dataset.chunks) * dataset.dtype.itemsize, dataset.dtype.itemsize
    known: dict[int, Decoder] = {
        h5py.h5z.FILTER_DEFLATE: lambda data: imagecodecs.deflate_decode(data, out=size),
        h5py.h5z.FILTER_LZF: lambda data: imagecodecs.lzf_decode(data, out=size),
        h5py.h5z.FILTER_SHUFFLE: lambda data: _unshuffled(data, itemsize),
    }
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    return [known[code] for code in filters] if set(filters) <= set(known) else None


def _unshuffled(data: bytes | bytearray, itemsize: int) -> bytes:
    """Undo HDF5's shuffle, which puts the first bytes of all numbers first, then all second ones, and so on."""
    return np.frombuffer(data, np.uint8).reshape(itemsize, -1).T.tobytes()


def _table_of(dataset: h5py.Dataset) -> _ChunkTable | None:
    if dataset.chunks is None:
        return None
    grid = tuple(-(-extent // chunk) for extent, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    if prod(grid) > _MOST_CHUNKS:
        return None
    table = _ChunkTable(np.zeros(grid, np.int64), np.zeros(grid, np.uint32), np.zeros(grid, np.uint8))

    def note(chunk: Any) -> None:
        place = tuple(at // n for at, n in zip(chunk.chunk_offset, dataset.chunks, strict=True))
        table.offsets[place] = chunk.byte_offset
        table.byte_counts[place] = chunk.size
        table.filter_masks[place] = chunk.filter_mask

    try:
        dataset.id.chunk_iter(note)
    except (OSError, RuntimeError, IndexError):
        # A damaged index: HDF5 finds the chunks that it can still reach.
        return None
    return table
