"""A Zarr folder read with a look at each chunk file: one that Blosc packed must be whole."""

from __future__ import annotations

from typing import Any

import numcodecs  # type: ignore[import-untyped]
import zarr
from zarr.storage import LocalStore, WrapperStore

from ecc_px.volumes.blosc import HEADER_BYTES, require_whole

METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
"""Names of the files that are no chunks."""


def is_packed_by_blosc(array: zarr.Array) -> bool:
    """Whether each file is one chunk that Blosc packed last; in a sharded array, checksums guard the index."""
    if array.shards is not None or not array.compressors:
        return False
    return isinstance(array.compressors[-1], numcodecs.Blosc | zarr.codecs.BloscCodec)


def guarded(array: zarr.Array) -> zarr.Array:
    """The same array in a folder; reading a chunk that was cut short is an error, whatever it is packed with."""
    if not is_packed_by_blosc(array):
        return array
    return zarr.open_array(_WholeChunks(LocalStore(array.store.root, read_only=True)), path=array.path, mode="r")


class _WholeChunks(WrapperStore):
    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        data = await super().get(key, prototype, byte_range)
        if data is not None and byte_range is None and key.rpartition("/")[2] not in METADATA:
            try:
                require_whole(data[:HEADER_BYTES].to_bytes(), len(data))
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error
        return data
