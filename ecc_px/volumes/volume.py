"""The contract that every image format keeps: a volume is read by region, never whole.

On disk an image may have any of the axes t, z, y, x, c in any order. Whoever reads it through this contract
sees `frames` × `channels` × (z, y, x), in that order, whatever the file says; `axes` remembers the file's
order so that an output can be written in it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.blocks import Region, Shape, whole

VoxelUm = tuple[float, float, float]
"""Voxel size in µm along (z, y, x). Unknown is `None`, never 1."""

SUPPORTED_DTYPES = ("uint8", "uint16", "int16", "uint32", "float32")


@dataclass(frozen=True)
class Layout:
    """What a file says about its image.

    Parameters
    ----------
    axes : str
        Order on disk, of the letters t, z, y, x, c; y and x are always there.
    stored_shape : tuple of int
        Extent along each of `axes`.
    dtype : numpy dtype
    voxel_um : (z, y, x) µm or None
        None where the file does not say.
    chunks : tuple of int or None
        How the file is cut, along `axes`; None where it is not.
    channel_names : tuple of str or None
    origins : dict
        Where each fact came from, e.g. ``{"axes": "axistags", "voxel size": "element_size_um attribute"}``.
    """

    axes: str
    stored_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    voxel_um: VoxelUm | None = None
    chunks: tuple[int, ...] | None = None
    channel_names: tuple[str, ...] | None = None
    origins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.axes)) != len(self.axes) or set(self.axes) - set("tzyxc") or not {"y", "x"} <= set(self.axes):
            raise InvalidSetting(f"axes {self.axes!r}: each of t, z, y, x, c at most once, y and x always.")
        if len(self.axes) != len(self.stored_shape):
            raise InvalidSetting(
                f"axes {self.axes!r} name {len(self.axes)} dimensions, the image has "
                f"{len(self.stored_shape)} {self.stored_shape}: pass --axes with one letter for each."
            )

    def extent(self, axis: str) -> int:
        """Extent along an axis; 1 where the file lacks it."""
        return self.stored_shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def shape(self) -> Shape:
        return self.extent("z"), self.extent("y"), self.extent("x")

    @property
    def channels(self) -> int:
        return self.extent("c")

    @property
    def frames(self) -> int:
        return self.extent("t")

    def stored_index(self, region: Region, frame: int, channels: slice) -> tuple[slice, ...]:
        """Where a region of one frame lies in the stored array: one slice for each of `axes`."""
        place = dict(zip("zyx", region, strict=True)) | {"t": slice(frame, frame + 1), "c": channels}
        return tuple(place[axis] for axis in self.axes)

    def to_canonical(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A piece in the file's axis order, of one frame → (c, z, y, x)."""
        present = [a for a in "tczyx" if a in self.axes]
        array = stored.transpose([self.axes.index(a) for a in present])
        return array.reshape([stored.shape[self.axes.index(a)] if a in self.axes else 1 for a in "czyx"])

    def to_stored(self, canonical: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(c, z, y, x) of one frame → the file's axis order."""
        extent = dict(zip("czyx", canonical.shape, strict=True)) | {"t": 1}
        present = [a for a in "tczyx" if a in self.axes]
        array = canonical.reshape([extent[a] for a in present])
        return array.transpose([present.index(a) for a in self.axes])


@dataclass(frozen=True)
class Opening:
    """How a volume was opened: enough for another process to do the same.

    Parameters
    ----------
    key : str
        Of this one opening: what is opened later, perhaps after the file was replaced, is another volume.
    format : subclass of Volume
    arguments, options
        Of its constructor.
    """

    key: str
    format: type[Volume]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Volume(ABC):
    """An image on disk, read lazily by region. Use it as a context manager, or call `close`.

    A format needs only `layout` and `_read_stored`. `read` may be called from several threads at once. Pickled, a
    volume is what it was opened with: another process opens it again, once.
    """

    path: Path
    name: str
    """The input's name without its extension: the stem of every output made from it."""
    layout: Layout
    attributes: dict[str, Any]
    """What else the file says about the image (HDF5 attributes, OME metadata …), as plain values."""
    _opening: Opening

    def __new__(cls, *args: Any, **options: Any) -> Self:
        volume = super().__new__(cls)
        volume._opening = Opening(uuid4().hex, cls, args, options)
        return volume

    def __reduce__(self) -> tuple[Callable[[Opening], Volume], tuple[Opening]]:
        return reopened, (self._opening,)

    @property
    def opening(self) -> Opening:
        """How it was opened."""
        return self._opening

    @property
    def shape(self) -> Shape:
        """Voxels along (z, y, x); z is 1 for a 2-D image."""
        return self.layout.shape

    @property
    def channels(self) -> int:
        return self.layout.channels

    @property
    def frames(self) -> int:
        return self.layout.frames

    @property
    def axes(self) -> str:
        """Axis order on disk."""
        return self.layout.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.layout.dtype

    @property
    def voxel_um(self) -> VoxelUm | None:
        """Voxel size in µm along (z, y, x), None where unknown."""
        return self.layout.voxel_um

    def read(self, region: Region | None = None, *, frame: int = 0, channel: int | None = None) -> npt.NDArray[Any]:
        """Voxels of a region (default: everything), in the stored dtype.

        Returns
        -------
        (c, z, y, x) array; c is 1 when one `channel` is asked for.
        """
        channels = slice(0, self.channels) if channel is None else slice(channel, channel + 1)
        index = self.layout.stored_index(whole(self.shape) if region is None else region, frame, channels)
        return self.layout.to_canonical(self._read_stored(index))

    @abstractmethod
    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """The piece at `index` (one slice per stored axis), in the file's axis order, native byte order."""

    def is_stored(self, region: Region, *, frame: int = 0, channel: int = 0) -> bool:
        """Whether the file has anything at all for a region.

        Zarr, N5 and chunked HDF5 leave out chunks that nobody wrote, and read them as empty.
        """
        return self._is_stored(self.layout.stored_index(region, frame, slice(channel, channel + 1)))

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        """Whether any chunk that the piece at `index` touches is in the file."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_KEPT_OPEN = 16
"""Volumes of another process that stay open here, at most."""

_reopened: dict[str, Volume] = {}
_reopening = threading.Lock()


def reopened(opening: Opening) -> Volume:
    """The volume that another process opened, opened here the first time that it is asked for."""
    with _reopening:
        if opening.key not in _reopened:
            _reopened[opening.key] = opening.format(*opening.arguments, **opening.options)
            if len(_reopened) > _KEPT_OPEN:
                # Not closed: another thread may be reading it. Its file goes with the last who holds it.
                del _reopened[next(iter(_reopened))]
        return _reopened[opening.key]
