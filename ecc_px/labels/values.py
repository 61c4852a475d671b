"""From the numbers in a label file to labels: by name or by an explicit table, never by rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidLabels, InvalidSetting
from ecc_px.labels.classes import MAX_LABEL, LabelClass, name_key, numbered_class

MAX_VALUE = 65_535
"""ITK-SNAP's largest label."""

_INTEGRAL = 1e-3
"""How far a float may lie from a whole number that it stands for."""

_NAMED_AT_MOST = 8
"""Values that an error lists by name."""


@dataclass(frozen=True)
class Translation:
    """What each value of a label file becomes.

    Parameters
    ----------
    labels : mapping
        Value → label, for every value that has a meaning.
    classes : tuple of LabelClass
        What the labels mean; empty where nobody said.
    names : mapping
        Value → what its source calls it, also for values without a class.
    """

    labels: Mapping[int, int]
    classes: tuple[LabelClass, ...]
    names: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def table(self) -> npt.NDArray[np.uint8]:
        """The label of each value from 0 to `MAX_VALUE`; 0 where it has none."""
        table = np.zeros(MAX_VALUE + 1, np.uint8)
        for value, label in self.labels.items():
            table[value] = label
        return table

    def unmapped(self, counts: npt.NDArray[np.int64]) -> str | None:
        """The values that were drawn and have no label, as a text with their voxels, and what is known.

        Parameters
        ----------
        counts : (MAX_VALUE + 1,) int64
            Voxels of each value.
        """
        drawn = np.flatnonzero(counts)
        odd = [int(value) for value in drawn if value and value not in self.labels]
        if not odd:
            return None
        listed = [f"{self._value_text(value)} ({counts[value]:,} voxels)" for value in odd[:_NAMED_AT_MOST]]
        if len(odd) > _NAMED_AT_MOST:
            listed.append(f"{len(odd) - _NAMED_AT_MOST} more")
        called = {c.label: c.name for c in self.classes}
        known = [f"{value} ({called[label]})" for value, label in self.labels.items() if label in called]
        if not self.classes:
            known = [f"1 to {MAX_LABEL}"]
        elif not known:
            known = [f"none of the classes {_listed(self.classes)}"]
        return f"values without a class: {', '.join(listed)}; with one: {', '.join(known)}"

    def _value_text(self, value: int) -> str:
        return f"{value} {self.names[value]!r}" if value in self.names else str(value)


def parse_mapping(text: str) -> dict[int, str]:
    """``"cell=1,false=2"`` → ``{1: "cell", 2: "false"}``: which value in a label file is which class.

    A class may have several values, a value only one class.
    """
    mapping: dict[int, str] = {}
    for entry in text.split(","):
        name, separator, number = (part.strip() for part in entry.rpartition("="))
        if not (name and separator and number.isdecimal() and 1 <= int(number) <= MAX_VALUE):
            raise InvalidSetting(
                f"--map {text!r}: {entry.strip()!r} is no NAME=VALUE with a value from 1 to {MAX_VALUE}, "
                "such as cell=1,false=2 (0 is always: not labelled)."
            )
        if int(number) in mapping:
            raise InvalidSetting(f"--map {text!r}: the value {number} is given to two classes.")
        mapping[int(number)] = name
    return mapping


def explicit(mapping: Mapping[int, str], classes: Sequence[LabelClass]) -> Translation:
    """Values by a table that the user gave.

    Where there are `classes`, each name must be one of theirs. Where there are none, the names are numbered
    1, 2, 3 … in the order in which they were given.
    """
    if classes:
        known = {name_key(c.name): c.label for c in classes}
        for name in mapping.values():
            if name_key(name) not in known:
                raise InvalidSetting(f"There is no class {name!r} to map to, only {_listed(classes)}.")
        return Translation({value: known[name_key(name)] for value, name in mapping.items()}, tuple(classes))
    labels: dict[str, int] = {}
    new: list[LabelClass] = []
    for name in mapping.values():
        if name_key(name) not in labels:
            labels[name_key(name)] = len(new) + 1
            new.append(numbered_class(len(new) + 1, name))
    if len(new) > MAX_LABEL:
        raise InvalidSetting(f"{len(new)} classes: there must be at most {MAX_LABEL}.")
    return Translation({value: labels[name_key(name)] for value, name in mapping.items()}, tuple(new))


def described(descriptions: Sequence[LabelClass], classes: Sequence[LabelClass]) -> Translation:
    """Values by the names that a label description gives them.

    Where there are `classes`, a value goes to the class of its name; where there are none, it keeps its number.
    """
    if classes:
        known = {name_key(c.name): c.label for c in classes}
        named = {d.label: known[name_key(d.name)] for d in descriptions if name_key(d.name) in known}
        return Translation(named, tuple(classes), {d.label: d.name for d in descriptions})
    usable = tuple(d for d in descriptions if 1 <= d.label <= MAX_LABEL)
    return Translation({d.label: d.label for d in usable}, usable)


def identity(classes: Sequence[LabelClass]) -> Translation:
    """Each value is the label of the same number: one of `classes`, or any where there are none."""
    labels = [c.label for c in classes] or range(1, MAX_LABEL + 1)
    return Translation({label: label for label in labels}, tuple(classes))


def whole_numbers(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint16]:
    """Values of a label image as uint16.

    Raises
    ------
    InvalidLabels
        Some are no whole number, negative, or larger than any class number.
    """
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            rounded = np.rint(values)
            odd = ~(np.abs(values - rounded) <= _INTEGRAL)
        if odd.any():
            raise InvalidLabels(
                f"{where}: {values[odd][0]:g} is no class number. Labels are whole numbers: is it a probability or raw "
                "image, or was it interpolated?"
            )
        values = rounded
    least, most = values.min(), values.max()
    if least < 0 or most > MAX_VALUE:
        worst = least if least < 0 else most
        raise InvalidLabels(f"{where}: {worst:g} is no class number: they lie between 0 and {MAX_VALUE}.")
    return values.astype(np.uint16)


def _listed(classes: Sequence[LabelClass]) -> str:
    """Classes for a sentence: number and name of each."""
    return ", ".join(f"{c.label} ({c.name})" for c in classes)
