"""Imaris .ims (version 5.5): an HDF5 file with an array for every resolution, time point and channel.

Layout: https://imaris.oxinst.com/support/imaris-file-format. Attributes are text, stored as arrays of single letters.
Arrays are padded to whole chunks; the image's own size is in `ImageSizeX`, `ImageSizeY` and `ImageSizeZ`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes.array_grid import ArrayGridVolume, grid_axes, grid_chunks, grid_shape
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.hdf5_chunks import Hdf5Array
from ecc_px.volumes.hdf5_file import Hdf5File
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, VoxelUm
from ecc_px.volumes.voxel_size import micrometres_per, voxel_um_from


class ImarisVolume(ArrayGridVolume):
    """One resolution level of an Imaris file, all its channels and time points.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter for each dimension, (t), (c), z, y, x; overrides what the format says.
    level : int
        0 is the finest.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, level: int = 0, dtypes: Collection[str] = SUPPORTED_DTYPES
    ) -> None:
        self.path = path
        self.name = volume_name(path)
        self._file = Hdf5File(path)
        try:
            self._groups = self._channel_groups(level)
            self._arrays = [[self._file.array(self._data_of(group)) for group in frame] for frame in self._groups]
            image = self._file.root["DataSetInfo/Image"]
            self.attributes = {str(key): _text(image.attrs, key) for key in image.attrs}
            self.layout = self._layout(axes, level, dtypes)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | KeyError):
                raise UnreadableVolume(f"{path}: the Imaris file is damaged ({error}). Copy it again.") from error
            raise

    def _channel_groups(self, level: int) -> list[list[h5py.Group]]:
        """The group of every channel of every time point."""
        levels = _numbered(self._file.root["DataSet"], "ResolutionLevel ")
        if not 0 <= level < len(levels):
            raise InvalidSetting(f"{self.path}: it has no level {level}, only 0 to {len(levels) - 1}.")
        self._levels = len(levels)
        frames = [_numbered(frame, "Channel ") for frame in _numbered(levels[level], "TimePoint ")]
        counts = sorted({len(channels) for channels in frames})
        if not frames or counts[0] == 0:
            raise UnreadableVolume(f"{self.path}: the Imaris file holds no image.")
        if len(counts) > 1:
            raise IncompleteVolume(
                f"{self.path}: some time points have {counts[0]} channels and others {counts[-1]}. Copy it again."
            )
        return frames

    def _data_of(self, group: h5py.Group) -> h5py.Dataset:
        data = group.get("Data")
        if not isinstance(data, h5py.Dataset) or data.ndim != 3:
            raise IncompleteVolume(f"{self.path}: {group.name} has no image. Copy it again.")
        return data

    def _layout(self, axes: str | None, level: int, dtypes: Collection[str]) -> Layout:
        frames, channels = len(self._groups), len(self._groups[0])
        shapes = {self._true_shape(group) for frame in self._groups for group in frame}
        types = {array.dtype for frame in self._arrays for array in frame}
        if len(shapes) > 1 or len(types) > 1:
            different = ", ".join(str(s) for s in shapes) if len(shapes) > 1 else ", ".join(str(t) for t in types)
            raise UnreadableVolume(f"{self.path}: its channels or time points differ: {different}. Export them apart.")
        shape = shapes.pop()
        voxel_um = self._voxel_um(shape)
        origins = {
            "image": f"level {level} of {self._levels}",
            "axes": "Imaris layout" if axes is None else "given",
            "shape": "ImageSizeZ, ImageSizeY, ImageSizeX",
        }
        if voxel_um is not None:
            origins["voxel size"] = "Imaris extents"
        names = self._channel_names(channels)
        if names is not None:
            origins["channel names"] = "DataSetInfo"
        return Layout(
            axes=axes or grid_axes(frames, channels),
            stored_shape=grid_shape(frames, channels, shape),
            dtype=native_dtype(types.pop(), self.path, dtypes),
            voxel_um=voxel_um,
            chunks=grid_chunks(frames, channels, self._arrays[0][0].chunks),
            channel_names=names,
            origins=origins,
        )

    def _true_shape(self, group: h5py.Group) -> Shape:
        """The image's extents: those of the array less its padding."""
        padded = group["Data"].shape
        sizes = [_text(group.attrs, f"ImageSize{axis}") for axis in "ZYX"]
        try:
            z, y, x = (int(text) if text else n for text, n in zip(sizes, padded, strict=True))
        except ValueError:
            z = y = x = 0
        if min(z, y, x) < 1 or any(n > m for n, m in zip((z, y, x), padded, strict=True)):
            raise UnreadableVolume(
                f"{self.path}: {group.name} says that its image has {' × '.join(sizes)} voxels (z y x), its array has "
                f"{padded}. Copy the file again."
            )
        return z, y, x

    def _voxel_um(self, shape: Shape) -> VoxelUm | None:
        image = self._file.root["DataSetInfo/Image"].attrs
        factor = micrometres_per(_text(image, "Unit"))
        sizes = {}
        # Imaris numbers its axes 0, 1, 2: x, y, z.
        for axis, number, extent in zip("zyx", (2, 1, 0), shape, strict=True):
            try:
                low, high = float(_text(image, f"ExtMin{number}")), float(_text(image, f"ExtMax{number}"))
            except ValueError:
                continue
            sizes[axis] = (high - low) / extent * (factor or 0)
        return voxel_um_from(sizes, "zyx")

    def _channel_names(self, channels: int) -> tuple[str, ...] | None:
        info = self._file.root["DataSetInfo"]
        groups = [info.get(f"Channel {number}") for number in range(channels)]
        names = [_text(group.attrs, "Name") if isinstance(group, h5py.Group) else "" for group in groups]
        return tuple(names) if all(names) else None

    def _array(self, frame: int, channel: int) -> Hdf5Array:
        return self._arrays[frame][channel]

    def close(self) -> None:
        self._file.close()


def is_imaris(root: h5py.File) -> bool:
    """Whether an HDF5 file is laid out as Imaris does."""
    return "DataSet/ResolutionLevel 0" in root and "DataSetInfo/Image" in root


def _numbered(group: h5py.Group, prefix: str) -> list[h5py.Group]:
    """``prefix 0``, ``prefix 1`` … as far as they go without a gap."""
    found: list[h5py.Group] = []
    while f"{prefix}{len(found)}" in group:
        found.append(group[f"{prefix}{len(found)}"])
    return found


def _text(attributes: Mapping[str, Any], name: str) -> str:
    """An attribute as text, '' where there is none: an array of letters, or whatever another program made of it."""
    value = np.ravel(attributes.get(name, ""))
    parts = [part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in value]
    return "".join(parts).strip("\0 ")
