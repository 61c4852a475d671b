"""Images into an .ilp and out of it: lanes are added, found again, removed."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from ecc_px.errors import GridMismatch, InvalidSetting, UnsupportedProject
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.ilastik.hdf5 import open_ilp
from ecc_px.ilastik.label_writing import check_labels, label_axes, label_group, store_labels
from ecc_px.ilastik.lanes import LOCAL_DATA
from ecc_px.ilastik.local_data import copy_image, require_room
from ecc_px.ilastik.project import PIXEL_CLASSIFICATION, Project, read_project
from ecc_px.ilastik.stored_paths import dataset_class, path_from_project
from ecc_px.ilastik.storing import next_name, numbered, replace, store_text
from ecc_px.labels import Annotation
from ecc_px.volumes import Layout, Volume, open_volume
from ecc_px.volumes.axistags import axistags_json
from ecc_px.volumes.conversion import target_layout
from ecc_px.volumes.hdf5 import Hdf5Volume
from ecc_px.volumes.streaming import Progress
from ecc_px.volumes.tiff import TiffVolume

Store = Literal["link", "relative", "copy"]
"""How a project holds an image: by its absolute path, by its path from the project's folder, or inside."""

_NO_BOOKMARKS = b"(lp0\n."


def add_lane(
    path: str | Path,
    image: str | Path | Volume,
    annotation: Annotation | None = None,
    *,
    store: Store = "link",
    nickname: str | None = None,
    progress: Progress | None = None,
) -> int:
    """Add an image to a project, with or without labels; the forest stays, as the one from before.

    Parameters
    ----------
    path : path
        The project.
    image : path or Volume
        ilastik itself can read HDF5 and TIFF files; images in other formats must be copied.
    annotation : Annotation, optional
    store : {"link", "relative", "copy"}
        "relative" needs the image to lie below the project's folder, as ilastik does. "copy" takes the voxels into
        the project, piece by piece; every later change then copies them, too, so use it for crops.
    nickname : str, optional
        What ilastik calls the image; its name by default.
    progress : callable, optional
        Called while voxels are copied.

    Returns
    -------
    int
        Index of the lane.

    Raises
    ------
    InvalidSetting
        The image can't be held so, or a label is no class of the project.
    GridMismatch
        The labels were drawn on another image, or the project's other images have another number of channels, or are
        2-D where this is a volume.
    UnreadableVolume, UnreadableProject, UnsupportedProject, OutputFailed
    """
    path = Path(path)
    project = read_project(path)
    _require_lanes_we_know(project)
    with nullcontext(image) if isinstance(image, Volume) else open_volume(image) as volume:
        _check_belongs(volume, project)
        extent = (volume.frames, *volume.shape)
        check_labels(annotation or Annotation((), None), project, extent)
        stored_as = None if store == "copy" else _stored_path(volume, store, path)
        if stored_as is None:
            require_room(volume, path)
        lane = len(project.lanes)
        with edited_ilp(path) as file:
            training = file["PixelClassification"]
            raw = _new_raw_data(file["Input Data"])
            if stored_as is None:
                layout = target_layout(volume.layout, volume.voxel_um, None)
                _store_internal(raw, copy_image(file, volume, layout, progress))
            else:
                layout = volume.layout
                _store_linked(raw, stored_as, is_relative=store == "relative")
            _store_description(raw, layout, nickname or volume.name)
            _store_no_bookmarks(training.require_group("Bookmarks"))
            label_group(training, lane)
            if annotation is not None:
                store_labels(training, lane, annotation, label_axes(layout.axes, extent))
            if not project.lanes and volume.shape[0] == 1:
                # As ilastik stores it for 2-D images, whose features are 2-D in any case.
                in_2d = np.ones(len(project.features.scales), bool)
                replace(file["FeatureSelections"], "ComputeIn2d", in_2d)
    return lane


def remove_lane(path: str | Path, lane: int) -> None:
    """Remove the image at index `lane`, with its labels; the forest stays, as the one from before.

    Raises
    ------
    InvalidSetting
        There is no such lane.
    UnreadableProject, UnsupportedProject, OutputFailed
    """
    path = Path(path)
    project = read_project(path)
    _require_lanes_we_know(project)
    removed = project.lane(lane)
    with edited_ilp(path) as file:
        training = file["PixelClassification"]
        del file["Input Data/infos"][removed.name]
        if removed.path_kind == "internal" and removed.path in file:
            del file[removed.path]
        _remove_member(training.require_group("LabelSets"), lane, "labels", digits=3)
        _remove_member(training.require_group("Bookmarks"), lane, "", digits=4)
        _renumber(file["Input Data/infos"], "lane", digits=4)


def _remove_member(group: h5py.Group, index: int, prefix: str, digits: int) -> None:
    names = numbered(group, prefix)
    if index < len(names):
        del group[names[index]]
        _renumber(group, prefix, digits)


def _renumber(group: h5py.Group, prefix: str, digits: int) -> None:
    """Close the gap: ilastik saves by number what it has read by order."""
    for number, name in enumerate(numbered(group, prefix)):
        expected = f"{prefix}{number:0{digits}d}"
        if name != expected:
            group.move(name, expected)


def _require_lanes_we_know(project: Project) -> None:
    if project.workflow != PIXEL_CLASSIFICATION:
        raise UnsupportedProject(
            f"{project.path}: images of the workflow {project.workflow!r} can't be added or removed here, because its "
            "other steps keep data for each: do it in ilastik."
        )
    with open_ilp(project.path) as root:
        if "Role Names" not in root.group("Input Data"):
            raise UnsupportedProject(f"{project.path}: saved by a very old ilastik: save it again in ilastik 1.4.")


def _check_belongs(volume: Volume, project: Project) -> None:
    """Refuse an image that can't have the same features as the project's others."""
    for lane in project.lanes:
        channels, depth = lane.extent("c"), lane.extent("z")
        if channels is not None and channels != volume.channels:
            raise GridMismatch(
                f"{volume.path} has {volume.channels} channels, but {lane.nickname} in {project.path} has {channels}: "
                "all images of a project need the same."
            )
        if depth is not None and (depth == 1) != (volume.shape[0] == 1):
            raise GridMismatch(
                f"{volume.path} and {lane.nickname} in {project.path}: one is a volume, the other a 2-D image; make "
                "a project for each."
            )


def _stored_path(volume: Volume, store: Store, project: Path) -> str:
    """An image's path as ilastik keeps it."""
    if not isinstance(volume, Hdf5Volume | TiffVolume):
        raise InvalidSetting(
            f"{volume.path}: ilastik can't be relied on to read this format from its place: pass --store copy, or "
            "convert it to HDF5 first."
        )
    path = path_from_project(volume.path, project, is_relative=store == "relative")
    return path + (volume.inner_path if isinstance(volume, Hdf5Volume) else "")


def _new_raw_data(inputs: h5py.Group) -> h5py.Group:
    """The group of a new lane's raw data; its prediction mask stays empty."""
    infos = inputs.require_group("infos")
    lane = infos.create_group(next_name(infos, "lane"))
    lane.create_group("Prediction Mask")
    return lane.create_group("Raw Data")


def _store_linked(raw: h5py.Group, path: str, *, is_relative: bool) -> None:
    store_text(raw, "__class__", dataset_class(is_relative))
    store_text(raw, "location", "FileSystem")
    store_text(raw, "filePath", path)
    store_text(raw, "datasetId", str(uuid.uuid1()))


def _store_internal(raw: h5py.Group, name: str) -> None:
    store_text(raw, "__class__", "ProjectInternalDatasetInfo")
    store_text(raw, "location", "ProjectInternal")
    store_text(raw, "filePath", f"{LOCAL_DATA}/{name}")
    store_text(raw, "inner_path", f"{LOCAL_DATA}/{name}")
    store_text(raw, "datasetId", name)
    raw["fromstack"] = True


def _store_description(raw: h5py.Group, layout: Layout, nickname: str) -> None:
    store_text(raw, "nickname", nickname)
    store_text(raw, "axistags", axistags_json(layout.axes))
    raw["shape"] = np.array(layout.stored_shape, np.int64)
    raw["allowLabels"] = True
    raw["normalizeDisplay"] = False
    store_text(raw, "display_mode", "default")
    store_text(raw, "axis_units", "null")
    store_text(raw, "working_scale", "")
    raw["scale_locked"] = False


def _store_no_bookmarks(bookmarks: h5py.Group) -> None:
    dataset = bookmarks.create_dataset(next_name(bookmarks, ""), data=np.void(_NO_BOOKMARKS))
    dataset.attrs["version"] = 1
