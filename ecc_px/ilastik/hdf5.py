"""An .ilp as HDF5: everything that HDF5 can refuse ends here as one sentence that names file and place.

A damaged file makes h5py fail in many ways and at any access, so each access is guarded by itself, and
nothing else is: a mistake in the code that interprets what was read still shows as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.errors import UnreadableProject
from ecc_px.ilastik.heaps import check_texts

# What h5py was seen to raise on damaged files; a wild shape can ask for more memory than there is.
_HDF5_FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


@contextmanager
def open_ilp(path: Path) -> Iterator[Group]:
    """The root group of an .ilp, open for reading.

    Raises
    ------
    UnreadableProject
        No such file, an empty one, no HDF5, a truncated one, or one that another program holds open.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise UnreadableProject(f"{path}: {kind}; pass the .ilp file that ilastik saved.")
    if path.stat().st_size == 0:
        raise UnreadableProject(f"{path}: the file is empty; copy it again or save it again in ilastik.")
    with _open_file(path) as file:
        yield Group(path, file)


def _open_file(path: Path) -> h5py.File:
    try:
        if not h5py.is_hdf5(path):
            raise UnreadableProject(f"{path}: not an HDF5 file, so no ilastik project; pass an .ilp.")
        return h5py.File(path, "r", locking="best-effort")
    except _HDF5_FAILURES as error:
        reason = str(error)
        if "lock file" in reason:
            raise UnreadableProject(
                f"{path}: another program (ilastik?) has it open for writing; close it there, or pass a copy."
            ) from error
        if "truncated" in reason:
            raise UnreadableProject(f"{path}: the file is truncated; copy it again.") from error
        raise UnreadableProject(
            f"{path}: can't be opened ({_brief(error)}); copy it again or save it again in ilastik."
        ) from error


@dataclass(frozen=True)
class Group:
    """A group of an .ilp. `array`, `text` … raise `UnreadableProject` for what is missing or damaged."""

    project: Path
    node: Any

    @property
    def place(self) -> str:
        """Where this group lies in the file."""
        return str(self.node.name)

    def damaged(self, what: str) -> UnreadableProject:
        """The error for something here that can't be as it should; `what` says it."""
        return UnreadableProject(
            f"{self.project}: damaged at {self.place}: {what}; copy it again or save it again in ilastik."
        )

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except _HDF5_FAILURES as error:
            if "doesn't exist" in str(error):
                raise self.damaged(f"{name!r} is missing") from error
            raise self.damaged(f"{name!r} can't be read ({_brief(error)})") from error

    def names(self) -> list[str]:
        """Names of what is inside, sorted as text."""
        with self._reading("the list of contents"):
            return sorted(self.node)

    def numbered(self, prefix: str) -> list[str]:
        """Names that are `prefix` and a number, by number: old files write labels0 … labels10."""
        numbers = {name: name[len(prefix) :] for name in self.names() if name.startswith(prefix)}
        return sorted((name for name, n in numbers.items() if n.isdecimal()), key=lambda name: int(numbers[name]))

    def __contains__(self, name: str) -> bool:
        with self._reading(name):
            return name in self.node

    def is_group(self, name: str) -> bool:
        with self._reading(name):
            return isinstance(self.node.get(name), h5py.Group)

    def group(self, name: str) -> Group:
        with self._reading(name):
            node = self.node[name]
        if not isinstance(node, h5py.Group):
            raise self.damaged(f"{name!r} should be a group")
        return Group(self.project, node)

    def applet(self, name: str) -> Group | None:
        """The group of an ilastik applet; like ilastik, one without StorageVersion counts as absent."""
        if name not in self or not self.is_group(name):
            return None
        group = self.group(name)
        return group if "StorageVersion" in group else None

    def array(self, name: str) -> npt.NDArray[Any]:
        with self._reading(name):
            node = self.node[name]
            if not isinstance(node, h5py.Dataset):
                raise TypeError("no dataset")
            if node.dtype.kind == "O":
                self._check_texts(node)
            return np.asarray(node[()])

    def _check_texts(self, node: h5py.Dataset) -> None:
        # Any other variable-length type is damage, on which libhdf5 crashes.
        if h5py.check_string_dtype(node.dtype) is None:
            raise TypeError("neither numbers nor text")
        offset = node.id.get_offset()
        if offset is not None:
            check_texts(self.project, offset, node.size)

    def attribute(self, name: str, key: str) -> Any:
        """An attribute of a member, or None."""
        with self._reading(f"{name}@{key}"):
            return self.node[name].attrs.get(key)

    def text_attribute(self, name: str, key: str) -> str | None:
        """An attribute that is a text, or None."""
        value = self.attribute(name, key)
        return None if value is None else as_text(value)

    def numbers(self, name: str, kinds: str = "iufb") -> npt.NDArray[Any]:
        """An array of numbers: `kinds` are numpy's letters for the kinds of dtype that are accepted."""
        array = self.array(name)
        if array.dtype.kind not in kinds:
            raise self.damaged(f"{name!r} holds {array.dtype}, not numbers")
        return array

    def number(self, name: str) -> float:
        """A scalar, stored as () or (1,)."""
        array = self.numbers(name)
        if array.size != 1:
            raise self.damaged(f"{name!r} should be a single number and has {array.size}")
        return float(array.reshape(()))

    def count(self, name: str) -> int:
        """A positive integer, stored as any kind of number."""
        number = self.number(name)
        if not (0 < number < 2**31 and number == int(number)):
            raise self.damaged(f"{name!r} should be a positive integer and is {number:g}")
        return int(number)

    def text(self, name: str) -> str:
        array = self.array(name)
        if array.size != 1:
            raise self.damaged(f"{name!r} should be a single text and has {array.size}")
        return as_text(array.reshape(-1)[0])

    def text_or(self, name: str, default: str) -> str:
        return self.text(name) if name in self else default

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(as_text(value) for value in self.array(name).ravel())

    def list_slot(self, name: str) -> bool:
        """Whether one of ilastik's list slots holds anything.

        An empty list is stored as uninitialised memory, marked by the attribute `isEmpty`.
        """
        return name in self and not bool(self.attribute(name, "isEmpty"))


def as_text(value: Any) -> str:
    """Text from any of the ways that h5py hands over a string: fixed or variable length, opaque bytes."""
    if isinstance(value, np.void):
        value = value.tobytes()
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).rstrip("\0")


def _brief(error: BaseException) -> str:
    """The part of an HDF5 message that a person can use: its first line without addresses."""
    lines = re.sub(r"\s*\([^()]*\)", "", str(error)).strip().strip("'\"").splitlines()
    return lines[0] if lines else type(error).__name__
