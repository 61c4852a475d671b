"""Pieces of one TIFF page: only the rows, strips or tiles that a region touches are read and decoded."""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

# tifffile logs what is odd in a file; what makes a file unusable is raised here, and named.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class DamagedPage(Exception):
    """The bytes of a page are missing or can't be decoded; the reader that knows the file adds where."""


@dataclass(frozen=True)
class RawPlane:
    """A plane that lies uncompressed and in one piece in its file.

    Parameters
    ----------
    offset : int
        Its first byte in the file.
    shape : tuple of int
        (y, x) or (y, x, samples).
    dtype : numpy dtype
        In the file's byte order.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, descriptor: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        row_shape = self.shape[1:]
        row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize
        data = read_at(descriptor, self.offset + rows.start * row_bytes, (rows.stop - rows.start) * row_bytes)
        return np.frombuffer(data, self.dtype).reshape(-1, *row_shape)[:, columns]


@dataclass(frozen=True)
class EncodedPlane:
    """A plane in strips or tiles, compressed or not.

    Parameters
    ----------
    page : tifffile page or frame
        Of which only what needs no reading is used here, so that planes can be read by several threads.
    offsets, byte_counts : tuple of int
        Of its strips or tiles in the file.
    jpeg_tables : bytes or None
    """

    page: tifffile.TiffPage
    offsets: tuple[int, ...]
    byte_counts: tuple[int, ...]
    jpeg_tables: bytes | None

    def read(self, descriptor: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        # tifffile's normalized shape: separate samples, depth, rows, columns, interleaved samples.
        separate, _, _, _, interleaved = self.page.shaped
        height, width = rows.stop - rows.start, columns.stop - columns.start
        out = np.zeros((separate, height, width, interleaved), self.page.dtype)
        arguments: dict[str, Any] = {"_fullsize": False}
        if self.jpeg_tables is not None:
            arguments |= {"jpegtables": self.jpeg_tables, "jpegheader": self.page.jpegheader}
        for number in self._segments_at(rows, columns):
            if number >= min(len(self.offsets), len(self.byte_counts)):
                raise DamagedPage("it has fewer strips or tiles than its size takes")
            data = read_at(descriptor, self.offsets[number], self.byte_counts[number])
            try:
                segment, (sample, _, top, left, _), (_, high, wide, _) = self.page.decode(data, number, **arguments)
            except Exception as error:  # whatever a codec makes of damaged bytes
                raise DamagedPage(f"{error}") from error
            if segment is None:
                raise DamagedPage("a strip or tile has no data")
            y = slice(max(rows.start, top), min(rows.stop, top + high))
            x = slice(max(columns.start, left), min(columns.stop, left + wide))
            out[sample, _shift(y, -rows.start), _shift(x, -columns.start)] = segment[
                0, _shift(y, -top), _shift(x, -left)
            ]
        return _squeezed(out, self.page.axes)

    def _segments_at(self, rows: slice, columns: slice) -> list[int]:
        """Numbers of the strips or tiles that a region touches: stored row by row, sample by sample."""
        separate, _, image_height, image_width, _ = self.page.shaped
        if self.page.is_tiled:
            high, wide = self.page.tilelength, self.page.tilewidth
        else:
            high, wide = min(self.page.rowsperstrip, image_height), image_width
        down, across = -(-image_height // high), -(-image_width // wide)
        return [
            (sample * down + row) * across + column
            for sample in range(separate)
            for row in range(rows.start // high, -(-rows.stop // high))
            for column in range(columns.start // wide, -(-columns.stop // wide))
        ]


Plane = RawPlane | EncodedPlane


def plane_of(page: Any, byte_order: str) -> Plane:
    """How a page of an open file is to be read. Call it under a lock: it moves the file's position.

    Parameters
    ----------
    page : tifffile page or frame
    byte_order : {"<", ">"}
    """
    keyframe = page.keyframe
    if page.is_contiguous and keyframe.is_memmappable and keyframe.planarconfig == 1:
        return RawPlane(page.dataoffsets[0], keyframe.shape, np.dtype(byte_order + keyframe.dtype.char))
    tables = page.jpegtables if keyframe.compression in (6, 7, 33007, 34892) else None
    return EncodedPlane(keyframe, tuple(page.dataoffsets), tuple(page.databytecounts), tables)


def end_of(page: Any) -> int:
    """Where the last byte of a page's data must be in its file."""
    ends = (at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    return max(ends, default=0)


def end_of_tags(file: tifffile.TiffFile) -> int:
    """Where the last byte of the first page's tags must be, of its OME-XML for example.

    tifffile leaves out a tag that lies behind the end of the file, and with it the voxel size.
    """
    form, descriptor, at = file.tiff, file.filehandle.fileno(), file.pages.first.offset
    (count,) = struct.unpack(form.tagnoformat, os.pread(descriptor, form.tagnosize, at))
    entries = os.pread(descriptor, count * form.tagsize, at + form.tagnosize)
    end = at
    for _, kind, values, place in struct.iter_unpack(form.tagheaderformat, entries):
        size = values * struct.calcsize(tifffile.TIFF.DATA_FORMATS.get(kind, "B"))
        if size > form.tagoffsetthreshold:
            end = max(end, struct.unpack(form.offsetformat, place)[0] + size)
    return end


def read_at(descriptor: int, offset: int, count: int) -> bytes:
    """Bytes of a file without moving its position, so that threads can share it."""
    data = os.pread(descriptor, count, offset)
    while 0 < len(data) < count:  # Linux reads at most 2 GB at once
        more = os.pread(descriptor, count - len(data), offset + len(data))
        if not more:
            break
        data += more
    if len(data) != count:
        raise DamagedPage("the file ends before the plane does")
    return data


def _shift(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _squeezed(out: npt.NDArray[Any], page_axes: str) -> npt.NDArray[Any]:
    """(separate, y, x, interleaved) → the dimensions that the page has."""
    if page_axes.startswith("S"):
        return out[..., 0]
    return out[0] if page_axes.endswith("S") else out[0, ..., 0]
