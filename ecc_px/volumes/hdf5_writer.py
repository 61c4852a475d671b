"""HDF5 as ilastik and ecc read it: one chunked dataset with axistags."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from ecc_px.volumes.axistags import axistags_json
from ecc_px.volumes.chunks import Index, chunk_shape, chunks_in, covers_whole_chunks
from ecc_px.volumes.hdf5 import EXPORTED_DATA
from ecc_px.volumes.hdf5_chunks import CACHE_BYTES
from ecc_px.volumes.unfailing_file import UnfailingFile
from ecc_px.volumes.volume import Layout
from ecc_px.volumes.writer import VolumeWriter

GZIP_LEVEL = 1
"""ilastik's; higher levels save a few per cent on microscopy noise and cost several times the time."""

EncodedChunk = tuple[tuple[int, ...], bytes, int]
"""Where a chunk begins, its stored bytes, and HDF5's filter mask."""

_CHUNKS, _PIECE = b"C", b"P"
"""How an encoded region begins: whole chunks as the file will hold them, or a piece that shares chunks with others."""

CHUNK_EDGE = 64
"""Voxels along each spatial axis of a chunk, unless the layout says otherwise."""


class Hdf5Writer(VolumeWriter):
    """Writes one dataset.

    Chunks that a region covers whole are compressed in the calling thread and handed over as bytes; HDF5
    itself compresses under its lock, one thread at a time.
    """

    compressions = ("gzip", "lzf", "none")
    order_matters = True

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        compression: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        dataset: str = EXPORTED_DATA,
    ) -> None:
        self._chunks = chunk_shape(layout, CHUNK_EDGE)
        chunked = replace(layout, chunks=self._chunks)
        super().__init__(path, chunked, compression=compression, attributes=attributes, overwrite=overwrite)
        self._encode = _ENCODERS[self.compression]
        self._dataset_name = dataset
        # Pieces of chunks are read, changed and written back: one thread at a time.
        self._lock = threading.Lock()

    def _begin(self) -> None:
        self._sink = UnfailingFile(self._output.temporary)
        self._file = h5py.File(self._sink, "w", rdcc_nbytes=CACHE_BYTES)
        layout = self.layout
        self._dataset = self._file.create_dataset(
            self._dataset_name,
            shape=layout.stored_shape,
            dtype=layout.dtype,
            chunks=self._chunks,
            compression=None if self.compression == "none" else self.compression,
            compression_opts=GZIP_LEVEL if self.compression == "gzip" else None,
        )
        attributes = self._dataset.attrs
        attributes["axistags"] = axistags_json(layout.axes, layout.voxel_um)
        if layout.voxel_um is not None:
            attributes["element_size_um"] = np.array(layout.voxel_um, np.float64)
        for number, axis in enumerate(layout.axes):
            self._dataset.dims[number].label = axis
        if layout.channel_names is not None:
            attributes["channel_names"] = list(layout.channel_names)
        for key, value in self.attributes.items():
            attributes[key] = value
        self._sink.raise_error()

    def _write_stored(self, index: Index, stored: npt.NDArray[Any]) -> None:
        if covers_whole_chunks(index, self._chunks, self.layout.stored_shape):
            self._store_chunks(self._encoded_chunks(index, stored))
            return
        with self._lock:
            self._dataset[index] = stored
        self._sink.raise_error()

    def _encoded(self, index: Index, stored: npt.NDArray[Any]) -> bytes:
        if not covers_whole_chunks(index, self._chunks, self.layout.stored_shape):
            return _PIECE + super()._encoded(index, stored)
        parts = [_CHUNKS]
        for offset, data, filter_mask in self._encoded_chunks(index, stored):
            parts += [np.array([*offset, filter_mask, len(data)], "<u8").tobytes(), data]
        return b"".join(parts)

    def _store(self, encoded: bytes | memoryview) -> None:
        view = memoryview(encoded)
        if view[:1] == _PIECE:
            super()._store(view[1:])
        else:
            self._store_chunks(self._decoded_chunks(view))

    def _decoded_chunks(self, view: memoryview) -> Iterator[EncodedChunk]:
        dimensions, at = len(self._chunks), 1
        while at < len(view):
            *offset, filter_mask, size = np.frombuffer(view, "<u8", dimensions + 2, at).tolist()
            at += 8 * (dimensions + 2) + size
            yield tuple(offset), bytes(view[at - size : at]), filter_mask

    def _encoded_chunks(self, index: Index, stored: npt.NDArray[Any]) -> Iterator[EncodedChunk]:
        """Whole chunks as HDF5 stores them: this takes the time, and any number of threads can do it at once."""
        for chunk in chunks_in(index, self._chunks):
            inside = tuple(
                slice(at.start - part.start, at.stop - part.start) for at, part in zip(chunk, index, strict=True)
            )
            data, filter_mask = self._encode(_padded(stored[inside], self._chunks))
            yield tuple(at.start for at in chunk), data, filter_mask

    def _store_chunks(self, chunks: Iterable[EncodedChunk]) -> None:
        # Chunks lie in the file in the order of their writing.
        for offset, data, filter_mask in chunks:
            self._dataset.id.write_direct_chunk(offset, data, filter_mask)
            self._sink.raise_error()

    def _finish(self) -> None:
        self._file.close()
        self._sink.close()
        self._sink.raise_error()

    def _abandon(self) -> None:
        self._file.close()
        self._sink.close()


def _padded(piece: npt.NDArray[Any], chunks: tuple[int, ...]) -> bytes:
    """A chunk in its full size: at the border of the image HDF5 stores it with voxels that nobody reads."""
    if piece.shape != chunks:
        piece = np.pad(piece, [(0, full - n) for full, n in zip(chunks, piece.shape, strict=True)])
    return piece.tobytes()


def _gzip(chunk: bytes) -> tuple[bytes, int]:
    # ISA-L: the format of zlib in a quarter of the time, with the same bytes on every x86 processor since 2008.
    return isal_zlib.compress(chunk, GZIP_LEVEL), 0


def _lzf(chunk: bytes) -> tuple[bytes, int]:
    try:
        encoded = bytes(imagecodecs.lzf_encode(chunk))
    except RuntimeError:  # it would grow
        return chunk, 1
    return (encoded, 0) if len(encoded) < len(chunk) else (chunk, 1)


def _as_it_is(chunk: bytes) -> tuple[bytes, int]:
    return chunk, 0


_ENCODERS: dict[str, Callable[[bytes], tuple[bytes, int]]] = {"gzip": _gzip, "lzf": _lzf, "none": _as_it_is}
"""From a chunk to its stored bytes and HDF5's filter mask (1: stored without the filter)."""
