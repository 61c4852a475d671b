"""HDF5 as ilastik and ecc read it: one chunked dataset with axistags."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import imagecodecs
import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.axistags import axistags_json
from ecc_px.volumes.hdf5 import CHUNK_CACHE_BYTES, EXPORTED_DATA
from ecc_px.volumes.volume import Layout
from ecc_px.volumes.writer import VolumeWriter

Compression = Literal["gzip", "lzf", "none"]

GZIP_LEVEL = 1
"""ilastik's; higher levels save a few per cent on microscopy noise and cost several times the time."""

CHUNK_EDGE = 64
"""Voxels along each spatial axis of a chunk, unless the layout says otherwise."""


class Hdf5Writer(VolumeWriter):
    """Writes one dataset. Regions may come in any order.

    Chunks that a region covers whole are compressed in the calling thread and handed over as bytes; HDF5
    itself compresses under its lock, one thread at a time.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        compression: Compression = "gzip",
        dataset: str = EXPORTED_DATA,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__(path, layout, overwrite=overwrite)
        if compression not in get_args(Compression):
            raise InvalidSetting(f"compression {compression!r}: HDF5 knows {', '.join(get_args(Compression))}.")
        self._compression = compression
        self._encode = _encoder(compression)
        self._dataset_name = dataset
        self._attributes = dict(attributes or {})
        self._chunks = layout.chunks or _default_chunks(layout)
        # Pieces of chunks are read, changed and written back: one thread at a time.
        self._lock = threading.Lock()

    def _begin(self) -> None:
        self._file = h5py.File(self._output.temporary, "w", rdcc_nbytes=CHUNK_CACHE_BYTES)
        filters: dict[str, dict[str, Any]] = {
            "gzip": {"compression": "gzip", "compression_opts": GZIP_LEVEL},
            "lzf": {"compression": "lzf"},
            "none": {},
        }
        layout = self.layout
        self._dataset = self._file.create_dataset(
            self._dataset_name,
            shape=layout.stored_shape,
            dtype=layout.dtype,
            chunks=self._chunks,
            **filters[self._compression],
        )
        attributes = self._dataset.attrs
        attributes["axistags"] = axistags_json(layout.axes, layout.voxel_um)
        if layout.voxel_um is not None:
            attributes["element_size_um"] = np.array(layout.voxel_um, np.float64)
        for number, axis in enumerate(layout.axes):
            self._dataset.dims[number].label = axis
        for key, value in self._attributes.items():
            attributes[key] = value

    def _write_stored(self, index: tuple[slice, ...], stored: npt.NDArray[Any]) -> None:
        if self._covers_whole_chunks(index):
            for corner, piece in self._chunks_of(index, stored):
                data, filter_mask = self._encode(_padded(piece, self._chunks))
                self._dataset.id.write_direct_chunk(corner, data, filter_mask)
        else:
            with self._lock:
                self._dataset[index] = stored

    def _covers_whole_chunks(self, index: tuple[slice, ...]) -> bool:
        return all(
            part.start % chunk == 0 and (part.stop % chunk == 0 or part.stop == extent)
            for part, chunk, extent in zip(index, self._chunks, self.layout.stored_shape, strict=True)
        )

    def _chunks_of(
        self, index: tuple[slice, ...], stored: npt.NDArray[Any]
    ) -> Iterator[tuple[tuple[int, ...], npt.NDArray[Any]]]:
        """Corner in the dataset and voxels of each chunk of a region."""
        grid = [range(part.start, part.stop, chunk) for part, chunk in zip(index, self._chunks, strict=True)]
        for corner in product(*grid):
            inside = tuple(
                slice(at - part.start, at - part.start + chunk)
                for at, part, chunk in zip(corner, index, self._chunks, strict=True)
            )
            yield corner, stored[inside]

    def _finish(self) -> None:
        # HDF5 reports a full disk at a flush; at a close it may only print it.
        self._file.flush()
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()


def _default_chunks(layout: Layout) -> tuple[int, ...]:
    """64³ voxels of one channel and one frame, clipped to the image."""
    edge = {"t": 1, "c": 1}
    return tuple(
        min(edge.get(axis, CHUNK_EDGE), extent) for axis, extent in zip(layout.axes, layout.stored_shape, strict=True)
    )


def _padded(piece: npt.NDArray[Any], chunks: tuple[int, ...]) -> npt.NDArray[Any]:
    """A chunk in its full size: at the border of the image HDF5 stores it with voxels that nobody reads."""
    missing = [(0, chunk - extent) for chunk, extent in zip(chunks, piece.shape, strict=True)]
    return np.ascontiguousarray(np.pad(piece, missing) if any(after for _, after in missing) else piece)


def _encoder(compression: Compression) -> Callable[[npt.NDArray[Any]], tuple[bytes, int]]:
    """A function from a chunk to its stored bytes and HDF5's filter mask (1: stored without the filter)."""

    def gzip(chunk: npt.NDArray[Any]) -> tuple[bytes, int]:
        return bytes(imagecodecs.zlib_encode(chunk.tobytes(), level=GZIP_LEVEL)), 0

    def lzf(chunk: npt.NDArray[Any]) -> tuple[bytes, int]:
        raw = chunk.tobytes()
        try:
            encoded = bytes(imagecodecs.lzf_encode(raw))
        except RuntimeError:
            return raw, 1
        return (encoded, 0) if len(encoded) < len(raw) else (raw, 1)

    def none(chunk: npt.NDArray[Any]) -> tuple[bytes, int]:
        return chunk.tobytes(), 0

    return {"gzip": gzip, "lzf": lzf, "none": none}[compression]
