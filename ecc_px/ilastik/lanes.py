"""The lanes of an .ilp: its input images, where they lie and how their axes are ordered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from ecc_px.errors import UnreadableVolume
from ecc_px.ilastik.hdf5 import Group
from ecc_px.volumes.axistags import axes_from_axistags

PathKind = Literal["relative", "absolute", "internal", "stack", "url", "none"]

LOCAL_DATA = "/Input Data/local_data"
"""Where images lie that were copied into the project."""

_INNER_PATH = re.compile(r"(?P<file>.*?\.(?:h5|hdf5|ilp|n5|npz|zarr))(?P<inner>/.*)?", re.IGNORECASE)
# One ":" or ";" between the files of a stack, but not the colon of a Windows drive.
_STACK_SEPARATOR = re.compile(r";|(?<!^[A-Za-z])(?<![;:][A-Za-z]):")


@dataclass(frozen=True)
class Lane:
    """One input image of a project.

    Parameters
    ----------
    name : str
        ilastik's name of the lane, e.g. lane0000.
    nickname : str
    path : str
        As stored: relative to the project's folder, absolute, inside the project, several files, or a URL.
    path_kind : {"relative", "absolute", "internal", "stack", "url", "none"}
        "none": the lane has no raw data.
    axes : str or None
        Order in the file, of the letters t, z, y, x, c; None where the project does not say.
    shape : tuple of int or None
        Extent along each of `axes`.
    mask : str or None
        Path of the prediction mask.
    """

    name: str
    nickname: str
    path: str
    path_kind: PathKind
    axes: str | None
    shape: tuple[int, ...] | None
    mask: str | None

    def extent(self, axis: str) -> int | None:
        """Extent along an axis, 1 where the image lacks it, None where unknown."""
        if self.axes is None:
            return None
        if axis not in self.axes:
            return 1
        return None if self.shape is None else self.shape[self.axes.index(axis)]

    @property
    def internal_axes(self) -> str | None:
        """The order that ilastik works in: t and z if larger than 1, then y, x, c."""
        if self.axes is None:
            return None
        return "".join(axis for axis in "tz" if axis in self.axes and self.extent(axis) != 1) + "yxc"

    def files(self, project: Path) -> tuple[Path, ...]:
        """The files that the raw data should be in, if it is in files of its own."""
        if self.path_kind in ("internal", "url", "none"):
            return ()
        stored = _STACK_SEPARATOR.split(self.path) if self.path_kind == "stack" else [self.path]
        return tuple(project.parent / split_inner_path(path)[0] for path in stored)


def split_inner_path(path: str) -> tuple[str, str | None]:
    """``brain.h5/volume`` → ``("brain.h5", "/volume")``; other paths have no inner path."""
    match = _INNER_PATH.fullmatch(path)
    return (match["file"], match["inner"]) if match else (path, None)


@dataclass(frozen=True)
class LinkedFile:
    """A file outside of the project that a lane uses, as raw data or as prediction mask.

    `place` is the HDF5 path of the group that says so.
    """

    lane: str
    place: str
    path: str
    path_kind: PathKind


def read_lanes(root: Group) -> tuple[Lane, ...]:
    """All lanes in ilastik's order."""
    return tuple(_read_lane(group, name, roles) for name, group, roles in _lane_groups(root))


def read_linked_files(root: Group) -> tuple[LinkedFile, ...]:
    """The files that the lanes use, whether or not they are there."""
    files = []
    for name, group, roles in _lane_groups(root):
        for role in [group.group(role) for role in roles if role in group] or [group]:
            path = role.text_or("filePath", "")
            kind = _path_kind(role, path)
            if kind in ("relative", "absolute"):
                files.append(LinkedFile(name, role.place, path, kind))
    return tuple(files)


def _lane_groups(root: Group) -> Iterator[tuple[str, Group, tuple[str, ...]]]:
    """Name, group, and names of the roles of each lane."""
    inputs = root.applet("Input Data")
    if inputs is None or "infos" not in inputs:
        return
    roles = inputs.texts("Role Names") if "Role Names" in inputs else ()
    infos = inputs.group("infos")
    for name in infos.names():
        yield name, infos.group(name), roles


def _read_lane(group: Group, name: str, roles: tuple[str, ...]) -> Lane:
    # Before there were roles, a lane's group held the fields of its raw data itself.
    raw = group.group(roles[0]) if roles and roles[0] in group else group
    path = raw.text_or("filePath", "") or raw.text_or("url", "")
    if _path_kind(raw, path) == "internal":
        path = raw.text_or("inner_path", "") or f"{LOCAL_DATA}/{raw.text_or('datasetId', '')}"
    axes = _read_axes(raw)
    shape = tuple(int(n) for n in raw.numbers("shape", kinds="iu").ravel()) if "shape" in raw else None
    if axes is not None and shape is not None and len(axes) != len(shape):
        raise raw.damaged(f"axes {axes!r} don't fit the shape {shape}")
    return Lane(
        name=name,
        nickname=raw.text_or("nickname", Path(split_inner_path(path)[0]).stem or name),
        path=path,
        path_kind=_path_kind(raw, path),
        axes=axes,
        shape=shape,
        mask=_mask_path(group, roles),
    )


def _mask_path(lane: Group, roles: tuple[str, ...]) -> str | None:
    if "Prediction Mask" not in roles[1:] or "Prediction Mask" not in lane:
        return None
    return lane.group("Prediction Mask").text_or("filePath", "") or None


def _read_axes(raw: Group) -> str | None:
    if "axistags" in raw:
        return axes_of(raw, raw.text("axistags"))
    return _checked(raw, raw.text("axisorder")) if "axisorder" in raw else None


def axes_of(group: Group, axistags: str) -> str:
    """Axis letters in order from vigra's axistags JSON."""
    try:
        axes, _ = axes_from_axistags(axistags)
    except UnreadableVolume as error:
        raise group.damaged("the axistags are no axistags") from error
    return _checked(group, axes)


def _checked(group: Group, axes: str) -> str:
    if len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes) <= set("tzyxc"):
        raise group.damaged(f"the axes {axes!r} are no image axes")
    return axes


def _path_kind(raw: Group, path: str) -> PathKind:
    dataset_class = raw.text_or("__class__", "")
    if dataset_class == "ProjectInternalDatasetInfo" or raw.text_or("location", "") == "ProjectInternal":
        return "internal"
    if not path:
        return "none"
    if "Url" in dataset_class or "://" in path:
        return "url"
    if "*" in path or _STACK_SEPARATOR.search(path):
        return "stack"
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    return "absolute" if absolute else "relative"
