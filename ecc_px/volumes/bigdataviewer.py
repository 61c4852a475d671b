"""BigDataViewer: an XML that says what there is, and an HDF5 file or N5 folder with an array for each view and level.

A view is one setup at one time point. Setups that differ in their channel are channels of one image; setups that
differ in tile, angle or illumination are parts of an image that nobody has put together yet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes.array_grid import ArrayGridVolume, SpatialArray, grid_axes, grid_chunks, grid_shape
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.dtypes import native_dtype
from ecc_px.volumes.hdf5_chunks import Hdf5Array
from ecc_px.volumes.hdf5_file import Hdf5File
from ecc_px.volumes.n5 import N5Array, attributes_of
from ecc_px.volumes.naming import volume_name
from ecc_px.volumes.volume import SUPPORTED_DTYPES, Layout, VoxelUm
from ecc_px.volumes.voxel_size import micrometres_per, voxel_um_from

_LOADERS = {"bdv.hdf5": "hdf5", "bdv.n5": "n5"}
"""Image loaders that we follow, and the element that names their file."""


@dataclass(frozen=True)
class Setup:
    """What the XML says of one setup.

    Parameters
    ----------
    number : int
    name : str
    shape : (z, y, x) or None
    voxel_um : (z, y, x) µm or None
    attributes : dict
        Name of an attribute (channel, tile, angle, illumination …) → number.
    channel_name : str
    """

    number: int
    name: str
    shape: Shape | None
    voxel_um: VoxelUm | None
    attributes: dict[str, str]
    channel_name: str


@dataclass(frozen=True)
class SpimData:
    """A BigDataViewer XML.

    Parameters
    ----------
    path : Path
    images : Path
        The HDF5 file or N5 folder with the voxels.
    is_n5 : bool
    setups : tuple of Setup
    timepoints : tuple of int
    """

    path: Path
    images: Path
    is_n5: bool
    setups: tuple[Setup, ...]
    timepoints: tuple[int, ...]


def read_spim_data(path: Path) -> SpimData:
    """Read a BigDataViewer XML.

    Raises
    ------
    UnreadableVolume
        It is none, or its image loader is one that we don't follow.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise UnreadableVolume(f"{path}: the XML is damaged ({error}). Copy it again.") from error
    sequence = root.find("SequenceDescription")
    loader = None if sequence is None else sequence.find("ImageLoader")
    if root.tag != "SpimData" or sequence is None or loader is None:
        raise UnreadableVolume(f"{path}: it is no XML of BigDataViewer, which would say where its image is.")
    kind = loader.get("format", "")
    if kind not in _LOADERS:
        raise UnreadableVolume(
            f"{path}: its images are kept as {kind!r}, and we read {' and '.join(_LOADERS)}. "
            "Resave it in BigStitcher as HDF5 or N5."
        )
    target = loader.find(_LOADERS[kind])
    if target is None or not (target.text or "").strip():
        raise UnreadableVolume(f"{path}: the XML does not name the file with its images. Copy it again.")
    images = path.parent / str(target.text).strip()
    if not images.exists():
        raise IncompleteVolume(f"{path}: {images}, which it names as its images, is not there. Copy it, too.")
    try:
        channel_names = _attribute_names(sequence, "channel")
        setups = tuple(_setup(element, channel_names) for element in sequence.iterfind("ViewSetups/ViewSetup"))
        timepoints = _timepoints(sequence.find("Timepoints"))
    except (ValueError, TypeError) as error:
        raise UnreadableVolume(f"{path}: the XML is damaged ({error}). Copy it again.") from error
    if not setups:
        raise UnreadableVolume(f"{path}: the XML names no image (ViewSetup).")
    return SpimData(path, images, kind == "bdv.n5", setups, timepoints)


class BigDataViewerVolume(ArrayGridVolume):
    """A BigDataViewer image: its setups are channels, its time points frames.

    Parameters
    ----------
    path : Path
        The XML, or the HDF5 file or N5 folder. Without an XML beside it, only a single setup can be understood.
    axes : str, optional
        One letter for each dimension, (t), (c), z, y, x; overrides what the format says.
    level : int
        0 is the finest.
    dtypes : collection of str
        Voxel types that the caller can use; others are refused.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, level: int = 0, dtypes: Collection[str] = SUPPORTED_DTYPES
    ) -> None:
        self.name = volume_name(path)
        data = _spim_data_of(path)
        self.path = path if data is None else data.images
        is_n5 = self.path.is_dir()
        self._views: _N5Views | _Hdf5Views = _N5Views(self.path) if is_n5 else _Hdf5Views(self.path)
        try:
            setups = self._setups(data)
            timepoints = (0,) if data is None else data.timepoints
            self._arrays = [
                [self._view(timepoint, setup.number, level) for setup in setups] for timepoint in timepoints
            ]
            factors = self._views.factors(setups[0].number)
            self.attributes = {}
            self.layout = self._layout(data, setups, axes, level, factors, dtypes)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | KeyError):
                raise UnreadableVolume(f"{self.path}: the file is damaged ({error}). Copy it again.") from error
            raise

    def _setups(self, data: SpimData | None) -> tuple[Setup, ...]:
        if data is None:
            numbers = self._views.setup_numbers()
            if len(numbers) > 1:
                raise UnreadableVolume(
                    f"{self.path}: it holds {len(numbers)} setups, and only the XML beside it says whether they are "
                    "channels or tiles. Put the XML beside it under the same name, and pass that."
                )
            return tuple(Setup(number, "", None, None, {}, "") for number in numbers)
        for kind in sorted({name for setup in data.setups for name in setup.attributes} - {"channel"}):
            values = sorted({setup.attributes.get(kind, "") for setup in data.setups})
            if len(values) > 1:
                raise UnreadableVolume(
                    f"{data.path}: its {len(data.setups)} setups are {len(values)} {kind}s ({', '.join(values)}) of an "
                    "image that is not fused. Fuse them, with BigStitcher for example."
                )
        shapes = {(setup.shape, setup.voxel_um) for setup in data.setups}
        if len(shapes) > 1:
            raise UnreadableVolume(
                f"{data.path}: its setups have different sizes or voxel sizes: {', '.join(str(s) for s in shapes)}. "
                "Fuse them to one grid first."
            )
        return data.setups

    def _view(self, timepoint: int, setup: int, level: int) -> SpatialArray:
        levels = len(self._views.factors(setup))
        if not 0 <= level < levels:
            raise InvalidSetting(f"{self.path}: it has no level {level}, only 0 to {levels - 1}.")
        view = self._views.array(timepoint, setup, level)
        if view is None:
            raise IncompleteVolume(
                f"{self.path}: setup {setup} of time point {timepoint} is not there, which the XML tells of. "
                "Copy it again."
            )
        return view

    def _layout(
        self,
        data: SpimData | None,
        setups: tuple[Setup, ...],
        axes: str | None,
        level: int,
        factors: npt.NDArray[np.float64],
        dtypes: Collection[str],
    ) -> Layout:
        first = self._arrays[0][0]
        odd = {(a.shape, a.dtype) for frame in self._arrays for a in frame} - {(first.shape, first.dtype)}
        if odd:
            raise UnreadableVolume(f"{self.path}: its images differ: {first.shape} {first.dtype} and {odd.pop()}.")
        stated = setups[0].shape
        if stated is not None and level == 0 and stated != first.shape:
            raise IncompleteVolume(
                f"{self.path}: the image has {first.shape} voxels (z y x), the XML tells of {stated}. Copy both again."
            )
        frames, channels = len(self._arrays), len(self._arrays[0])
        origins = {"image": f"level {level} of {len(factors)}", "axes": "BigDataViewer layout"}
        if axes is not None:
            origins["axes"] = "given"
        voxel_um = None
        if setups[0].voxel_um is not None:
            z, y, x = (float(um * factor) for um, factor in zip(setups[0].voxel_um, factors[level][::-1], strict=True))
            voxel_um, origins["voxel size"] = (z, y, x), "XML"
        elif data is None:
            origins["voxel size"] = f"unknown: {self.path.with_suffix('.xml').name} is not beside the images"
        names = tuple(setup.channel_name for setup in setups)
        if all(names) and len(set(names)) == len(names):
            origins["channel names"] = "XML"
        return Layout(
            axes=axes or grid_axes(frames, channels),
            stored_shape=grid_shape(frames, channels, _zyx(first.shape)),
            dtype=native_dtype(first.dtype, self.path, dtypes),
            voxel_um=voxel_um,
            chunks=grid_chunks(frames, channels, first.chunks),
            channel_names=names if "channel names" in origins else None,
            origins=origins,
        )

    def _array(self, frame: int, channel: int) -> SpatialArray:
        return self._arrays[frame][channel]

    def close(self) -> None:
        self._views.close()


def is_bigdataviewer(root: h5py.File) -> bool:
    """Whether an HDF5 file is laid out as BigDataViewer does."""
    return any(name.startswith("s") and f"{name}/resolutions" in root for name in root) and any(
        name.startswith("t") and name[1:].isdecimal() for name in root
    )


class _Hdf5Views:
    """``t00000/s00/0/cells`` and ``s00/resolutions``."""

    def __init__(self, path: Path) -> None:
        self._file = Hdf5File(path)

    def setup_numbers(self) -> list[int]:
        return sorted(int(name[1:]) for name in self._file.root if name[0] == "s" and name[1:].isdecimal())

    def factors(self, setup: int) -> npt.NDArray[np.float64]:
        """(levels, xyz): how much coarser each level is."""
        return np.atleast_2d(np.asarray(self._file.root[f"s{setup:02d}/resolutions"], np.float64))

    def array(self, timepoint: int, setup: int, level: int) -> SpatialArray | None:
        dataset = self._file.root.get(f"t{timepoint:05d}/s{setup:02d}/{level}/cells")
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 3:
            return None
        array = self._file.array(dataset)
        stated = self._file.root[f"s{setup:02d}"].attrs.get("dataType", b"uint16")
        if dataset.dtype.name == "int16" and stated in (b"uint16", "uint16"):
            return _Unsigned(array)
        return array

    def close(self) -> None:
        self._file.close()


class _Unsigned:
    """int16 that means uint16: Java has no such type, and BigDataViewer's HDF5 files have kept what Java had."""

    def __init__(self, array: Hdf5Array) -> None:
        self._array = array
        self.shape, self.chunks = array.shape, array.chunks
        self.dtype: np.dtype[Any] = np.dtype(np.uint16)

    def read(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        piece = self._array.read(index)
        return piece.view(piece.dtype.str.replace("i", "u"))

    def is_stored(self, index: tuple[slice, ...]) -> bool:
        return self._array.is_stored(index)


class _N5Views:
    """``setup0/timepoint0/s0`` and the attribute `downsamplingFactors` of ``setup0``."""

    def __init__(self, path: Path) -> None:
        self._folder = path

    def setup_numbers(self) -> list[int]:
        names = (child.name.removeprefix("setup") for child in self._folder.glob("setup*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def factors(self, setup: int) -> npt.NDArray[np.float64]:
        """(levels, xyz): how much coarser each level is."""
        stated = attributes_of(self._folder / f"setup{setup}").get("downsamplingFactors", [[1, 1, 1]])
        return np.atleast_2d(np.asarray(stated, np.float64))

    def array(self, timepoint: int, setup: int, level: int) -> SpatialArray | None:
        folder = self._folder / f"setup{setup}" / f"timepoint{timepoint}" / f"s{level}"
        return N5Array(folder) if folder.is_dir() else None

    def close(self) -> None:
        """No file is held open."""


def _spim_data_of(path: Path) -> SpimData | None:
    """The XML, or the one beside an HDF5 file or N5 folder; None where there is none that speaks of it."""
    if path.suffix.lower() == ".xml":
        return read_spim_data(path)
    beside = path.with_suffix(".xml")
    if not beside.is_file():
        return None
    data = read_spim_data(beside)
    return data if data.images.resolve() == path.resolve() else None


def _zyx(shape: tuple[int, ...]) -> Shape:
    z, y, x = shape
    return z, y, x


def _setup(element: ElementTree.Element, channel_names: dict[str, str]) -> Setup:
    size = [int(n) for n in (element.findtext("size") or "").split()]
    voxel = element.find("voxelSize")
    sizes: dict[str, float] = {}
    if voxel is not None:
        factor = micrometres_per(voxel.findtext("unit"))
        lengths = [float(n) for n in (voxel.findtext("size") or "").split()]
        if factor is not None and len(lengths) == 3:
            sizes = dict(zip("xyz", (length * factor for length in lengths), strict=True))
    attributes = {child.tag: (child.text or "").strip() for child in element.iterfind("attributes/*")}
    return Setup(
        number=int(element.findtext("id") or 0),
        name=element.findtext("name") or "",
        shape=_zyx(tuple(size[::-1])) if len(size) == 3 else None,
        voxel_um=voxel_um_from(sizes, "zyx"),
        attributes=attributes,
        channel_name=channel_names.get(attributes.get("channel", ""), ""),
    )


def _attribute_names(sequence: ElementTree.Element, kind: str) -> dict[str, str]:
    """Number → name of the channels, say. A name that is only its number says nothing."""
    entries = sequence.iterfind(f"ViewSetups/Attributes[@name='{kind}']/*")
    named = ((entry.findtext("id") or "", (entry.findtext("name") or "").strip()) for entry in entries)
    return {number: name for number, name in named if name and not name.isdecimal()}


def _timepoints(element: ElementTree.Element | None) -> tuple[int, ...]:
    """Numbers of the time points: a range, or a pattern such as ``0-3, 7, 10-20:2``."""
    if element is None:
        return (0,)
    if element.get("type") == "range":
        return tuple(range(int(element.findtext("first") or 0), int(element.findtext("last") or 0) + 1))
    found: list[int] = []
    for part in (element.findtext("integerpattern") or "0").split(","):
        span, _, step = part.strip().partition(":")
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return tuple(found)
