"""One TIFF file: multi-page, BigTIFF, ImageJ hyperstack, OME-TIFF."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.tiff_metadata import attributes_of, channel_names_of, sizes_of
from ecc_px.volumes.tiff_pages import DamagedPage, Plane, RawPlane, end_of, end_of_tags, plane_of
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from

_LETTERS = {"Z": "z", "Y": "y", "X": "x", "T": "t", "C": "c", "S": "c"}
"""tifffile's axis letters and ours; S are a pixel's samples."""

_UNNAMED = "IQ"
"""tifffile's letters for a dimension of which the file says nothing."""


class TiffVolume(Volume):
    """The first image of a TIFF file.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter for each dimension; overrides what the file says.
    level : int
        Resolution level of a pyramidal TIFF.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, level: int = 0, dtypes: Collection[str] = SUPPORTED_DTYPES
    ) -> None:
        self.path = path
        self.name = volume_name(path)
        try:
            # The files that an OME-TIFF may refer to are not followed: a folder of planes is read as one.
            self._file = tifffile.TiffFile(path, _multifile=False)
        except Exception as error:  # tifffile raises many kinds on what is no TIFF
            raise UnreadableVolume(f"{path}: it is no TIFF, or is damaged ({error}). Copy it again.") from error
        try:
            self._descriptor = self._file.filehandle.fileno()
            self._lock = threading.Lock()
            self._series = self._choose_series(level)
            self.layout = self._layout(axes, dtypes)
            self.attributes = attributes_of(self._file.pages.first)
            self._refuse_missing_bytes()
        except BaseException:
            self.close()
            raise

    def _choose_series(self, level: int) -> tifffile.TiffPageSeries:
        if not self._file.series:
            raise UnreadableVolume(f"{self.path}: the TIFF holds no image.")
        if len(self._file.series) > 1 and not self._file.is_ome:
            shapes = ", ".join(str(series.shape) for series in self._file.series[:5])
            raise UnreadableVolume(
                f"{self.path}: its pages do not make one image but {len(self._file.series)}, of shapes "
                f"{shapes}. The file is damaged, or has to be split."
            )
        levels = self._file.series[0].levels
        if not 0 <= level < len(levels):
            raise InvalidSetting(f"{self.path}: it has no level {level}, only 0 to {len(levels) - 1}.")
        return levels[level]

    def _layout(self, axes: str | None, dtypes: Collection[str]) -> Layout:
        series, keyframe = self._series, self._series.keyframe
        origins = {"axes": "given"}
        if axes is None:
            axes, origins["axes"] = self._stated_axes()
        first_page = self._file.pages.first
        sizes, origin = sizes_of(first_page)
        voxel_um = voxel_um_from(self._at_level(sizes, axes), axes)
        if voxel_um is not None:
            origins["voxel size"] = origin
        elif sizes:
            origins["voxel size"] = f"unknown: the {origin} know only {', '.join(sorted(sizes))}"
        names = channel_names_of(first_page)
        if names is not None:
            origins["channel names"] = "OME-XML"
        chunks = None
        if not keyframe.is_memmappable:
            chunks = (1,) * (len(series.shape) - len(keyframe.chunks)) + tuple(keyframe.chunks)
        return Layout(
            axes=axes,
            stored_shape=tuple(int(n) for n in series.shape),
            dtype=native_dtype(series.dtype, self.path, dtypes),
            voxel_um=voxel_um,
            chunks=chunks,
            channel_names=names,
            origins=origins,
        )

    def _stated_axes(self) -> tuple[str, str]:
        stated, shape = self._series.axes, self._series.shape
        axes = "".join(_LETTERS.get(letter, letter) for letter in stated)
        origin = {"ome": "OME-XML", "imagej": "ImageJ description"}.get(self._series.kind, "TIFF pages")
        if axes.count("I") + axes.count("Q") == 1 and "z" not in axes:
            # Pages of which nobody says what they are: planes of a stack.
            axes = axes.translate(str.maketrans(_UNNAMED, "zz"))
            origin = "number of dimensions"
        if set(axes) - set("tzyxc") or len(set(axes)) != len(axes):
            raise UnreadableVolume(
                f"{self.path}: the meaning of its dimensions {stated} {tuple(shape)} is unclear: "
                "pass --axes with one letter of t, z, y, x, c for each."
            )
        return axes, origin

    def _at_level(self, sizes: dict[str, float], axes: str) -> dict[str, float]:
        """Voxel sizes of a level, from those of the finest."""
        finest = self._file.series[0].levels[0].shape
        factor = {axis: full / n for axis, full, n in zip(axes, finest, self._series.shape, strict=False)}
        return {axis: size * factor.get(axis, 1.0) for axis, size in sizes.items()}

    def _refuse_missing_bytes(self) -> None:
        """A cut TIFF loses its last pages silently: look for them before anybody computes on the rest."""
        size = self._file.filehandle.size
        following = self._next_page_offset()
        if following:
            raise IncompleteVolume(
                f"{self.path}: the file was cut short: after page {len(self._file.pages)} there should be "
                f"another at byte {following:,}, the file has {size:,}. Copy it again."
            )
        end = end_of_tags(self._file)
        if self._series.dataoffset is not None:
            end = max(end, self._series.dataoffset + self._series.nbytes)
        else:
            pages = self._series.pages
            missing = [number for number in range(len(pages)) if pages[number] is None]
            if missing or len(pages) != self._page_count():
                raise IncompleteVolume(
                    f"{self.path}: its metadata tells of planes that are not in the file. Copy it again, "
                    "or, where each plane is a file, pass the folder."
                )
            end = max(end, end_of(pages[len(pages) - 1]))
        if end > size:
            raise IncompleteVolume(
                f"{self.path}: the file was cut short: it has {size:,} bytes, its planes reach to {end:,}. "
                "Copy it again."
            )

    def _next_page_offset(self) -> int:
        """What stands where the last page says where the next one begins: 0 in a whole file."""
        at = self._file.pages.next_page_offset
        if at is None:
            return 0
        width = self._file.tiff.offsetsize
        data = os.pread(self._descriptor, width, at)
        return int.from_bytes(data, "little" if self._file.byteorder == "<" else "big")

    def _leading(self) -> tuple[int, ...]:
        """Extents of the dimensions that count pages."""
        return tuple(self._series.shape[: len(self._series.shape) - len(self._series.keyframe.shape)])

    def _page_count(self) -> int:
        return int(np.prod(self._leading()))

    def _plane(self, number: int) -> Plane:
        series, keyframe = self._series, self._series.keyframe
        if series.dataoffset is not None and keyframe.planarconfig == 1:
            # One after the other, also where an ImageJ file above 4 GB describes only its first plane.
            plane_bytes = int(np.prod(keyframe.shape)) * self.dtype.itemsize
            stored_dtype = np.dtype(self._file.byteorder + self.dtype.char)
            return RawPlane(series.dataoffset + number * plane_bytes, tuple(keyframe.shape), stored_dtype)
        with self._lock:
            return plane_of(series.pages[number], self._file.byteorder)

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        leading = self._leading()
        counted, inside = index[: len(leading)], index[len(leading) :]
        page_axes = self._series.keyframe.axes
        rows, columns = inside[page_axes.index("Y")], inside[page_axes.index("X")]
        samples = tuple(part if axis == "S" else slice(None) for part, axis in zip(inside, page_axes, strict=True))
        out = np.empty([part.stop - part.start for part in index], self.dtype)
        for place in product(*(range(part.start, part.stop) for part in counted)):
            number = int(np.ravel_multi_index(place, leading)) if leading else 0
            target = tuple(at - part.start for at, part in zip(place, counted, strict=True))
            try:
                out[target] = self._plane(number).read(self._descriptor, rows, columns)[samples]
            except (DamagedPage, OSError) as error:
                raise UnreadableVolume(
                    f"{self.path}: page {number} can't be read at y {rows.start}:{rows.stop}, "
                    f"x {columns.start}:{columns.stop} ({error}). Copy it again."
                ) from error
        return out

    def close(self) -> None:
        self._file.close()
