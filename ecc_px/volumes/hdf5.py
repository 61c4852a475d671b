"""HDF5: ilastik's datasets with axistags, ecc's first-dataset convention, any dataset by its path."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.errors import EccPxError, InvalidSetting, UnreadableVolume
from ecc_px.volumes.array_grid import place_text
from ecc_px.volumes.attributes import plain
from ecc_px.volumes.axes import default_axes
from ecc_px.volumes.axistags import axes_from_axistags
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.hdf5_file import Hdf5File
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, Volume, VoxelUm
from ecc_px.volumes.voxel_size import voxel_um_from

EXPORTED_DATA = "exported_data"
"""The dataset that ilastik writes its results to."""


class Hdf5Volume(Volume):
    """A dataset of an HDF5 file.

    Parameters
    ----------
    path : Path
    inner_path : str, optional
        The dataset. Without it: the only one with axistags, else `exported_data`, else the first in
        alphabetical order (groups are looked into).
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
        self._file = Hdf5File(path)
        try:
            dataset, chosen = _choose_dataset(self._file.root, path, inner_path, dtypes)
            self.inner_path = str(dataset.name)
            self.attributes = {key: plain(value) for key, value in dataset.attrs.items()}
            self.layout = _layout_of(dataset, path, axes, chosen, dtypes)
            self._array = self._file.array(dataset)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise UnreadableVolume(f"{path}: the HDF5 file is damaged ({error}). Copy it again.") from error
            raise

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        try:
            piece = self._array.read(index)
        except OSError as error:
            raise UnreadableVolume(
                f"{self.path}: {self.inner_path} can't be read at {place_text(self.layout, index)} ({error}). "
                "The file is damaged or was cut short: copy it again."
            ) from error
        return piece.astype(self.dtype, copy=False)

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        return self._array.is_stored(index)

    def close(self) -> None:
        self._file.close()


def _choose_dataset(
    file: h5py.File, path: Path, inner_path: str | None, dtypes: Collection[str]
) -> tuple[h5py.Dataset, str]:
    """The dataset that is the image, and why it is that one."""
    images = _image_datasets(file, dtypes)
    names = ", ".join(images) or "none"
    if inner_path is not None:
        # `get` gives None for a broken external link too, where indexing raises.
        found = file.get(inner_path)
        if isinstance(found, h5py.Dataset):
            return found, "given"
        raise InvalidSetting(f"{path}: it has no dataset {inner_path!r}. Its images: {names}.")
    tagged = [name for name, dataset in images.items() if "axistags" in dataset.attrs]
    if len(tagged) == 1:
        return images[tagged[0]], "the only dataset with axistags"
    if EXPORTED_DATA in images:
        return images[EXPORTED_DATA], f"named {EXPORTED_DATA}"
    if not images:
        raise UnreadableVolume(f"{path}: it holds no dataset with two or more dimensions of numbers.")
    first = next(iter(images))
    return images[first], "the only image" if len(images) == 1 else f"first in alphabetical order of {names}"


def _image_datasets(file: h5py.File, dtypes: Collection[str]) -> dict[str, h5py.Dataset]:
    """Datasets that can be images, by path in alphabetical order.

    Where some have a voxel type that we read, the others are left out: next to an image there are often small
    tables of float64, such as the resolutions of a pyramid.
    """
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim >= 2 and item.dtype.kind in "buif":
            found[name] = item

    file.visititems(visit)
    found = {name: found[name] for name in sorted(found)}
    readable = {name: d for name, d in found.items() if d.dtype.newbyteorder("=").name in dtypes}
    return readable or found


def _layout_of(dataset: h5py.Dataset, path: Path, axes: str | None, chosen: str, dtypes: Collection[str]) -> Layout:
    origins = {"image": f"{dataset.name} ({chosen})"}
    stated_axes, resolution = _axistags_of(dataset, path)
    axes, origins["axes"] = _axes_of(dataset, path, axes, stated_axes)
    voxel_um, origin = _voxel_um_of(dataset, axes, resolution)
    if voxel_um is not None:
        origins["voxel size"] = origin
    names = [plain(name) for name in np.ravel(dataset.attrs.get("channel_names", ()))]
    if names:
        origins["channel names"] = "channel_names attribute"
    return Layout(
        axes=axes,
        stored_shape=tuple(int(n) for n in dataset.shape),
        dtype=native_dtype(dataset.dtype, path, dtypes),
        voxel_um=voxel_um,
        chunks=dataset.chunks,
        channel_names=tuple(str(name) for name in names) or None,
        origins=origins,
    )


def _axistags_of(dataset: h5py.Dataset, path: Path) -> tuple[str | None, dict[str, float]]:
    if "axistags" not in dataset.attrs:
        return None, {}
    try:
        return axes_from_axistags(dataset.attrs["axistags"])
    except EccPxError as error:
        raise UnreadableVolume(f"{path}: {error}") from error


def _axes_of(dataset: h5py.Dataset, path: Path, given: str | None, stated: str | None) -> tuple[str, str]:
    """Axis letters, and where they came from."""
    if given is not None:
        return given, "given"
    if stated is not None:
        return stated, "axistags"
    labels = [plain(label) for label in dataset.attrs.get("DIMENSION_LABELS", ())]
    if labels and all(isinstance(label, str) and label and label in "tzyxc" for label in labels):
        return "".join(labels), "DIMENSION_LABELS"
    guessed = default_axes(dataset.shape)
    if guessed is None:
        raise UnreadableVolume(f"{path}: {dataset.name} has the shape {dataset.shape} and no axistags: pass --axes.")
    return guessed, "number of dimensions"


def _voxel_um_of(dataset: h5py.Dataset, axes: str, resolution: dict[str, float]) -> tuple[VoxelUm | None, str]:
    """Voxel size, and where it came from."""
    sizes = np.ravel(dataset.attrs.get("element_size_um", ()))
    if sizes.dtype.kind in "uif" and len(sizes) == 3 and (sizes > 0).all():
        z, y, x = (float(size) for size in sizes)
        return (z, y, x), "element_size_um attribute"
    return voxel_um_from(resolution, axes), "axistags resolution"
