"""The files of a folder of planes: each header by itself, and the sound ones together as a volume to look through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

import numpy as np
import numpy.typing as npt
import tifffile

from ecc_px.completeness.findings import Finding, Kind
from ecc_px.completeness.zero_tail import zero_tail, zero_tail_sentence
from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.tiff_pages import DamagedPage, end_of, end_of_tags, plane_of
from ecc_px.volumes.volume import Layout, Volume

_OME_FILE_NAME = re.compile(r'FileName="([^"]*)"')


@dataclass(frozen=True)
class PlaneHeader:
    """What the header of a plane's file says; `axes` are tifffile's letters, `chunk` is None where rows follow rows."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    chunk: tuple[int, ...] | None


def read_headers(planes: Mapping[int, Path]) -> tuple[dict[int, PlaneHeader], list[Finding]]:
    """Headers of the planes that are sound, by running number, and a finding for each of the others.

    Sound planes are whole, and of the shape and type that most have.
    """
    with ThreadPoolExecutor(8) as pool:
        looked_at = dict(zip(planes, pool.map(_look_at, planes.values()), strict=True))
    headers = {number: seen for number, seen in looked_at.items() if isinstance(seen, PlaneHeader)}
    if not headers:
        return {}, [seen for seen in looked_at.values() if isinstance(seen, Finding)]
    (shape, dtype, axes), _ = Counter((h.shape, h.dtype, h.axes) for h in headers.values()).most_common(1)[0]
    findings = []
    for number, seen in looked_at.items():
        if isinstance(seen, Finding):
            findings.append(seen)
        elif (seen.shape, seen.dtype) != (shape, dtype):
            sentence = (
                f"{seen.path}: the plane is {_size(seen.shape)} {seen.dtype}, the others are {_size(shape)} {dtype}. "
                "Copy it again, or move it elsewhere."
            )
            findings.append(Finding(Kind.odd_plane, seen.path.name, sentence))
            del headers[number]
        elif seen.axes != axes:
            del headers[number]
    return headers, findings


def _size(shape: Sequence[int]) -> str:
    return " × ".join(f"{n:,}" for n in shape)


def _look_at(plane: Path) -> PlaneHeader | Finding:
    try:
        size = plane.stat().st_size
        if size == 0:
            return Finding(Kind.cut_short, plane.name, f"{plane}: the file is empty. Copy it again.")
        with tifffile.TiffFile(plane, is_ome=False) as file:
            page = file.pages.first
            if len(file.pages) != 1:
                sentence = f"{plane}: it holds {len(file.pages)} pages; a file of a folder of planes has one."
                return Finding(Kind.odd_plane, plane.name, sentence)
            end = max(end_of(page), end_of_tags(file))
            if end > size:
                sentence = f"{plane}: the plane was cut short: {size:,} of {end:,} bytes are there. Copy it again."
                return Finding(Kind.cut_short, plane.name, sentence)
            chunk = None if page.is_memmappable else tuple(page.chunks)
            return PlaneHeader(plane, page.shape, np.dtype(page.dtype), page.axes, chunk)
    except OSError as error:
        return Finding(Kind.unreadable, plane.name, f"{plane}: it can't be read ({error.strerror or error}).")
    except Exception as error:  # noqa: BLE001 - tifffile raises many kinds on what is no TIFF
        return _no_tiff(plane, size, error)


def _no_tiff(plane: Path, size: int, error: Exception) -> Finding:
    """Why a file with a plane's name is no TIFF."""
    zeros = zero_tail(plane)
    if zeros:
        return Finding(Kind.zero_filled, plane.name, zero_tail_sentence(plane, zeros))
    with plane.open("rb") as file:
        is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    if is_tiff:
        sentence = f"{plane}: the plane was cut short or is damaged: its header leads nowhere ({error}). Copy it again."
        return Finding(Kind.cut_short, plane.name, sentence)
    return Finding(Kind.unreadable, plane.name, f"{plane}: it is no TIFF ({size:,} bytes). Copy it again.")


class PlaneStack(Volume):
    """Sound planes in the order of their running numbers, whatever is missing between them."""

    def __init__(self, folder: Path, headers: Mapping[int, PlaneHeader]) -> None:
        self.path, self.name, self.attributes = folder, volume_name(folder), {}
        self._headers = [headers[number] for number in sorted(headers)]
        first = self._headers[0]
        self.layout = Layout(
            axes="z" + first.axes.replace("S", "c").lower(),
            stored_shape=(len(self._headers), *first.shape),
            dtype=first.dtype.newbyteorder("="),
            chunks=None if first.chunk is None else (1, *first.chunk),
        )

    def file_of(self, plane: tuple[int, int, int]) -> Path:
        """The file of (frame, channel, z)."""
        return self._headers[plane[2]].path

    def name_of(self, plane: tuple[int, int, int]) -> str:
        """The file's name."""
        return self.file_of(plane).name

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        axes = self._headers[0].axes
        rows, columns = index[1 + axes.index("Y")], index[1 + axes.index("X")]
        samples = tuple(part if axis == "S" else slice(None) for part, axis in zip(index[1:], axes, strict=True))
        out = np.empty([part.stop - part.start for part in index], self.dtype)
        for place, header in enumerate(self._headers[index[0]]):
            try:
                with tifffile.TiffFile(header.path, is_ome=False) as file:
                    source = plane_of(file.pages.first, file.byteorder)
                    out[place] = source.read(file.filehandle.fileno(), rows, columns)[samples]
            except (DamagedPage, OSError) as error:
                raise UnreadableVolume(f"{header.path}: the plane is damaged ({error}). Copy it again.") from error
        return out


def announced_planes(files: Sequence[Path]) -> Iterator[Finding]:
    """What the OME-XML of the first of a folder's files tells of planes that are not there.

    A gap in the numbers shows what is missing inside; only this shows what is missing at the end.

    Parameters
    ----------
    files : paths
        Sound planes in the order of their names.
    """
    example, last = files[0], files[-1]
    with tifffile.TiffFile(example) as file:
        text = file.pages.first.description if file.is_ome else ""
    names = [Path(unescape(name)).name for name in dict.fromkeys(_OME_FILE_NAME.findall(text))]
    there = {path.name for path in example.parent.iterdir()}
    if len(names) > 1 and example.name in names:
        # Between the first and the last name its absence is a gap in the numbers.
        for name in (name for name in names if name not in there and not example.name < name < last.name):
            sentence = (
                f"{example.parent}: plane {name} is missing: {example.name} tells of it. "
                "Copy it again, or pass --allow-missing (in a service: allow_missing = true) to go on without."
            )
            yield Finding(Kind.missing_plane, name, sentence)
