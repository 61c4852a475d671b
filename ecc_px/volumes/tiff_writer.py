"""TIFF: one uncompressed BigTIFF or ImageJ file, or a folder of planes; both can be written in any order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.attributes import attributes_text
from ecc_px.volumes.axes import reordered
from ecc_px.volumes.chunks import Index
from ecc_px.volumes.mapped import PagesLetGo, mapped, reserve
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import Layout, VoxelUm
from ecc_px.volumes.writer import VolumeWriter

_STORED_ORDER = "tzcyx"
"""ImageJ's order of planes, and one that OME-TIFF can have."""

_CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes that a TIFF with 32-bit offsets can hold, less some room for its headers."""

_IMAGEJ_DTYPES = ("uint8", "uint16", "float32")


class TiffVolumeWriter(VolumeWriter):
    """Writes one TIFF file.

    ``.ome.tif`` gets OME-XML. Any other name gets ImageJ's metadata, which Fiji reads by itself, as long as ImageJ
    has the voxel type and 4 GB suffice; else OME-XML too, as BigTIFF.
    """

    compressions = ("none",)

    def __init__(self, path: Path, layout: Layout, **common: Any) -> None:
        stored = reordered(replace(layout, chunks=None), "".join(axis for axis in _STORED_ORDER if axis in layout.axes))
        super().__init__(path, stored, **common)
        size = int(np.prod(stored.stored_shape, dtype=np.int64)) * stored.dtype.itemsize
        self._is_big = size > _CLASSIC_LIMIT
        is_named_ome = volume_name(path) != path.stem
        self._is_imagej = not is_named_ome and not self._is_big and stored.dtype.name in _IMAGEJ_DTYPES

    def _begin(self) -> None:
        layout, temporary = self.layout, self._output.temporary
        metadata = (_imagej_metadata if self._is_imagej else _ome_metadata)(layout, self.attributes)
        with tifffile.TiffWriter(
            temporary, bigtiff=self._is_big, imagej=self._is_imagej, ome=not self._is_imagej
        ) as tiff:
            place = tiff.write(
                shape=layout.stored_shape,
                dtype=layout.dtype,
                photometric="minisblack",
                metadata=metadata,
                returnoffset=True,
                **_resolution(layout.voxel_um, in_centimetres=not self._is_imagej),
            )
        with temporary.open("r+b") as file:
            reserve(file, temporary.stat().st_size)
        self._map = mapped(temporary, layout.dtype, layout.stored_shape, offset=_offset_in(place))
        self._pages = PagesLetGo(self._map)

    def _write_stored(self, index: Index, stored: npt.NDArray[Any]) -> None:
        self._map[index] = stored
        self._pages.wrote(stored)

    def _finish(self) -> None:
        self._map.flush()
        del self._map, self._pages

    def _abandon(self) -> None:
        del self._map, self._pages


class TiffPlanesWriter(VolumeWriter):
    """Writes a folder with one TIFF file for each plane, ``NAME_z0000.tif`` and so on."""

    compressions = ("none",)

    def __init__(self, path: Path, layout: Layout, **common: Any) -> None:
        if layout.frames > 1:
            raise InvalidSetting(f"{path}: a folder of planes can't hold {layout.frames} time points.")
        stored = reordered(replace(layout, chunks=None), "zyxc" if layout.channels > 1 else "zyx")
        super().__init__(path, stored, **common)
        self._offset = 0

    def _begin(self) -> None:
        layout = self.layout
        self._output.temporary.mkdir()
        planes, *plane_shape = layout.stored_shape
        for number in range(planes):
            plane = self._plane(number)
            with tifffile.TiffWriter(plane) as tiff:
                place = tiff.write(
                    shape=tuple(plane_shape),
                    dtype=layout.dtype,
                    photometric="minisblack",
                    planarconfig="contig" if "c" in layout.axes else None,
                    description=_plane_description(layout.voxel_um, self.attributes),
                    metadata=None,
                    returnoffset=True,
                    **_resolution(layout.voxel_um, in_centimetres=False),
                )
            self._offset = _offset_in(place)
            with plane.open("r+b") as file:
                reserve(file, plane.stat().st_size)

    def _is_such_a_folder(self, folder: Path) -> bool:
        ours = re.compile(re.escape(volume_name(self.path)) + r"_z\d+\.tif")
        return all(child.is_file() and ours.fullmatch(child.name) for child in folder.iterdir())

    def _plane(self, number: int) -> Path:
        digits = max(4, len(str(self.layout.stored_shape[0] - 1)))
        return self._output.temporary / f"{volume_name(self.path)}_z{number:0{digits}d}.tif"

    def _write_stored(self, index: Index, stored: npt.NDArray[Any]) -> None:
        planes, *inside = index
        plane_shape = self.layout.stored_shape[1:]
        for number, piece in zip(range(planes.start, planes.stop), stored, strict=True):
            mapped(self._plane(number), self.layout.dtype, plane_shape, offset=self._offset)[tuple(inside)] = piece

    def _finish(self) -> None:
        """Every plane is complete as it stands."""

    def _abandon(self) -> None:
        """No plane is held open."""


def _offset_in(place: tuple[int, int] | None) -> int:
    """Where tifffile began to write the voxels; it tells when asked to."""
    assert place is not None
    return place[0]


def _resolution(voxel_um: VoxelUm | None, *, in_centimetres: bool) -> dict[str, Any]:
    """Resolution tags: pixels per cm, or per ImageJ's unit, which is µm here."""
    if voxel_um is None:
        return {}
    _, y, x = voxel_um
    unit_um, unit = (1e4, "CENTIMETER") if in_centimetres else (1.0, "NONE")
    return {"resolution": (unit_um / x, unit_um / y), "resolutionunit": unit}


def _imagej_metadata(layout: Layout, attributes: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": layout.axes.upper()}
    if layout.voxel_um is not None:
        metadata |= {"spacing": layout.voxel_um[0], "unit": "um"}
    if attributes:
        # Becomes a line of the description; ImageJ passes over keys that it does not know.
        key, text = attributes_text(attributes).split("=", 1)
        metadata[key] = text
    return metadata


def _ome_metadata(layout: Layout, attributes: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": layout.axes.upper()}
    for axis, size in zip("ZYX", layout.voxel_um or (), strict=False):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if layout.channel_names and "c" in layout.axes:
        metadata["Channel"] = {"Name": list(layout.channel_names)}
    if attributes:
        metadata["Description"] = attributes_text(attributes)
    return metadata


def _plane_description(voxel_um: VoxelUm | None, attributes: Mapping[str, Any]) -> str | None:
    """ImageJ's description: the one that can say on a single plane how far the next one is."""
    lines = [] if voxel_um is None else ["unit=um", f"spacing={voxel_um[0]!r}"]
    if attributes:
        lines.append(attributes_text(attributes))
    return "\n".join(["ImageJ=1.53k", "images=1", *lines, ""]) if lines else None
