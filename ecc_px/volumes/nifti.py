"""NIfTI: x fastest on disk, sometimes gzipped, sometimes with a slope that turns stored numbers into values."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import threading
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.fileslice import fileslice

from ecc_px.errors import IncompleteVolume, UnreadableVolume
from ecc_px.volumes.attributes import attributes_in_text
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from

_AXES = "xyztc"
"""What NIfTI's first five dimensions are; the fifth holds the components of a vector."""

_UM_PER_UNIT = {"meter": 1e6, "mm": 1e3, "micron": 1.0}
"""By nibabel's name for the spatial part of `xyzt_units`."""

_COMMENT = 6
"""Code of the header extensions that are text for people."""


class NiftiVolume(Volume):
    """A NIfTI-1 or NIfTI-2 file, with its dimensions as stored: the orientation in the header turns nothing.

    gzip has no random access. A .nii.gz is therefore decompressed once, when it is first read, into a temporary file
    without a name (in $TMPDIR), which is gone when the volume is closed.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter for each dimension; overrides ``xyztc``.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.

    Attributes
    ----------
    affine_um : (4, 4) float64 or None
        From voxel (x, y, z) to µm towards right, anterior, superior; None where the header does not say, and where
        `axes` are given: they contradict it.
    """

    def __init__(self, path: Path, *, axes: str | None = None, dtypes: Collection[str] = SUPPORTED_DTYPES) -> None:
        self.path = path
        self.name = volume_name(path)
        self._lock = threading.Lock()
        self._plain: IO[bytes] | None = None
        self._is_gzipped = path.name.lower().endswith(".gz")
        try:
            image = nib.load(path)
        except Exception as error:  # nibabel, gzip and zlib each raise their own
            raise UnreadableVolume(f"{path}: it is no NIfTI file, or is damaged ({error}).") from error
        header = image.header
        self.attributes = _attributes_of(header)
        # What a loaded header says of these, nibabel has reset for writing; the proxy has what the file says.
        stored = image.dataobj
        self._offset, self._stored_dtype = int(stored.offset), stored.dtype
        self._slope, self._inter = float(stored.slope), float(stored.inter)
        self.layout = self._layout(header, axes, dtypes)
        self.affine_um = _affine_um(header) if axes is None else None
        if not self._is_gzipped:
            self._refuse_short(path.stat().st_size)
            self._plain = path.open("rb")

    def _layout(self, header: Any, axes: str | None, dtypes: Collection[str]) -> Layout:
        shape = tuple(int(n) for n in header.get_data_shape())
        if axes is None:
            axes, origin = _AXES[: len(shape)], "NIfTI dimensions"
            if len(shape) > len(_AXES):
                raise UnreadableVolume(f"{self.path}: {len(shape)} dimensions {shape} are more than we read.")
        else:
            origin = "given"
        origins = {"axes": origin}
        factor = _UM_PER_UNIT.get(header.get_xyzt_units()[0])
        zooms = dict(zip(_AXES, (float(z) for z in header.get_zooms()), strict=False))
        voxel_um = voxel_um_from({a: _rounded(s * factor) for a, s in zooms.items()} if factor else {}, axes)
        if voxel_um is not None:
            origins["voxel size"] = f"NIfTI pixdim in {header.get_xyzt_units()[0]}"
        elif factor is None:
            origins["voxel size"] = "unknown: NIfTI pixdim has no unit"
        if self._is_scaled:
            origins["dtype"] = f"{self._stored_dtype} × {self._slope:g} + {self._inter:g}"
        dtype = np.dtype(np.float32) if self._is_scaled else native_dtype(self._stored_dtype, self.path, dtypes)
        return Layout(axes=axes, stored_shape=shape, dtype=dtype, voxel_um=voxel_um, origins=origins)

    @property
    def _is_scaled(self) -> bool:
        return (self._slope, self._inter) != (1.0, 0.0)

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        try:
            stored = fileslice(
                self._decompressed(),
                index,
                self.layout.stored_shape,
                self._stored_dtype,
                self._offset,
                order="F",
                lock=self._lock,
            )
        except (OSError, ValueError) as error:
            raise UnreadableVolume(f"{self.path}: it can't be read ({error}). Copy it again.") from error
        if self._is_scaled:
            return (stored * np.float64(self._slope) + np.float64(self._inter)).astype(np.float32)
        return stored.astype(self.dtype, copy=False)

    def _decompressed(self) -> IO[bytes]:
        with self._lock:
            if self._plain is None:
                self._plain = self._decompress()
            return self._plain

    def _decompress(self) -> IO[bytes]:
        plain = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            with gzip.open(self.path, "rb") as packed:
                shutil.copyfileobj(packed, plain, length=8 * 2**20)
            self._refuse_short(plain.seek(0, io.SEEK_END))
        except BaseException as error:
            plain.close()
            if isinstance(error, EOFError):
                raise IncompleteVolume(f"{self.path}: the file was cut short. Copy it again.") from error
            if isinstance(error, zlib.error | gzip.BadGzipFile):
                raise UnreadableVolume(f"{self.path}: the file is damaged ({error}). Copy it again.") from error
            if isinstance(error, OSError):
                raise UnreadableVolume(
                    f"{self.path}: it could not be decompressed to {tempfile.gettempdir()} ({error}). "
                    "Set TMPDIR to a folder with more room, or decompress it yourself."
                ) from error
            raise
        return plain

    def _refuse_short(self, size: int) -> None:
        shape = self.layout.stored_shape
        end = self._offset + int(np.prod(shape, dtype=np.int64)) * self._stored_dtype.itemsize
        if size < end:
            raise IncompleteVolume(
                f"{self.path}: the file was cut short: {size:,} of {end:,} bytes are there. Copy it again."
            )

    def close(self) -> None:
        if self._plain is not None:
            self._plain.close()


def _affine_um(header: Any) -> npt.NDArray[np.float64] | None:
    """Where the voxels lie, in µm; None where the header does not say. Without a unit it is mm, as ITK takes it."""
    if not (header["sform_code"] > 0 or header["qform_code"] > 0):
        return None
    affine = np.array(header.get_best_affine(), np.float64)
    affine[:3] *= _UM_PER_UNIT.get(header.get_xyzt_units()[0], _UM_PER_UNIT["mm"])
    return affine


def _rounded(size_um: float) -> float:
    """pixdim is float32: 0.0065 mm comes back as 6.5000000298 µm."""
    return float(f"{size_um:.6g}")


def _attributes_of(header: Any) -> dict[str, Any]:
    """The header's free text, and our attributes where a comment behind the header holds them."""
    comments = [extension.get_content() for extension in header.extensions if extension.get_code() == _COMMENT]
    text = "\n".join(bytes(comment).decode(errors="replace").strip("\0") for comment in comments)
    return {"descrip": header["descrip"].item().decode(errors="replace"), **attributes_in_text(text)}
