"""A folder of TIFF planes: each file is one (y, x) plane, with or without samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.plane_series import planes_in
from ecc_px.volumes.tiff_metadata import attributes_of, sizes_of
from ecc_px.volumes.tiff_pages import DamagedPage, end_of, end_of_tags, plane_of
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from


class TiffPlanesVolume(Volume):
    """A stack of planes, one file each, in the order of their running number.

    Every plane's header is read when the volume is opened (0.2 ms each), so that a plane that is missing, cut
    short, or of another shape or type is refused by name before anything is computed.

    Parameters
    ----------
    path : Path
        The folder.
    axes : str, optional
        One letter for each dimension, planes first; overrides ``zyx``, or ``zyxc`` where planes have samples.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(self, path: Path, *, axes: str | None = None, dtypes: Collection[str] = SUPPORTED_DTYPES) -> None:
        self.path = path
        self.name = volume_name(path)
        self._planes = planes_in(path)
        first = self._planes[0]
        with _opened(first) as file:
            page = file.pages.first
            plane_shape, dtype, page_axes = page.shape, page.dtype, page.axes
            sizes, origin = sizes_of(page)
            self.attributes = attributes_of(page)
            chunks = None if page.is_memmappable else (1, *page.chunks)
        self._page_axes = page_axes
        stated = "z" + page_axes.replace("S", "c").lower()
        origins = {"image": f"{len(self._planes):,} files, {first.name} to {self._planes[-1].name}"}
        origins["axes"] = "folder of planes" if axes is None else "given"
        voxel_um = voxel_um_from(sizes, "zyx")
        if voxel_um is not None:
            origins["voxel size"] = f"{origin} of {first.name}"
        elif sizes:
            origins["voxel size"] = f"unknown: the {origin} know only {', '.join(sorted(sizes))}"
        self.layout = Layout(
            axes=axes or stated,
            stored_shape=(len(self._planes), *plane_shape),
            dtype=native_dtype(dtype, first, dtypes),
            voxel_um=voxel_um,
            chunks=chunks,
            origins=origins,
        )
        for plane in self._planes:
            with _opened(plane) as file:
                _refuse_odd(file, plane, plane_shape, self.dtype)

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        counted, inside = index[0], index[1:]
        rows, columns = inside[self._page_axes.index("Y")], inside[self._page_axes.index("X")]
        samples = tuple(
            part if axis == "S" else slice(None) for part, axis in zip(inside, self._page_axes, strict=True)
        )
        out = np.empty([part.stop - part.start for part in index], self.dtype)
        for place, plane in enumerate(self._planes[counted]):
            with _opened(plane) as file:
                # The header is checked again: a folder may change while it is being worked on.
                _refuse_odd(file, plane, self.layout.stored_shape[1:], self.dtype)
                try:
                    source = plane_of(file.pages.first, file.byteorder)
                    out[place] = source.read(file.filehandle.fileno(), rows, columns)[samples]
                except (DamagedPage, OSError) as error:
                    raise UnreadableVolume(f"{plane}: the plane is damaged ({error}). Copy it again.") from error
        return out


def _opened(plane: Path) -> tifffile.TiffFile:
    """A plane's file, without following the OME-XML in which each plane describes the whole set."""
    try:
        return tifffile.TiffFile(plane, is_ome=False)
    except FileNotFoundError as error:
        raise IncompleteVolume(f"{plane}: the plane has gone. Copy it again.") from error
    except Exception as error:  # tifffile raises many kinds on what is no TIFF
        reason = "empty" if plane.stat().st_size == 0 else f"no TIFF, or damaged ({error})"
        raise UnreadableVolume(f"{plane}: the plane is {reason}. Copy it again.") from error


def _refuse_odd(file: tifffile.TiffFile, plane: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a plane unlike the others, by its header alone."""
    if len(file.pages) != 1:
        raise UnreadableVolume(f"{plane}: it holds {len(file.pages)} pages; a file of a folder of planes has one.")
    page = file.pages.first
    if page.shape != shape or page.dtype != dtype:
        raise UnreadableVolume(
            f"{plane}: the plane is {page.shape} {page.dtype}, the first of the folder {shape} {dtype}. "
            "Move it elsewhere, or copy it again."
        )
    end, size = max(end_of(page), end_of_tags(file)), file.filehandle.size
    if end > size:
        raise IncompleteVolume(f"{plane}: the plane was cut short: {size:,} of {end:,} bytes are there. Copy it again.")
