"""OME-Zarr: a folder with one image in several resolutions; a plain Zarr array is read too."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from ecc_px.errors import InvalidSetting, UnreadableVolume
from ecc_px.volumes.attributes import KEY
from ecc_px.volumes.axes import default_axes
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.ome_zarr_metadata import Multiscale, multiscale_of
from ecc_px.volumes.ome_zarr_store import guarded, is_packed_by_blosc
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume
from ecc_px.volumes.voxel_size import voxel_um_from


class OmeZarrVolume(Volume):
    """One level of an OME-Zarr image.

    A chunk that is not there is 0, as the format defines it: a chunk that was lost can't be told from an empty one.

    Parameters
    ----------
    path : Path
    inner_path : str, optional
        The image (or array) inside the folder.
    axes : str, optional
        One letter for each dimension; overrides what the metadata say.
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
        inner_path, level = self._level_by_path(inner_path, level)
        node = self._open(inner_path)
        self.attributes = _attributes_of(node)
        image, array = self._image_and_array(node, level)
        self.array_folder = Path(array.store.root) / str(array.path)
        """The folder in which the chunk files of this level lie."""
        self.is_packed_by_blosc = is_packed_by_blosc(array)
        self._array = guarded(array)
        self.layout = self._layout(image, axes, level, dtypes)

    def _open(self, inner_path: str | None) -> Any:
        try:
            node = zarr.open(self.path / (inner_path or ""), mode="r")
        except Exception as error:  # zarr raises many kinds on what is no Zarr
            where = self.path / (inner_path or "")
            raise UnreadableVolume(f"{where}: it is no Zarr folder, or is damaged ({error}).") from error
        if isinstance(node, zarr.Group) and "bioformats2raw.layout" in node.attrs.get("ome", node.attrs):
            # Its images are in groups 0, 1, …; the first is the image, others are thumbnails and labels.
            return node["0"]
        return node

    def _level_by_path(self, inner_path: str | None, level: int) -> tuple[str | None, int]:
        """``brain.ome.zarr/1`` names a level of the image, which alone knows the axes: → the image, level 1."""
        parent, _, last = (inner_path or "").rstrip("/").rpartition("/")
        if not last or level:
            return inner_path, level
        group = self._open(parent or None)
        image = multiscale_of(group.attrs) if isinstance(group, zarr.Group) else None
        if image is None or last not in image.paths:
            return inner_path, level
        return parent or None, image.paths.index(last)

    def _image_and_array(self, node: Any, level: int) -> tuple[Multiscale | None, Any]:
        if isinstance(node, zarr.Array):
            if level:
                raise InvalidSetting(f"{self.path}: a single array has no level {level}, only 0.")
            return None, node
        try:
            image = multiscale_of(node.attrs)
        except UnreadableVolume as error:
            raise UnreadableVolume(f"{self.path}: {error}.") from error
        if image is None:
            inside = ", ".join(sorted(node.keys())) or "nothing"
            raise UnreadableVolume(
                f"{self.path}: the folder has no OME-Zarr image (multiscales); it holds {inside}: "
                "say which behind the path."
            )
        if not 0 <= level < len(image.paths):
            raise InvalidSetting(f"{self.path}: it has no level {level}, only 0 to {len(image.paths) - 1}.")
        try:
            return image, node[image.paths[level]]
        except KeyError as error:
            raise UnreadableVolume(f"{self.path}: the array of level {level} is missing.") from error

    def _layout(self, image: Multiscale | None, axes: str | None, level: int, dtypes: Collection[str]) -> Layout:
        shape = tuple(int(n) for n in self._array.shape)
        origins = {"image": "an array" if image is None else f"level {level} of {len(image.paths)}"}
        voxel_um = None
        stated, origin = (
            (default_axes(shape), "number of dimensions") if image is None else (image.axes, "multiscales axes")
        )
        if axes is None and (stated is None or set(stated) - set("tzyxc")):
            raise UnreadableVolume(f"{self.path}: the meaning of its dimensions {shape} is unclear: pass --axes.")
        axes, origins["axes"] = (axes, "given") if axes else (str(stated), origin)
        if image is not None:
            voxel_um = voxel_um_from(image.sizes[level], axes)
            known = "multiscales scale and unit"
            origins["voxel size"] = known if voxel_um else "unknown: multiscales axes have no unit"
            if image.channel_names:
                origins["channel names"] = "omero channels"
        return Layout(
            axes=axes,
            stored_shape=shape,
            dtype=native_dtype(self._array.dtype, self.path, dtypes),
            voxel_um=voxel_um,
            chunks=tuple(self._array.chunks),
            channel_names=image.channel_names if image else None,
            origins=origins,
        )

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        try:
            piece = self._array[index]
        except Exception as error:  # every codec raises its own kind on damaged bytes
            place = ", ".join(f"{a} {s.start}:{s.stop}" for a, s in zip(self.axes, index, strict=True))
            raise UnreadableVolume(f"{self.path}: a chunk is damaged at {place} ({error}). Copy it again.") from error
        return np.asarray(piece).astype(self.dtype, copy=False)

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        sizes = self._array.shards or self._array.chunks
        places = (range(part.start // size, -(-part.stop // size)) for part, size in zip(index, sizes, strict=True))
        keys = (self._array.metadata.encode_chunk_key(place) for place in product(*places))
        return any((self.array_folder / key).exists() for key in keys)


def _attributes_of(node: Any) -> dict[str, Any]:
    """A group's or array's attributes; ours among them stand beside the others, as in the other formats."""
    stated = dict(node.attrs)
    own = stated.pop(KEY, {})
    return stated | own if isinstance(own, dict) else stated
