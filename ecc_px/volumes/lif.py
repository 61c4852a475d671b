"""Leica LIF, through liffile."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.extras import package_for
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume, VoxelUm
from ecc_px.volumes.voxel_size import micrometres_per, voxel_um_from

_LETTERS = {"T": "t", "C": "c", "S": "c", "Z": "z", "Y": "y", "X": "x"}
"""liffile's dimensions and ours; S are a pixel's samples."""

_AXIS_OF_DIMENSION = {"1": "x", "2": "y", "3": "z"}
"""Of a DimensionDescription's DimID."""


class LifVolume(Volume):
    """One image of a LIF file.

    Parameters
    ----------
    path : Path
    inner_path : str, optional
        Name of the image, or its number from 0; needed where there are several.
    axes : str, optional
        One letter for each dimension; overrides what the file says.
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
        liffile = package_for(path, "LIF", "liffile", "liffile", "lif")
        self._file = liffile.LifFile(path)
        try:
            image = self._chosen_image(inner_path)
            self.attributes = {}
            self.layout = self._layout(image, axes, dtypes)
            block, size = image.memory_block, path.stat().st_size
            if block.offset + block.size > size:
                raise IncompleteVolume(
                    f"{path}: the file was cut short: it has {size:,} bytes, {image.name} reaches to "
                    f"{block.offset + block.size:,}. Copy it again."
                )
            # Voxels lie uncompressed: mapped, they are read by any number of threads.
            self._array = image.asarray(out="memmap")
        except KeyError as error:
            self.close()
            raise UnreadableVolume(
                f"{path}: the voxels of {error} are not in the file, which was cut short. Copy it again."
            ) from error
        except BaseException:
            self.close()
            raise

    def _chosen_image(self, inner_path: str | None) -> Any:
        images = list(self._file.images)
        names = [image.name for image in images]
        listed = ", ".join(names)
        if not images:
            raise UnreadableVolume(f"{self.path}: the LIF file holds no image.")
        if inner_path is None:
            if len(images) > 1:
                raise UnreadableVolume(
                    f"{self.path}: it holds {len(images)} images ({listed}): say which behind the path, such as "
                    f"{self.path.name}/{names[0]}."
                )
            return images[0]
        if names.count(inner_path) == 1:
            return images[names.index(inner_path)]
        if inner_path.isdecimal() and int(inner_path) < len(images):
            return images[int(inner_path)]
        raise InvalidSetting(f"{self.path}: it has no single image {inner_path!r}; it has {listed}.")

    def _layout(self, image: Any, axes: str | None, dtypes: Collection[str]) -> Layout:
        stated = "".join(_LETTERS.get(axis, axis) for axis in image.dims)
        if axes is None and (set(stated) - set("tczyx") or len(set(stated)) < len(stated)):
            raise UnreadableVolume(
                f"{self.path}: {image.name} has the dimensions {dict(image.sizes)}, among them tiles or others that "
                "make no single image. Merge them in LAS X first."
            )
        origins = {"image": f"{image.name} (one of {len(self._file.images)})", "axes": "given" if axes else "LIF XML"}
        voxel_um = _voxel_um_of(image, stated)
        if voxel_um is not None:
            origins["voxel size"] = "LIF XML"
        names = _channel_names_of(image)
        channels = image.shape[stated.index("c")] if "c" in stated else 1
        if names is not None and len(names) == channels:
            origins["channel names"] = "LIF XML"
        else:
            names = None
        return Layout(
            axes=axes or stated,
            stored_shape=tuple(int(n) for n in image.shape),
            dtype=native_dtype(image.dtype, self.path, dtypes),
            voxel_um=voxel_um,
            chunks=None,
            channel_names=names,
            origins=origins,
        )

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        return np.array(self._array[index], self.dtype)

    def close(self) -> None:
        self._file.close()


def _voxel_um_of(image: Any, axes: str) -> VoxelUm | None:
    sizes = {}
    for dimension in image.xml_element.iterfind("./Data/Image/ImageDescription/Dimensions/DimensionDescription"):
        axis = _AXIS_OF_DIMENSION.get(dimension.get("DimID", ""))
        count, factor = int(dimension.get("NumberOfElements", "1")), micrometres_per(dimension.get("Unit"))
        if axis and factor and count > 1:
            # The length is that from the first voxel's centre to the last one's.
            sizes[axis] = abs(float(dimension.get("Length", "0"))) / (count - 1) * factor
    return voxel_um_from(sizes, axes)


def _channel_names_of(image: Any) -> tuple[str, ...] | None:
    """The colours in which channels are shown, which is all that every LIF says of them; None where two are alike."""
    channels = image.xml_element.iterfind("./Data/Image/ImageDescription/Channels/ChannelDescription")
    names = [channel.get("LUTName", "") for channel in channels]
    return tuple(names) if names and all(names) and len(set(names)) == len(names) else None
