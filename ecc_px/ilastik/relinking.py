"""Images that moved: the project is told where they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableVolume
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.ilastik.hdf5 import open_ilp
from ecc_px.ilastik.images import open_fitting
from ecc_px.ilastik.lanes import LinkedFile, read_linked_files, split_inner_path
from ecc_px.ilastik.project import Project, read_project
from ecc_px.ilastik.stored_paths import dataset_class, is_below, path_from_project
from ecc_px.ilastik.storing import store_text
from ecc_px.volumes import open_volume


@dataclass(frozen=True)
class Moved:
    """An image or mask of a lane, and where the project found and finds it."""

    lane: str
    old: str
    new: str


@dataclass(frozen=True)
class Relinked:
    """What was found again, and the files that are still missing."""

    moved: tuple[Moved, ...]
    missing: tuple[str, ...]


def relink(
    path: str | Path, images: Mapping[str, str | Path] | None = None, *, folder: str | Path | None = None
) -> Relinked:
    """Tell a project where its images and masks are now.

    Parameters
    ----------
    path : path
        The project.
    images : mapping, optional
        Path of a file → where it is now. A key is the path as the project keeps it, or its end: a file name is
        enough. A dataset inside stays the same unless the new path names one.
    folder : path, optional
        Search here, and below, for what is missing, by file name.

    Raises
    ------
    InvalidSetting
        The project has no such image or several; or several files in `folder` could be it.
    UnreadableVolume
        Nothing is where the new path says, or none of the missing files is in `folder`.
    GridMismatch
        The file there is another image.
    UnreadableProject, OutputFailed
    """
    path = Path(path)
    project = read_project(path)
    with open_ilp(path) as root:
        linked = read_linked_files(root)
    chosen = _named(linked, images or {}, project)
    absent = [file for file in linked if file.place not in chosen and not _file_of(file, path).exists()]
    if folder is not None and absent:
        found = _found_below(Path(folder), absent, project)
        if not found and not chosen:
            names = ", ".join(sorted({_name_of(file) for file in absent}))
            raise UnreadableVolume(f"{folder}: none of the missing images is there or below: {names}.")
        chosen |= found
    moved = [(file, _stored_as(file, chosen[file.place], path)) for file in linked if file.place in chosen]
    if moved:
        with edited_ilp(path) as stored:
            for file, (new, is_relative) in moved:
                group = stored[file.place]
                store_text(group, "filePath", new)
                if "__class__" in group:
                    store_text(group, "__class__", dataset_class(is_relative))
    return Relinked(
        moved=tuple(Moved(file.lane, file.path, new) for file, (new, _) in moved),
        missing=tuple(file.path for file in absent if file.place not in chosen),
    )


def _named(
    linked: Sequence[LinkedFile], images: Mapping[str, str | Path], project: Project
) -> dict[str, tuple[Path, str | None]]:
    """Place in the project → file and dataset, for the images that somebody named."""
    chosen = {}
    for name, new in images.items():
        meant = [file for file in linked if _is_meant(file, name)]
        if not meant:
            known = ", ".join(file.path for file in linked)
            raise InvalidSetting(f"{project.path}: it has no image {name!r}, only {known or 'none'}.")
        files = sorted({split_inner_path(file.path)[0] for file in meant})
        if len(files) > 1:
            raise InvalidSetting(f"{project.path}: {name!r} could be {' or '.join(files)}: give more of its path.")
        for file in meant:
            there, inner_path = split_inner_path(str(new))
            if not Path(there).exists():
                raise UnreadableVolume(f"{there}: there is no such file; {name} can't be found there.")
            chosen[file.place] = (Path(there), inner_path or split_inner_path(file.path)[1])
            _check_fits(file, *chosen[file.place], project)
    return chosen


def _is_meant(file: LinkedFile, name: str) -> bool:
    stored = (file.path, split_inner_path(file.path)[0])
    return any(path == name or path.replace("\\", "/").endswith(f"/{name}") for path in stored)


def _name_of(file: LinkedFile) -> str:
    # The project may come from Windows.
    return split_inner_path(file.path)[0].replace("\\", "/").rsplit("/", 1)[-1]


def _found_below(folder: Path, absent: Sequence[LinkedFile], project: Project) -> dict[str, tuple[Path, str | None]]:
    """Place in the project → file and dataset, for the images of which exactly one fits."""
    wanted = {_name_of(file) for file in absent}
    there = sorted(path for path in folder.rglob("*") if path.name in wanted)
    found = {}
    for file in absent:
        inner_path = split_inner_path(file.path)[1]
        named = [path for path in there if path.name == _name_of(file)]
        fitting = [path for path in named if _fits(file, path, inner_path, project)]
        if len(fitting) > 1:
            raise InvalidSetting(
                f"{folder}: {' and '.join(map(str, fitting))} could both be {file.path}: say which it is by its name."
            )
        if fitting:
            found[file.place] = (fitting[0], inner_path)
    return found


def _fits(file: LinkedFile, there: Path, inner_path: str | None, project: Project) -> bool:
    try:
        _check_fits(file, there, inner_path, project)
    except (UnreadableVolume, GridMismatch, InvalidSetting):
        return False
    return True


def _check_fits(file: LinkedFile, there: Path, inner_path: str | None, project: Project) -> None:
    """Refuse what is no image, or not the one of the lane."""
    lane = next(lane for lane in project.lanes if lane.name == file.lane)
    what = f"{project.path}: the image of {lane.name} ({lane.nickname})"
    is_raw = file.path == lane.path
    volume = open_fitting(lane, there, inner_path, what) if is_raw else open_volume(there, inner_path=inner_path)
    volume.close()


def _file_of(file: LinkedFile, project: Path) -> Path:
    return project.parent / split_inner_path(file.path)[0]


def _stored_as(file: LinkedFile, now: tuple[Path, str | None], project: Path) -> tuple[str, bool]:
    """The new path as the project keeps it, and whether it is relative: as before, if it still can be."""
    there, inner_path = now
    is_relative = file.path_kind == "relative" and is_below(there, project)
    return path_from_project(there, project, is_relative=is_relative) + (inner_path or ""), is_relative
