"""Formats that keep every channel of every time point as an array of its own."""

from __future__ import annotations

from abc import abstractmethod
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import Layout, Volume


class SpatialArray(Protocol):
    """A (z, y, x) array on disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def chunks(self) -> tuple[int, ...] | None: ...

    def read(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """The piece at `index`, in any byte order. May be called from several threads at once."""

    def is_stored(self, index: tuple[slice, ...]) -> bool:
        """Whether any chunk of the piece at `index` is in the file."""


def grid_axes(frames: int, channels: int) -> str:
    """Axes of a grid of (z, y, x) arrays, without t and c where there is only one."""
    return ("t" if frames > 1 else "") + ("c" if channels > 1 else "") + "zyx"


def grid_shape(frames: int, channels: int, shape: Shape) -> tuple[int, ...]:
    """The stored shape that goes with `grid_axes`."""
    return (*((frames,) if frames > 1 else ()), *((channels,) if channels > 1 else ()), *shape)


def grid_chunks(frames: int, channels: int, chunks: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Chunks that go with `grid_axes`: each holds one channel of one frame."""
    return None if chunks is None else (1,) * (len(grid_axes(frames, channels)) - 3) + tuple(chunks)


class ArrayGridVolume(Volume):
    """An image of frames × channels arrays. A format needs `layout` with the axes of `grid_axes`, and `_array`.

    The arrays may be larger than the image, as Imaris pads them.
    """

    @abstractmethod
    def _array(self, frame: int, channel: int) -> SpatialArray:
        """One of the arrays."""

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        place = dict(zip(self.axes, index, strict=True))
        region = tuple(place[axis] for axis in "zyx")
        frames, channels = (place.get(axis, slice(0, 1)) for axis in "tc")
        shape = [part.stop - part.start for part in index]
        out = np.empty((frames.stop - frames.start, channels.stop - channels.start, *shape[-3:]), self.dtype)
        for frame in range(frames.start, frames.stop):
            for channel in range(channels.start, channels.stop):
                try:
                    piece = self._array(frame, channel).read(region)
                except OSError as error:
                    raise UnreadableVolume(
                        f"{self.path}: channel {channel} of frame {frame} can't be read at "
                        f"{place_text(self.layout, index)} ({error}). Copy it again."
                    ) from error
                out[frame - frames.start, channel - channels.start] = piece
        return out.reshape(shape)

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        place = dict(zip(self.axes, index, strict=True))
        frames, channels = (place.get(axis, slice(0, 1)) for axis in "tc")
        region = tuple(place[axis] for axis in "zyx")
        arrays = product(range(frames.start, frames.stop), range(channels.start, channels.stop))
        return any(self._array(frame, channel).is_stored(region) for frame, channel in arrays)


def place_text(layout: Layout, index: tuple[slice, ...]) -> str:
    """Where a piece lies, for a message: ``z 3:5, y 0:20, x 7:9``."""
    return ", ".join(f"{axis} {part.start}:{part.stop}" for axis, part in zip(layout.axes, index, strict=True))
