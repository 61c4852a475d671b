"""Zeiss CZI, through Zeiss's own library (pylibCZIrw)."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, UnreadableVolume
from ecc_px.volumes.array_grid import grid_axes, grid_shape, place_text
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.extras import package_for
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from

_DTYPES = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32"}
_CACHE_BYTES = 64 * 2**20
"""Decoded pieces of planes that Zeiss's library keeps."""


class CziVolume(Volume):
    """One scene of a CZI file. Tiles of a mosaic are laid where the microscope's stage was.

    Parameters
    ----------
    path : Path
    inner_path : str, optional
        Number of the scene, needed where there are several.
    axes : str, optional
        One letter for each dimension, (t), (c), z, y, x; overrides what the format says.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        inner_path: str | None = None,
        axes: str | None = None,
        dtypes: Collection[str] = SUPPORTED_DTYPES,
    ) -> None:
        self.path = path
        self.name = volume_name(path)
        czi = package_for(path, "CZI", "pylibCZIrw.czi", "pylibCZIrw", "czi")
        self._opened = ExitStack()
        # The library says nothing of threads.
        self._lock = threading.Lock()
        cache = czi.CacheOptions(type=czi.CacheType.Standard, max_memory_usage=_CACHE_BYTES, max_sub_block_count=4096)
        try:
            self._reader = self._opened.enter_context(czi.open_czi(str(path), cache_options=cache))
            self._scene = self._chosen_scene(inner_path)
            box = self._reader.total_bounding_box
            self._starts = {axis: box.get(axis.upper(), (0, 1))[0] for axis in "tcz"}
            self.attributes = {}
            self.layout = self._layout(box, axes, dtypes)
        except BaseException:
            self.close()
            raise

    def _chosen_scene(self, inner_path: str | None) -> int | None:
        scenes = sorted(self._reader.scenes_bounding_rectangle)
        if inner_path is None:
            if len(scenes) > 1:
                listed = ", ".join(str(scene) for scene in scenes)
                raise UnreadableVolume(
                    f"{self.path}: it holds {len(scenes)} scenes ({listed}): say which behind the path, such as "
                    f"{self.path.name}/{scenes[0]}."
                )
            return scenes[0] if scenes else None
        if not inner_path.isdecimal() or int(inner_path) not in scenes:
            raise InvalidSetting(f"{self.path}: it has no scene {inner_path!r}; it has {len(scenes)}, from 0.")
        return int(inner_path)

    def _layout(self, box: Mapping[str, tuple[int, int]], axes: str | None, dtypes: Collection[str]) -> Layout:
        odd = [
            f"{axis} ({stop - start})"
            for axis, (start, stop) in box.items()
            if axis not in "TCZYX" and stop - start > 1
        ]
        if odd:
            raise UnreadableVolume(
                f"{self.path}: it has views, phases or illuminations, {', '.join(odd)}, that make no single image. "
                "Fuse them in ZEN first."
            )
        kinds = sorted(set(self._reader.pixel_types.values()))
        if len(kinds) != 1 or kinds[0] not in _DTYPES:
            raise UnreadableVolume(
                f"{self.path}: its pixels are {', '.join(kinds)}; we read one of {', '.join(_DTYPES)}. Export it so."
            )
        frames, channels, depth = (box.get(a, (0, 1))[1] - box.get(a, (0, 1))[0] for a in "TCZ")
        rectangles = self._reader.scenes_bounding_rectangle
        self._frame = self._reader.total_bounding_rectangle if self._scene is None else rectangles[self._scene]
        information = self._reader.metadata.get("ImageDocument", {}).get("Metadata", {})
        sizes = _sizes_in(information)
        origins = {
            "image": "the only scene" if self._scene is None else f"scene {self._scene} of {len(rectangles)}",
            "axes": "CZI layout" if axes is None else "given",
        }
        voxel_um = voxel_um_from(sizes, "zyx")
        if voxel_um is not None:
            origins["voxel size"] = "CZI scaling"
        elif sizes:
            origins["voxel size"] = f"unknown: the CZI scaling knows only {', '.join(sorted(sizes))}"
        names = _channel_names_in(information)
        if names is not None and len(names) == channels:
            origins["channel names"] = "CZI metadata"
        else:
            names = None
        shape = (depth, self._frame.h, self._frame.w)
        return Layout(
            axes=axes or grid_axes(frames, channels),
            stored_shape=grid_shape(frames, channels, shape),
            dtype=native_dtype(_DTYPES[kinds[0]], self.path, dtypes),
            voxel_um=voxel_um,
            chunks=None,
            channel_names=names,
            origins=origins,
        )

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        place = dict(zip(self.axes, index, strict=True))
        rows, columns = place["y"], place["x"]
        roi = (
            self._frame.x + columns.start,
            self._frame.y + rows.start,
            columns.stop - columns.start,
            rows.stop - rows.start,
        )
        counted = [place.get(axis, slice(0, 1)) for axis in "tcz"]
        out = np.empty((*(part.stop - part.start for part in counted), roi[3], roi[2]), self.dtype)
        if out.size:
            for t, c, z in product(*(range(part.start, part.stop) for part in counted)):
                plane = {a.upper(): n + self._starts[a] for a, n in zip("tcz", (t, c, z), strict=True)}
                try:
                    with self._lock:
                        piece = self._reader.read(roi=roi, plane=plane, scene=self._scene)
                except Exception as error:  # the library raises RuntimeError and others
                    raise UnreadableVolume(
                        f"{self.path}: it can't be read at {place_text(self.layout, index)} ({error}). Copy it again."
                    ) from error
                out[t - counted[0].start, c - counted[1].start, z - counted[2].start] = piece[..., 0]
        return out.reshape([part.stop - part.start for part in index])

    def close(self) -> None:
        self._opened.close()


def _sizes_in(information: Mapping[str, Any]) -> dict[str, float]:
    """µm along the axes whose scaling, in metres, is stated."""
    distances = _listed(information.get("Scaling", {}).get("Items", {}).get("Distance"))
    sizes = {}
    for distance in distances:
        axis, value = str(distance.get("@Id", "")).lower(), distance.get("Value")
        if axis in ("x", "y", "z") and value is not None:
            sizes[axis] = float(value) * 1e6
    return sizes


def _channel_names_in(information: Mapping[str, Any]) -> tuple[str, ...] | None:
    image = information.get("Information", {}).get("Image", {})
    channels = _listed(image.get("Dimensions", {}).get("Channels", {}).get("Channel"))
    names = tuple(str(channel.get("@Name") or "") for channel in channels)
    return names if names and all(names) else None


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """XML with one element is no list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
