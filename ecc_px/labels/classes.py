"""What a label number means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ecc_px.errors import InvalidSetting

Role = Literal["object", "false_signal", "background"]
"""What a class is for; ecc's convention is label 1 = object, 2 = bright false signal, 3 = background."""

Colour = tuple[int, int, int]
"""Red, green, blue; 0-255."""

MAX_LABEL = 255
"""Labels are uint8, here and in ilastik."""

PALETTE: tuple[Colour, ...] = (
    (230, 60, 50),
    (60, 180, 75),
    (70, 110, 230),
    (250, 200, 40),
    (160, 60, 190),
    (70, 210, 220),
    (245, 130, 40),
    (190, 190, 190),
)
"""Colours of new classes, in turn."""


@dataclass(frozen=True)
class LabelClass:
    """The name, colour and role of a label number; without a role, nobody said what the class is for."""

    label: int
    name: str
    colour: Colour
    role: Role | None = None


def new_classes(texts: Sequence[str]) -> tuple[LabelClass, ...]:
    """Classes 1, 2, 3 … from ``NAME`` or ``NAME:ROLE`` each.

    Examples
    --------
    >>> [(c.label, c.name, c.role) for c in new_classes(["cell:object", "vessel"])]
    [(1, 'cell', 'object'), (2, 'vessel', None)]

    Raises
    ------
    InvalidSetting
        No class, more than 255, a name twice or none, a role that does not exist.
    """
    if not 1 <= len(texts) <= MAX_LABEL:
        raise InvalidSetting(f"{len(texts)} classes: there must be 1 to {MAX_LABEL}.")
    classes = tuple(_new_class(label, text) for label, text in enumerate(texts, start=1))
    keys = [name_key(label_class.name) for label_class in classes]
    for key, label_class in zip(keys, classes, strict=True):
        if keys.count(key) > 1:
            raise InvalidSetting(f"Two classes are called {label_class.name!r}: give each its own name.")
    return classes


def _new_class(label: int, text: str) -> LabelClass:
    name, _, role = (part.strip() for part in text.partition(":"))
    if not name:
        raise InvalidSetting(f"Class {text!r} has no name: write NAME or NAME:ROLE, such as cell:object.")
    if role and role not in get_args(Role):
        raise InvalidSetting(f"Class {text!r}: there is no role {role!r}, only {', '.join(get_args(Role))}.")
    return numbered_class(label, name, _ROLES.get(role))


_ROLES: Mapping[str, Role] = {role: role for role in get_args(Role)}

DEFAULT_CLASSES = ("cell:object", "false:false_signal", "background:background")
"""ecc's three."""


def numbered_class(label: int, name: str, role: Role | None = None) -> LabelClass:
    """A class with the palette's colour of its number."""
    return LabelClass(label, name, PALETTE[(label - 1) % len(PALETTE)], role)


def name_key(name: str) -> str:
    """By which two names are the same: whatever their case and spaces."""
    return " ".join(name.split()).casefold()


def class_attributes(classes: Sequence[LabelClass]) -> dict[str, Any]:
    """Classes as attributes of an HDF5 dataset."""
    if not classes:
        return {}
    return {
        "class_labels": [c.label for c in classes],
        "class_names": [c.name for c in classes],
        "class_roles": [c.role or "" for c in classes],
        "class_colours": [list(c.colour) for c in classes],
    }


def classes_in_attributes(attributes: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """The classes that `class_attributes` wrote; none where an image says nothing of classes."""
    labels, names = attributes.get("class_labels"), attributes.get("class_names")
    if not isinstance(labels, list) or not isinstance(names, list) or len(labels) != len(names):
        return ()
    roles = attributes.get("class_roles", [""] * len(labels))
    colours = attributes.get("class_colours", [PALETTE[i % len(PALETTE)] for i in range(len(labels))])
    return tuple(
        LabelClass(int(label), str(name), (int(r), int(g), int(b)), _ROLES.get(role))
        for label, name, role, (r, g, b) in zip(labels, names, roles, colours, strict=True)
    )
