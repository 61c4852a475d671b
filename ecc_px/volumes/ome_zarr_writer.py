"""OME-Zarr 0.4 or 0.5: the image in full resolution, and a pyramid that is made when it is complete.

Every chunk is a file, and one that is all 0 is left out: reading it gives 0, as the format says. Threads write chunks
at the same time, and what is in each depends on nothing but its voxels.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import zarr
import zarr.codecs
import zarr.storage

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.attributes import KEY, as_json
from ecc_px.volumes.axes import reordered
from ecc_px.volumes.chunks import Index, chunk_shape, chunks_in, covers_whole_chunks
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.ome_zarr_metadata import Window, multiscales_attributes
from ecc_px.volumes.streaming import in_order, usable_processors
from ecc_px.volumes.volume import Layout
from ecc_px.volumes.writer import VolumeWriter

Downsampling = Literal["mean", "nearest"]

CHUNK_EDGE = 128
"""Voxels along each spatial axis of a chunk, unless the layout says otherwise. Each chunk is a file."""

_CHUNKS, _PIECE = b"C", b"P"
"""How an encoded region begins: whole chunks as their files will be, or a piece that shares chunks with others."""

_COARSEST = 256
"""A level whose longest spatial extent is at most this gets no coarser one."""


class OmeZarrWriter(VolumeWriter):
    """Writes an OME-Zarr image.

    Parameters
    ----------
    ngff_version : {"0.4", "0.5"}
        0.4 is what ilastik, BigDataViewer and older napari read.
    downsampling : {"mean", "nearest"}
        How a coarser level is made: the mean of 2 × 2 × 2 voxels, or one of them, for class numbers.
    jobs : int, optional
        Threads that make the pyramid; one for each usable processor where not given. Each holds eight chunks of the
        finer level.
    """

    compressions = ("zstd", "gzip", "none")

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        compression: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        ngff_version: str = "0.4",
        downsampling: Downsampling = "mean",
        jobs: int | None = None,
    ) -> None:
        stored = reordered(layout, "".join(axis for axis in "tczyx" if axis in layout.axes))
        self._chunks = chunk_shape(stored, CHUNK_EDGE)
        chunked = replace(stored, chunks=self._chunks)
        super().__init__(path, chunked, compression=compression, attributes=attributes, overwrite=overwrite)
        if ngff_version not in ("0.4", "0.5"):
            raise InvalidSetting(f"{path}: OME-Zarr {ngff_version} is not written, only 0.4 and 0.5.")
        self._version = ngff_version
        self._downsampling: Downsampling = downsampling
        self._jobs = jobs or usable_processors()
        # Pieces of chunks are read, changed and written back: one thread at a time.
        self._lock = threading.Lock()

    def _begin(self) -> None:
        self._group = self._new_group(self._output.temporary)
        self._levels = [self._new_level(self._group, self.layout.stored_shape)]

    def _new_group(self, store: Any) -> Any:
        return zarr.open_group(store, mode="w", zarr_format=2 if self._version == "0.4" else 3)

    def _is_such_a_folder(self, folder: Path) -> bool:
        names = [child.name for child in folder.iterdir()]
        is_zarr = ".zgroup" in names or "zarr.json" in names
        return is_zarr and all(name.isdecimal() or name.startswith(".z") or name == "zarr.json" for name in names)

    def _new_level(self, group: Any, shape: tuple[int, ...], number: int = 0) -> zarr.Array[Any]:
        is_v2 = self._version == "0.4"
        return group.create_array(
            str(number),
            shape=shape,
            dtype=self.layout.dtype,
            chunks=tuple(min(chunk, extent) for chunk, extent in zip(self._chunks, shape, strict=True)),
            compressors=_compressor(self.compression, is_v2=is_v2),
            fill_value=0,
            chunk_key_encoding={"name": "v2" if is_v2 else "default", "separator": "/"},
            dimension_names=None if is_v2 else list(self.layout.axes),
            config={"write_empty_chunks": False},
        )

    def _write_stored(self, index: Index, stored: npt.NDArray[Any]) -> None:
        if covers_whole_chunks(index, self._chunks, self.layout.stored_shape):
            self._levels[0][index] = stored
        else:
            with self._lock:
                self._levels[0][index] = stored

    def _encoded(self, index: Index, stored: npt.NDArray[Any]) -> bytes:
        if not covers_whole_chunks(index, self._chunks, self.layout.stored_shape):
            return _PIECE + super()._encoded(index, stored)
        # An image of the same layout, in memory: its chunks are the files that this piece becomes.
        files: dict[str, Any] = {}
        image = self._new_level(self._new_group(zarr.storage.MemoryStore(files)), self.layout.stored_shape)
        image[index] = stored
        parts = [_CHUNKS]
        for name in sorted(name for name in files if name[-1].isdecimal()):
            data = files[name].to_bytes()
            parts += [struct.pack("<II", len(name), len(data)), name.encode(), data]
        return b"".join(parts)

    def _store(self, encoded: bytes | memoryview) -> None:
        view = memoryview(encoded)
        if view[:1] == _PIECE:
            super()._store(view[1:])
            return
        at = 1
        while at < len(view):
            name_length, data_length = struct.unpack_from("<II", view, at)
            at += 8 + name_length + data_length
            name = bytes(view[at - data_length - name_length : at - data_length]).decode()
            file = self._output.temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(view[at - data_length : at])

    def _finish(self) -> None:
        factors = [self._factors(0)]
        while self._longest_extent(self._levels[-1].shape) > _COARSEST:
            factors.append(self._factors(len(self._levels)))
            self._add_level()
        size = dict(zip("zyx", self.layout.voxel_um or (1.0, 1.0, 1.0), strict=True))
        finest = [size.get(axis, 1.0) for axis in self.layout.axes]
        # The mean of two voxels lies between them, a voxel taken out of them does not.
        shift = 0.5 if self._downsampling == "mean" else 0.0
        attributes = {KEY: as_json(self.attributes)} if self.attributes else {}
        attributes |= multiscales_attributes(
            volume_name(self.path),
            self.layout.axes,
            [[s * f for s, f in zip(finest, level, strict=True)] for level in factors],
            [[s * (f - 1) * shift for s, f in zip(finest, level, strict=True)] for level in factors],
            has_unit=self.layout.voxel_um is not None,
            version=self._version,
            channel_names=self.layout.channel_names,
            windows=self._windows() if self.layout.channel_names else (),
        )
        self._group.attrs.update(attributes)

    def _windows(self) -> list[Window]:
        """Contrast of each channel: what the attributes say of it, else what the coarsest level has."""
        is_float = self.layout.dtype.kind == "f"
        limits = None if is_float else np.iinfo(self.layout.dtype)
        stated = self.attributes.get("drange")
        at = self.layout.axes.find("c")
        windows = []
        for channel in range(self.layout.channels):
            index = tuple(
                slice(channel, channel + 1) if axis == at else slice(None) for axis in range(len(self._chunks))
            )
            if stated is not None:
                start, end = (float(bound) for bound in stated)
            else:
                values = np.asarray(self._levels[-1][index])
                values = values[np.isfinite(values)]
                start, end = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
            low, high = (start, end) if limits is None else (float(limits.min), float(limits.max))
            windows.append(Window(min=low, max=high, start=start, end=max(end, start + 1) if limits else end))
        return windows

    def _factors(self, level: int) -> list[int]:
        return [
            2**level if axis in "zyx" and extent > 1 else 1
            for axis, extent in zip(self.layout.axes, self.layout.stored_shape, strict=True)
        ]

    def _longest_extent(self, shape: tuple[int, ...]) -> int:
        return max(extent for axis, extent in zip(self.layout.axes, shape, strict=True) if axis in "zyx")

    def _add_level(self) -> None:
        """Make the next coarser level, each chunk from those that it covers."""
        fine = self._levels[-1]
        steps = self._factors(1)
        shape = tuple(-(-extent // step) for extent, step in zip(fine.shape, steps, strict=True))
        coarse = self._new_level(self._group, shape, len(self._levels))

        def make(index: Index) -> None:
            source = tuple(
                slice(part.start * step, min(part.stop * step, extent))
                for part, step, extent in zip(index, steps, fine.shape, strict=True)
            )
            piece = np.asarray(fine[source])
            if piece.any():
                coarse[index] = _halved(piece, steps, self._downsampling)

        for _ in in_order(make, chunks_in(tuple(slice(0, extent) for extent in shape), coarse.chunks), self._jobs):
            pass
        self._levels.append(coarse)

    def _abandon(self) -> None:
        """No file is held open."""


def _halved(piece: npt.NDArray[Any], steps: list[int], downsampling: Downsampling) -> npt.NDArray[Any]:
    """Every second voxel, or the mean of each two, along the axes whose step is 2; a last odd one stays alone."""
    if downsampling == "nearest":
        return piece[tuple(slice(None, None, step) for step in steps)]
    # Sums of eight 16-bit numbers are exact in float32.
    mean: npt.NDArray[Any] = piece.astype(np.float64 if piece.dtype == np.uint32 else np.float32)
    for axis, step in enumerate(steps):
        if step == 2:
            if mean.shape[axis] % 2:
                last = mean.take([-1], axis)
                mean = np.concatenate([mean, last], axis)
            even = [slice(None)] * mean.ndim
            odd = list(even)
            even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
            mean = np.add(mean[tuple(even)], mean[tuple(odd)]) / 2
    return (np.rint(mean) if piece.dtype.kind in "ui" else mean).astype(piece.dtype)


def _compressor(compression: str, *, is_v2: bool) -> Any:
    if compression == "none":
        return None
    if compression == "gzip":
        return numcodecs.GZip(1) if is_v2 else zarr.codecs.GzipCodec(level=1)
    if is_v2:
        return numcodecs.Blosc("zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE)
    return zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
