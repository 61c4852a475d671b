"""An HDF5 file that is open for reading: its errors in the user's words, its datasets readable from many threads."""

from __future__ import annotations

import os
from pathlib import Path

import h5py

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.hdf5_chunks import CACHE_BYTES, ChunkCache, Hdf5Array, descriptor_for


class Hdf5File:
    """An HDF5 file, opened.

    Raises
    ------
    UnreadableVolume, IncompleteVolume
        It is no HDF5 file, is being written, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _open_file(path)
        self._descriptor = descriptor_for(self.root)
        self._cache = ChunkCache()

    def array(self, dataset: h5py.Dataset) -> Hdf5Array:
        """One of its datasets, for reading."""
        return Hdf5Array(dataset, self._descriptor, self._cache)

    def close(self) -> None:
        self.root.close()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _open_file(path: Path) -> h5py.File:
    try:
        # best-effort: many network shares know no file locks, and reading needs none.
        return h5py.File(path, "r", locking="best-effort", rdcc_nbytes=CACHE_BYTES)
    except OSError as error:
        reason = str(error)
        if "truncated" in reason:
            raise IncompleteVolume(f"{path}: the HDF5 file was cut short. Copy it again.") from error
        if "unable to lock" in reason:
            raise UnreadableVolume(f"{path}: another program is writing it. Wait until it is done.") from error
        if "signature not found" in reason:
            raise UnreadableVolume(f"{path}: it is no HDF5 file, whatever its name says.") from error
        raise UnreadableVolume(f"{path}: HDF5 can't open it ({reason}). Copy it again.") from error
