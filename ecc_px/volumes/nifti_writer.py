"""NIfTI: stored x fastest, voxel size in µm, gzipped at the end where the name says so."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ecc_px.volumes.attributes import attributes_text
from ecc_px.volumes.axes import reordered
from ecc_px.volumes.chunks import Index
from ecc_px.volumes.mapped import PagesLetGo, mapped, reserve
from ecc_px.volumes.orientation import affine_um_of
from ecc_px.volumes.volume import Layout
from ecc_px.volumes.writer import VolumeWriter

_NIFTI1_LIMIT = 32_767
"""The largest extent that NIfTI-1 can hold; above it NIfTI-2 is written."""


class NiftiWriter(VolumeWriter):
    """Writes a .nii file.

    Parameters
    ----------
    path, layout, compression, attributes, overwrite
        As for every writer.
    affine_um : (4, 4), optional
        From voxel (x, y, z) to µm; without it, where our convention puts an image of the layout's voxel size.
    description : str
        Free text of at most 79 bytes.
    """

    compressions: ClassVar[tuple[str, ...]] = ("none",)

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        compression: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        affine_um: npt.NDArray[np.float64] | None = None,
        description: str = "",
    ) -> None:
        stored = reordered(replace(layout, chunks=None), _nifti_axes(layout))
        super().__init__(path, stored, compression=compression, attributes=attributes, overwrite=overwrite)
        self._affine_um = affine_um
        if affine_um is None and layout.voxel_um is not None:
            self._affine_um = affine_um_of(layout.voxel_um)
        self._description = description

    def _begin(self) -> None:
        self._file = self._new_file()
        header = header_of(self.layout, self._affine_um, self._description, self.attributes)
        header.write_to(self._file)
        self._file.flush()
        offset = int(header.get_data_offset())
        size = int(np.prod(self.layout.stored_shape, dtype=np.int64)) * self.layout.dtype.itemsize
        reserve(self._file, offset + size)
        self._map = mapped(self._file, self.layout.dtype, self.layout.stored_shape, offset=offset, order="F")
        self._pages = PagesLetGo(self._map)

    def _new_file(self) -> IO[bytes]:
        return self._output.temporary.open("w+b")

    def _write_stored(self, index: Index, stored: npt.NDArray[Any]) -> None:
        self._map[index] = stored
        self._pages.wrote(stored)

    def _finish(self) -> None:
        self._map.flush()
        del self._map, self._pages
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()


class NiftiGzWriter(NiftiWriter):
    """Writes a .nii.gz file.

    gzip can only be written from start to end, and the channels of a NIfTI follow each other as whole volumes.
    The image is therefore written to a file without a name in the same folder, and compressed when it is complete.
    """

    compressions = ("gzip",)

    def _new_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self.path.parent)

    def _finish(self) -> None:
        self._map.flush()
        del self._map, self._pages
        self._file.seek(0)
        # No name and no time inside: the same image gives the same bytes.
        with (
            self._output.temporary.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        ):
            shutil.copyfileobj(self._file, packed, length=8 * 2**20)
        self._file.close()


def _nifti_axes(layout: Layout) -> str:
    """As many of x, y, z, t, c as it takes to reach the last one that the image needs."""
    if layout.channels > 1:
        return "xyztc"
    if layout.frames > 1:
        return "xyzt"
    return "xyz" if "z" in layout.axes else "xy"


def header_of(
    layout: Layout,
    affine_um: npt.NDArray[np.float64] | None,
    description: str,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """nibabel's header of an image whose layout has the axes of the file, x first."""
    is_large = max(layout.stored_shape) > _NIFTI1_LIMIT
    header = nib.Nifti2Header() if is_large else nib.Nifti1Header()
    header.set_data_shape(layout.stored_shape)
    header.set_data_dtype(layout.dtype)
    header.set_slope_inter(1, 0)
    header["magic"] = header.single_magic
    if attributes:
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", attributes_text(attributes).encode()))
    header.set_data_offset(header.single_vox_offset + header.extensions.get_sizeondisk())
    header["descrip"] = description.encode()[:79]
    if affine_um is not None:
        # In mm: ITK reads every unit, but writes this one, and so says the same of a file that went through it.
        affine_mm = affine_um * np.array([[1e-3], [1e-3], [1e-3], [1.0]])
        header.set_xyzt_units("mm", "sec")
        header.set_qform(affine_mm, code="scanner")
        header.set_sform(affine_mm, code="scanner")
    return header
