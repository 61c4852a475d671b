"""N5: a folder with an array, or with the same image in several resolutions.

The format is https://github.com/saalfeldlab/n5: every block is a file with a short big-endian header; dimensions and
block numbers are written with the fastest one, x, first. A block that is not there is 0.
"""

from __future__ import annotations

import bz2
import json
import lzma
import struct
from collections.abc import Callable, Collection, Mapping
from math import prod
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, UnreadableVolume
from ecc_px.volumes.array_grid import place_text
from ecc_px.volumes.axes import default_axes
from ecc_px.volumes.blosc import require_whole
from ecc_px.volumes.chunks import overlaps
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import micrometres_per, voxel_um_from

_DECODERS: dict[str, Callable[[bytes, int], bytes | bytearray]] = {
    "raw": lambda data, size: data,
    "gzip": lambda data, size: imagecodecs.gzip_decode(data, out=size),
    "zlib": lambda data, size: imagecodecs.zlib_decode(data, out=size),
    "bzip2": lambda data, size: bz2.decompress(data),
    "xz": lambda data, size: lzma.decompress(data),
    "blosc": lambda data, size: _blosc_decoded(data),
    "zstd": lambda data, size: imagecodecs.zstd_decode(data, out=size),
}
"""Bytes of a block and how many they become → those. lz4 is the format of a Java library and is not among them."""


def _blosc_decoded(data: bytes) -> bytes | bytearray:
    require_whole(data, len(data))
    return imagecodecs.blosc_decode(data)


class N5Array:
    """An N5 dataset.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UnreadableVolume
        Its attributes describe no array, or one that we can't decode.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.attributes = attributes_of(folder)
        try:
            self.shape: tuple[int, ...] = tuple(int(n) for n in reversed(self.attributes["dimensions"]))
            self.chunks: tuple[int, ...] = tuple(int(n) for n in reversed(self.attributes["blockSize"]))
            self.dtype: np.dtype[Any] = np.dtype(str(self.attributes["dataType"])).newbyteorder(">")
            self._decode = _decoder(self.attributes)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableVolume(f"{folder}: attributes.json describes no N5 array ({error!r}).") from error

    def read(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """The piece at `index`. Any number of threads decode at once.

        Raises
        ------
        OSError
            A block is damaged.
        """
        out = np.zeros([part.stop - part.start for part in index], self.dtype)
        for place, target, source in overlaps(index, self.chunks):
            block = self._block(place)
            if block is not None:
                out[target] = block[source]
        return out

    def is_stored(self, index: tuple[slice, ...]) -> bool:
        """Whether any block of the piece at `index` is in the folder."""
        return any(self._file_of(place).exists() for place, _, _ in overlaps(index, self.chunks))

    def _file_of(self, place: tuple[int, ...]) -> Path:
        return self.folder.joinpath(*(str(at) for at in reversed(place)))

    def _block(self, place: tuple[int, ...]) -> npt.NDArray[Any] | None:
        try:
            data = self._file_of(place).read_bytes()
        except FileNotFoundError:
            return None
        try:
            mode, dimensions = struct.unpack_from(">HH", data)
            extents = struct.unpack_from(f">{dimensions}I", data, 4)
            if mode != 0 or dimensions != len(self.shape):
                raise ValueError(f"mode {mode}, {dimensions} dimensions")
            shape = extents[::-1]
            size = prod(shape) * self.dtype.itemsize
            block = np.frombuffer(self._decode(data[4 + 4 * dimensions :], size), self.dtype).reshape(shape)
            if shape != self.chunks:
                # At the border of the image, and wherever the writer had no more.
                block = np.pad(block, [(0, full - n) for full, n in zip(self.chunks, shape, strict=True)])
            return block
        except Exception as error:  # every codec raises its own kind on damaged bytes
            raise OSError(f"block {'/'.join(str(at) for at in reversed(place))}: {error}") from error


class N5Volume(Volume):
    """An image in an N5 folder: an array, or levels s0, s1 … beside each other.

    Parameters
    ----------
    path : Path
    inner_path : str, optional
        The array, or the group with the levels; not needed where there is one only.
    axes : str, optional
        One letter for each dimension, the slowest first as everywhere here; overrides what the attributes say.
    level : int
        0 is the finest.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        inner_path: str | None = None,
        axes: str | None = None,
        level: int = 0,
        dtypes: Collection[str] = SUPPORTED_DTYPES,
    ) -> None:
        self.path = path
        self.name = volume_name(path)
        image = self._image_folder(inner_path)
        levels = _levels_of(image)
        if not 0 <= level < len(levels):
            raise InvalidSetting(f"{path}: it has no level {level}, only 0 to {len(levels) - 1}.")
        self._array = N5Array(levels[level])
        finest = self._array if level == 0 else N5Array(levels[0])
        group = {} if image == levels[0] else attributes_of(image)
        self.attributes = {key: value for key, value in (group | self._array.attributes).items() if key not in _FORMAT}
        self.layout = self._layout(group, finest, axes, level, dtypes)

    def _image_folder(self, inner_path: str | None) -> Path:
        if inner_path is not None:
            folder = self.path / inner_path
            if not folder.is_dir():
                raise InvalidSetting(f"{self.path}: there is nothing at {inner_path!r} in it.")
            return folder
        if _is_array(self.path) or _is_array(self.path / "s0"):
            return self.path
        found = (file.parent for file in self.path.rglob("attributes.json"))
        arrays = sorted({_image_of(folder) for folder in found if _is_array(folder)})
        if len(arrays) == 1:
            return arrays[0]
        inside = ", ".join(folder.relative_to(self.path).as_posix() for folder in arrays)
        raise UnreadableVolume(
            f"{self.path}: it holds {'several images: ' + inside if arrays else 'no N5 array'}. "
            "Say which behind the path."
        )

    def _layout(
        self, group: Mapping[str, Any], finest: N5Array, axes: str | None, level: int, dtypes: Collection[str]
    ) -> Layout:
        shape = self._array.shape
        # Dimensions are written x first; what names them or gives their size is in that order, too.
        stated = finest.attributes.get("axes", group.get("axes"))
        named = "".join(str(letter) for letter in reversed(stated)).lower() if stated else None
        origin = "axes attribute" if named else "number of dimensions"
        named = named or {4: "czyx", 5: "tczyx"}.get(len(shape)) or default_axes(shape)
        if axes is None and named is None:
            raise UnreadableVolume(f"{self.path}: the meaning of its dimensions {shape} is unclear: pass --axes.")
        axes, origin = (axes, "given") if axes else (str(named), origin)
        origins = {"image": f"{self._array.folder.relative_to(self.path.parent).as_posix()}", "axes": origin}
        sizes, where = _sizes_of(finest.attributes, group, axes[::-1])
        coarser = {axis: float(round(a / b)) for axis, a, b in zip(axes, finest.shape, shape, strict=False)}
        coarser |= _by_axis(self._array.attributes.get("downsamplingFactors"), axes[::-1], 1.0)
        voxel_um = voxel_um_from({axis: um * coarser.get(axis, 1.0) for axis, um in sizes.items()}, axes)
        if voxel_um is not None:
            origins["voxel size"] = where
        return Layout(
            axes=axes,
            stored_shape=shape,
            dtype=native_dtype(self._array.dtype, self.path, dtypes),
            voxel_um=voxel_um,
            chunks=self._array.chunks,
            origins=origins,
        )

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        try:
            return self._array.read(index).astype(self.dtype, copy=False)
        except OSError as error:
            raise UnreadableVolume(
                f"{self.path}: it can't be read at {place_text(self.layout, index)} ({error}). Copy it again."
            ) from error

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        return self._array.is_stored(index)


_FORMAT = ("n5", "dimensions", "blockSize", "dataType", "compression", "compressionType")
"""Attributes that are N5's own."""


def is_n5(folder: Path) -> bool:
    """Whether a folder is an N5 container, whatever it is called."""
    file = folder / "attributes.json"
    return file.is_file() and ("n5" in attributes_of(folder) or _is_array(folder))


def attributes_of(folder: Path) -> dict[str, Any]:
    """The attributes of an N5 group or array; none where it has none."""
    file = folder / "attributes.json"
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UnreadableVolume(f"{file}: the attributes are damaged ({error}). Copy the folder again.") from error
    return stated if isinstance(stated, dict) else {}


def _is_array(folder: Path) -> bool:
    return "dimensions" in attributes_of(folder)


def _image_of(array: Path) -> Path:
    """The group of which an array is a level, else the array."""
    return array.parent if array.name[:1] == "s" and array.name[1:].isdecimal() else array


def _levels_of(image: Path) -> list[Path]:
    if _is_array(image):
        return [image]
    levels: list[Path] = []
    while _is_array(image / f"s{len(levels)}"):
        levels.append(image / f"s{len(levels)}")
    if not levels:
        raise InvalidSetting(f"{image}: there is no N5 array, and no levels s0, s1 …")
    return levels


def _sizes_of(array: Mapping[str, Any], group: Mapping[str, Any], axes: str) -> tuple[dict[str, float], str]:
    """µm along `axes`, which are in N5's order, and which attribute knew them.

    `pixelResolution` is what n5-viewer and BigStitcher write, `resolution` with `units` what n5-ij does.
    """
    for attributes in (array, group):
        stated = attributes.get("pixelResolution")
        if isinstance(stated, Mapping):
            factor = micrometres_per(stated.get("unit"))
            if factor is not None:
                return _by_axis(stated.get("dimensions"), axes, factor), "pixelResolution attribute"
        units = attributes.get("units", attributes.get("unit"))
        unit = units[0] if isinstance(units, list) and units else units
        factor = micrometres_per(unit if isinstance(unit, str) else None)
        if factor is not None and "resolution" in attributes:
            return _by_axis(attributes["resolution"], axes, factor), "resolution attribute"
    return {}, ""


def _by_axis(lengths: Any, axes: str, factor: float) -> dict[str, float]:
    values = lengths if isinstance(lengths, list) else []
    return {axis: float(length) * factor for axis, length in zip(axes, values, strict=False)}


def _decoder(attributes: Mapping[str, Any]) -> Callable[[bytes, int], bytes | bytearray]:
    stated = attributes.get("compression", attributes.get("compressionType", "raw"))
    kind = stated if isinstance(stated, str) else str(stated["type"])
    if kind == "gzip" and isinstance(stated, Mapping) and stated.get("useZlib"):
        kind = "zlib"
    if kind not in _DECODERS:
        raise ValueError(f"compression {kind!r}")
    return _DECODERS[kind]
