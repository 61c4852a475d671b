"""The contract that every output format keeps: written by region, appearing whole or not at all."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import imagecodecs
import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, OutputFailed
from ecc_px.volumes.blocks import Region, shape_of
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.volume import Layout


class VolumeWriter(ABC):
    """An image being written. Use it as a context manager: it appears when the block ends without an error.

    Regions may come in any order and from any thread, in every format. What is never written is 0.
    A format needs `_begin`, `_write_stored`, `_finish` and `_abandon`, and writes to the temporary path only.

    Parameters
    ----------
    path : Path
    layout : Layout
        In the axis order and with the chunks that the file will have: regions of whole chunks are written fastest.
    compression : str, optional
        One of the format's `compressions`; the first of them where not given.
    attributes : mapping, optional
        What else to say of the image, as `Volume.attributes` will: text, numbers and lists of them.
    overwrite : bool
    """

    compressions: ClassVar[tuple[str, ...]]
    order_matters: ClassVar[bool] = False
    """Whether the file's bytes depend on the order in which regions are stored."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        compression: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = path
        self.layout = layout
        self.attributes = dict(attributes or {})
        self.compression = self.compressions[0] if compression is None else compression
        if self.compression not in self.compressions:
            raise InvalidSetting(
                f"{path}: this format has no compression {compression!r}, only {', '.join(self.compressions)}."
            )
        self._output = PartialOutput(path, overwrite=overwrite, is_such_a_folder=self._is_such_a_folder)

    def write(self, region: Region, array: npt.NDArray[Any], *, frame: int = 0) -> None:
        """Write all channels of a region of one frame.

        Parameters
        ----------
        region : (z, y, x) slices
        array : (c, z, y, x) of the layout's dtype
        frame : int
        """
        index, stored = self._placed(region, array, frame)
        with write_errors_named(self.path):
            self._write_stored(index, stored)

    def encode(self, region: Region, array: npt.NDArray[Any], *, frame: int = 0) -> bytes:
        """The first half of `write`: a region as bytes that can be kept anywhere until `store` takes them.

        This is the half that takes time; any thread can do it, also before the image is begun. The bytes mean
        something to a writer of the same layout and compression only, in this process or a later one.
        """
        index, stored = self._placed(region, array, frame)
        return self._encoded(index, stored)

    def store(self, encoded: bytes | memoryview) -> None:
        """The second half of `write`. The same pieces in the same order give the same file, byte for byte."""
        with write_errors_named(self.path):
            self._store(encoded)

    def _encoded(self, index: tuple[slice, ...], stored: npt.NDArray[Any]) -> bytes:
        """A piece in the file's axis order, compressed; formats whose chunks can be made ahead do it their own way."""
        place = np.array([(part.start, part.stop) for part in index], "<i8").tobytes()
        return place + bytes(imagecodecs.zstd_encode(np.ascontiguousarray(stored).tobytes(), level=1))

    def _store(self, encoded: bytes | memoryview) -> None:
        dimensions = len(self.layout.axes)
        place = np.frombuffer(encoded, "<i8", 2 * dimensions).reshape(dimensions, 2).tolist()
        index = tuple(slice(start, stop) for start, stop in place)
        piece = np.frombuffer(imagecodecs.zstd_decode(bytes(encoded[16 * dimensions :])), self.layout.dtype)
        self._write_stored(index, piece.reshape([part.stop - part.start for part in index]))

    def _placed(
        self, region: Region, array: npt.NDArray[Any], frame: int
    ) -> tuple[tuple[slice, ...], npt.NDArray[Any]]:
        """Where a region lies in the stored array, and its voxels in the stored axis order."""
        expected = (self.layout.channels, *shape_of(region))
        if array.shape != expected or array.dtype != self.layout.dtype:
            given = f"{array.shape} {array.dtype}"
            raise ValueError(f"{self.path}: the region takes {expected} {self.layout.dtype}, not {given}")
        return self.layout.stored_index(region, frame, slice(0, self.layout.channels)), self.layout.to_stored(array)

    def _is_such_a_folder(self, folder: Path) -> bool:
        """Whether a folder is an earlier output of this format and holds nothing else."""
        return False

    @abstractmethod
    def _begin(self) -> None:
        """Make the temporary output."""

    @abstractmethod
    def _write_stored(self, index: tuple[slice, ...], stored: npt.NDArray[Any]) -> None:
        """Write a piece that is in the layout's axis order to `index` (one slice for each stored axis)."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the temporary output and let go of it."""

    @abstractmethod
    def _abandon(self) -> None:
        """Let go of the temporary output, whatever state it is in."""

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise OutputFailed(f"{self.path}: there is no folder {self.path.parent}. Make it first.")
        try:
            with write_errors_named(self.path):
                self._begin()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            with write_errors_named(self.path):
                self._finish()
                self._output.commit()
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        # The error that brought us here is the one to tell; one while letting go of the ruins is not.
        with contextlib.suppress(Exception):
            self._abandon()
        self._output.discard()
