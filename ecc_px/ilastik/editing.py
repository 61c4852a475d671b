"""Writing an .ilp whole or not at all: every change is made on a copy beside it, which then takes its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecc_px.errors import InvalidSetting, OutputFailed, UnsupportedProject
from ecc_px.ilastik.hdf5 import open_ilp
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.unfailing_file import UnfailingFile

_STEPS = ("Input Data", "FeatureSelections", "PixelClassification")
"""Of the workflow: what every change relies on."""

_OBJECT_BYTES = 2048
"""Generous for what HDF5 keeps about a group or a dataset, beside its numbers."""

_SPARE_BYTES = 2**20
"""Dead space that is not worth repacking for."""


@contextmanager
def new_ilp(path: Path, *, overwrite: bool) -> Iterator[h5py.File]:
    """A new, empty .ilp; it appears at `path` when the block ends without an error.

    Raises
    ------
    OutputExists
        There is something at `path` and nobody said to overwrite it.
    InvalidSetting
        The extension is another.
    OutputFailed
    """
    if path.suffix != ".ilp":
        raise InvalidSetting(f"{path}: an ilastik project has the extension .ilp; give it that.")
    if path.is_dir():
        raise InvalidSetting(f"{path}: a folder is there; choose another name for the project.")
    if not path.parent.is_dir():
        raise OutputFailed(f"{path}: there is no folder {path.parent}. Make it first.")
    with write_errors_named(path), _taking_place_of(PartialOutput(path, overwrite=overwrite)) as sink:
        with h5py.File(sink, "w") as file:
            yield file
        sink.raise_error()


@contextmanager
def edited_ilp(path: Path) -> Iterator[h5py.File]:
    """An .ilp open for changes; they appear at `path` when the block ends without an error, all or none.

    Whatever is not touched is kept, byte for byte, whoever wrote it. Meanwhile ilastik can't open the project for
    writing, where the file system knows locks.

    Raises
    ------
    UnreadableProject
        No project, a damaged one, or another program is writing it.
    UnsupportedProject
        A step of ilastik's workflow has left nothing in it.
    OutputFailed
        The disk is full, nobody may write here, or the project was changed by somebody else meanwhile.
    """
    target = path.resolve()
    with open_ilp(path) as root, write_errors_named(path):
        lacking = [name for name in _STEPS if root.applet(name) is None]
        if lacking:
            raise UnsupportedProject(f"{path}: it has no {lacking[0]!r}: open it in ilastik 1.4 and save it there.")
        # Who may not write the project may not replace it either, whatever the folder allows.
        target.open("r+b").close()
        before = _identity(target)
        output = PartialOutput(target, overwrite=True)
        with _taking_place_of(output) as sink:
            if _is_mostly_dead(root.node, target) and _can_be_repacked(root.node):
                with h5py.File(sink, "w") as file:
                    _copy_members(root.node, file)
                    yield file
            else:
                with target.open("rb") as source:
                    shutil.copyfileobj(source, sink, 2**20)
                sink.raise_error()
                with h5py.File(sink, "r+") as file:
                    yield file
            sink.raise_error()
            shutil.copymode(target, output.temporary)
            if _identity(target) != before:
                raise OutputFailed(f"{path}: another program changed the project meanwhile; run the command again.")


@contextmanager
def _taking_place_of(output: PartialOutput) -> Iterator[UnfailingFile]:
    """The new file's bytes; it is committed, or discarded after an error."""
    try:
        sink = UnfailingFile(output.temporary)
        try:
            yield sink
        finally:
            sink.close()
        output.commit()
    except BaseException:
        output.discard()
        raise


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_mostly_dead(file: h5py.File, path: Path) -> bool:
    """Whether more than half of a file is space that deleted things left: HDF5 forgets it when it closes a file."""
    size = path.stat().st_size
    if size <= _SPARE_BYTES:
        return False
    living = 0

    def visit(name: str, item: h5py.HLObject) -> None:
        nonlocal living
        living += _OBJECT_BYTES
        if isinstance(item, h5py.Dataset):
            living += item.id.get_storage_size()

    file.visititems(visit)
    return size > 2 * living + _SPARE_BYTES


def _can_be_repacked(file: h5py.File) -> bool:
    """Whether a copy of each member by itself is a copy of the file.

    It is not where members share an object or refer to one another. ilastik never does that, other tools may.
    """
    if len(file.attrs):
        return False
    is_plain = True

    def visit(name: str, item: h5py.HLObject) -> None:
        nonlocal is_plain
        attributes = [item.attrs.get_id(key).dtype for key in item.attrs]
        types = [*attributes, item.dtype] if isinstance(item, h5py.Dataset) else attributes
        is_plain = is_plain and not any(map(_refers, types)) and h5py.h5o.get_info(item.id).rc == 1

    file.visititems(visit)
    return is_plain


def _refers(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type, or parts of them, point to something else in the file."""
    parts = [dtype[name] for name in dtype.names or ()]
    parts += [part for part in (h5py.check_vlen_dtype(dtype), dtype.base) if isinstance(part, np.dtype)]
    return bool(h5py.check_ref_dtype(dtype)) or any(_refers(part) for part in parts if part is not dtype)


def _copy_members(source: h5py.File, target: h5py.File) -> None:
    for name in source:
        link = source.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            source.copy(name, target)
        else:
            target[name] = link
