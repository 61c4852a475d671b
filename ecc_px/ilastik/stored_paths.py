"""How a project keeps the path of a file: absolute, or from its own folder."""

from __future__ import annotations

import os
from pathlib import Path

from ecc_px.errors import InvalidSetting

_MARKS_OF_LISTS = "*;:"


def path_from_project(file: Path, project: Path, *, is_relative: bool) -> str:
    """A file's path as the project is to keep it.

    Raises
    ------
    InvalidSetting
        A relative path is asked for and the file does not lie below the project's folder; or ilastik would take the
        path for several files.
    """
    absolute = _absolute(file)
    path = str(absolute)
    if is_relative:
        if not is_below(file, project):
            raise InvalidSetting(
                f"{file} does not lie below the project's folder {_absolute(project).parent}, as a relative path must: "
                "move it there, or pass --store link."
            )
        path = str(absolute.relative_to(_absolute(project).parent))
    if any(mark in path for mark in _MARKS_OF_LISTS):
        raise InvalidSetting(
            f"{file}: ilastik takes '*', ';' and ':' in a path for a list of files: rename it, or pass --store copy."
        )
    return path


def is_below(file: Path, project: Path) -> bool:
    """Whether a file lies in a project's folder or below: ilastik keeps relative paths for such files only."""
    return _absolute(file).is_relative_to(_absolute(project).parent)


def dataset_class(is_relative: bool) -> str:
    """ilastik's name for an image in a file."""
    return "RelativeFilesystemDatasetInfo" if is_relative else "FilesystemDatasetInfo"


def _absolute(path: Path) -> Path:
    # Symbolic links stay as they are, which `Path.resolve` would follow: what is mounted here today may be
    # elsewhere tomorrow.
    return Path(os.path.abspath(path))  # noqa: PTH100
