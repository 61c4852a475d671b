"""The image of a lane, opened from wherever the project says that it is."""

from __future__ import annotations

from pathlib import Path

from ecc_px.errors import GridMismatch, UnreadableVolume
from ecc_px.ilastik.lanes import Lane, split_inner_path
from ecc_px.ilastik.project import Project
from ecc_px.volumes import Volume, open_volume


def open_lane(project: Project, lane: int) -> Volume:
    """Open the raw data of the lane at index `lane` of `project.lanes`, in the axes that the project says.

    Raises
    ------
    InvalidSetting
        There is no such lane.
    UnreadableVolume
        The image is missing or remote, or its files are no folder of planes.
    GridMismatch
        The file's extents are not the project's: it is another image.
    """
    found = project.lane(lane)
    what = f"{project.path}: the image of {found.name} ({found.nickname})"
    match found.path_kind:
        case "internal":
            return open_fitting(found, project.path, found.path, what)
        case "none":
            raise UnreadableVolume(f"{what} was never chosen: open the project in ilastik and add it.")
        case "url":
            raise UnreadableVolume(f"{what} is remote ({found.path}): copy it here and run `ecc-px project relink`.")
        case "stack":
            return open_fitting(found, _folder_of(found, project, what), None, what)
        case _:
            file = found.files(project.path)[0]
            if not file.exists():
                raise UnreadableVolume(
                    f"{what} is not at {file}: run `ecc-px project relink {project.path} --folder FOLDER` with the "
                    "folder that it is in now."
                )
            return open_fitting(found, file, split_inner_path(found.path)[1], what)


def open_fitting(lane: Lane, file: Path, inner_path: str | None, what: str) -> Volume:
    """Open a file as the image of a lane; `what` names it in errors.

    Raises
    ------
    UnreadableVolume
    GridMismatch
        Its extents are not those that the project keeps for the lane.
    """
    volume = open_volume(file, inner_path=inner_path)
    try:
        # A project may say what the axes are where the file doesn't, or says otherwise.
        if lane.axes is not None and lane.axes != volume.axes and len(lane.axes) == len(volume.axes):
            volume.close()
            volume = open_volume(file, inner_path=inner_path, axes=lane.axes)
        expected = {axis: lane.extent(axis) for axis in "tzyxc"}
        if lane.shape is not None and any(volume.layout.extent(a) != n for a, n in expected.items()):
            raise GridMismatch(
                f"{what} should have {_extents(expected)}, but {file} has "
                f"{_extents({a: volume.layout.extent(a) for a in expected})}: it is another image."
            )
    except BaseException:
        volume.close()
        raise
    return volume


def _folder_of(lane: Lane, project: Project, what: str) -> Path:
    """The folder whose planes are a lane's stack of files."""
    stored = lane.files(project.path)
    files = {file for pattern in stored for file in ([pattern] if "*" not in pattern.name else _matches(pattern))}
    missing = [file for file in files if not file.exists()]
    if missing or not files:
        raise UnreadableVolume(f"{what} misses {len(missing) or 'all'} of its files, such as {(missing or stored)[0]}.")
    folders = {file.parent for file in files}
    folder = folders.pop()
    others = [file for file in folder.iterdir() if file not in files and file.suffix == next(iter(files)).suffix]
    if folders or others:
        raise UnreadableVolume(
            f"{what} is a stack of {len(files)} files that are not all of one folder: convert them to one file with "
            "`ecc-px convert`, and add that."
        )
    return folder


def _matches(pattern: Path) -> list[Path]:
    return sorted(pattern.parent.glob(pattern.name))


def _extents(of: dict[str, int | None]) -> str:
    return ", ".join(f"{axis} {extent}" for axis, extent in of.items() if extent is not None and extent > 1)
