"""A folder of TIFF planes: every channel's planes in files of their own, one or several to a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.ome_tiff_set import PlaneAt, ome_tiff_set
from ecc_px.volumes.plane_series import series_of, tiff_files_in
from ecc_px.volumes.tiff_metadata import attributes_of, channel_names_of, sizes_of
from ecc_px.volumes.tiff_pages import DamagedPage, Plane, end_of, end_of_tags, plane_of
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from

PlaneGrid = list[list[list[PlaneAt | None]]]
"""Of every frame and channel, the planes by z; None for one that is missing, and taken as empty."""

_MISSING_TOLD = 20
"""Missing planes that are named one by one."""


class TiffPlanesVolume(Volume):
    """An image whose planes are in files of their own.

    Which plane is where is told by OME-XML that names exactly the folder's files, else by the files' names. Every
    file's header is read when the volume is opened (0.2 ms each), so that a plane that is missing, cut short, or of
    another shape or type is refused by name before anything is computed.

    Parameters
    ----------
    path : Path
        The folder.
    axes : str, optional
        One letter for each dimension; overrides (t), (c), z, y, x, or z, y, x, c where planes have samples.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    allow_missing : bool
        A plane that is left out in the running numbers is 0; ``layout.origins["missing planes"]`` says which.
    """

    def __init__(
        self,
        path: Path,
        *,
        axes: str | None = None,
        dtypes: Collection[str] = SUPPORTED_DTYPES,
        allow_missing: bool = False,
    ) -> None:
        self.path = path
        self.name = volume_name(path)
        # Of files with several pages; planes that are files of their own are opened for each reading.
        self._stacks: dict[Path, _OpenStack] = {}
        files = tiff_files_in(path)
        with _opened(files[0]) as file:
            page = file.pages.first
            pages_in_first = len(file.pages)
            sizes, origin = sizes_of(page)
            names = channel_names_of(page)
            self._plane_shape, self._page_axes = page.shape, page.axes
            self.attributes = attributes_of(page)
            chunks = None if page.is_memmappable else tuple(page.chunks)
            dtype = page.dtype
            described = ome_tiff_set(page.description, path, files)
        self._planes: PlaneGrid
        named: tuple[str, ...] | None = None
        if described is not None:
            self._planes = [
                [[described.planes[t, c, z] for z in range(described.depth)] for c in range(described.channels)]
                for t in range(described.frames)
            ]
            placed_by = "OME-XML of the set"
        else:
            self._planes, named = _by_names(path, files, pages_in_first, allow_missing)
            placed_by = "folder of planes" if named is None else "file names"
        frames, channels, depth = len(self._planes), len(self._planes[0]), len(self._planes[0][0])
        if channels > 1 and "S" in self._page_axes:
            raise UnreadableVolume(
                f"{path}: its planes have samples {self._plane_shape} and come in {channels} channels. "
                "Save each channel as greyscale."
            )
        leading = ("t" if frames > 1 else "") + ("c" if channels > 1 else "") + "z"
        counts = [n for axis, n in zip("tcz", (frames, channels, depth), strict=True) if axis in leading]
        self._leading = leading
        present = [plane.path.name for frame in self._planes for channel in frame for plane in channel if plane]
        origins = {"image": f"{len(files):,} files, {present[0]} to {present[-1]}"}
        origins["axes"] = placed_by if axes is None else "given"
        if allow_missing and (missing := self._missing_text()):
            origins["missing planes"] = missing
        voxel_um = voxel_um_from(sizes, "zyx")
        if voxel_um is not None:
            origins["voxel size"] = f"{origin} of {files[0].name}"
        elif sizes:
            origins["voxel size"] = f"unknown: the {origin} know only {', '.join(sorted(sizes))}"
        if names is not None and len(names) == channels:
            origins["channel names"] = "OME-XML"
        else:
            names = named
            origins |= {"channel names": "file names"} if named else {}
        self.layout = Layout(
            axes=axes or leading + self._page_axes.replace("S", "c").lower(),
            stored_shape=(*counts, *self._plane_shape),
            dtype=native_dtype(dtype, files[0], dtypes),
            voxel_um=voxel_um,
            chunks=None if chunks is None else (*(1 for _ in counts), *chunks),
            channel_names=names,
            origins=origins,
        )
        try:
            self._look_at_every_file()
        except BaseException:
            self.close()
            raise

    def _look_at_every_file(self) -> None:
        pages: dict[Path, int] = defaultdict(int)
        for frame in self._planes:
            for channel in frame:
                for plane in channel:
                    if plane is not None:
                        pages[plane.path] = max(pages[plane.path], plane.page + 1)
        for file, count in pages.items():
            if count == 1:
                with _opened(file) as opened:
                    _refuse_odd(opened, file, self._plane_shape, self.dtype)
            else:
                self._stacks[file] = _OpenStack(file, count, self._plane_shape, self.dtype)

    def file_of(self, frame: int, channel: int, z: int) -> Path | None:
        """The file that a plane is in; None where it is missing and taken as empty."""
        plane = self._planes[frame][channel][z]
        return None if plane is None else plane.path

    def _missing_text(self) -> str:
        """Which planes are missing, in words; '' for none."""
        channels = self._planes[0]
        missing = [(c, z) for c, planes in enumerate(channels) for z, plane in enumerate(planes) if plane is None]
        listed = ", ".join(f"channel {c} z {z}" if len(channels) > 1 else f"z {z}" for c, z in missing[:_MISSING_TOLD])
        more = f" and {len(missing) - _MISSING_TOLD:,} more" if len(missing) > _MISSING_TOLD else ""
        return f"{len(missing):,} taken as empty (0): {listed}{more}" if missing else ""

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        counted, inside = index[: len(self._leading)], index[len(self._leading) :]
        part_of = dict(zip(self._leading, counted, strict=True))
        frames, channels, depth = (part_of.get(axis, slice(0, 1)) for axis in "tcz")
        rows, columns = inside[self._page_axes.index("Y")], inside[self._page_axes.index("X")]
        samples = tuple(
            part if axis == "S" else slice(None) for part, axis in zip(inside, self._page_axes, strict=True)
        )
        chosen = [plane for frame in self._planes[frames] for channel in frame[channels] for plane in channel[depth]]
        shape = [part.stop - part.start for part in index]
        out = np.empty((len(chosen), *shape[len(self._leading) :]), self.dtype)
        for place, plane in enumerate(chosen):
            out[place] = 0 if plane is None else self._read_plane(plane, rows, columns)[samples]
        return out.reshape(shape)

    def _read_plane(self, plane: PlaneAt, rows: slice, columns: slice) -> npt.NDArray[Any]:
        where = f"{plane.path}: " + (f"page {plane.page}" if plane.path in self._stacks else "the plane")
        try:
            if plane.path in self._stacks:
                stack = self._stacks[plane.path]
                return stack.planes[plane.page].read(stack.descriptor, rows, columns)
            with _opened(plane.path) as file:
                # The header is checked again: a folder may change while it is being worked on.
                _refuse_odd(file, plane.path, self._plane_shape, self.dtype)
                source = plane_of(file.pages.first, file.byteorder)
                return source.read(file.filehandle.fileno(), rows, columns)
        except (DamagedPage, OSError) as error:
            raise UnreadableVolume(f"{where} is damaged ({error}). Copy it again.") from error

    def close(self) -> None:
        for stack in self._stacks.values():
            stack.close()


class _OpenStack:
    """A file with several planes, kept open: finding a page means walking along those before it.

    Raises
    ------
    IncompleteVolume, UnreadableVolume
        It has not that many pages, was cut short, or its pages are unlike the others.
    """

    def __init__(self, path: Path, pages: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file = _opened(path)
        try:
            self.descriptor = self._file.filehandle.fileno()
            if len(self._file.pages) != pages:
                raise IncompleteVolume(f"{path}: it has {len(self._file.pages)} pages of {pages}. Copy it again.")
            self.planes: list[Plane] = []
            for page in self._file.pages:
                _refuse_odd_page(self._file, page, path, shape, dtype)
                self.planes.append(plane_of(page, self._file.byteorder))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()


def _by_names(
    folder: Path, files: list[Path], pages_in_first: int, allow_missing: bool
) -> tuple[PlaneGrid, tuple[str, ...] | None]:
    """Planes, and channel names where the files' names tell of several."""
    series = series_of(folder, files, allow_missing=allow_missing)
    if series.channels is not None and pages_in_first > 1 and len(series.planes[0]) == 1:
        # A file for each channel: its pages are the planes.
        stacks: list[list[PlaneAt | None]] = [
            [PlaneAt(file, page) for page in range(pages_in_first)] for (file,) in series.planes if file
        ]
        return [stacks], series.channels
    return [[[PlaneAt(file) if file else None for file in planes] for planes in series.planes]], series.channels


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
    """Refuse a file of one plane that is unlike the others, by its header alone."""
    if len(file.pages) != 1:
        raise UnreadableVolume(f"{plane}: it holds {len(file.pages)} pages; a file of a folder of planes has one.")
    _refuse_odd_page(file, file.pages.first, plane, shape, dtype)


def _refuse_odd_page(
    file: tifffile.TiffFile, page: Any, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    if page.shape != shape or page.dtype != dtype:
        raise UnreadableVolume(
            f"{path}: the plane is {page.shape} {page.dtype}, the first of the folder {shape} {dtype}. "
            "Move it elsewhere, or copy it again."
        )
    end, size = max(end_of(page), end_of_tags(file)), file.filehandle.size
    if end > size:
        raise IncompleteVolume(f"{path}: the plane was cut short: {size:,} of {end:,} bytes are there. Copy it again.")
