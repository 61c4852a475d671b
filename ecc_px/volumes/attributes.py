"""What an image says besides its layout, for formats that have no attributes as HDF5 has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

KEY = "ecc_px"
"""Under which our attributes lie, beside what other programs say in the same place."""


def plain(value: Any) -> Any:
    """An attribute as Python's own types, so that it can be compared, printed and written elsewhere."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def as_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON holds them, and as every reader gives them back: tuples and arrays are lists."""
    plain_ones: dict[str, Any] = json.loads(json.dumps(dict(attributes), default=plain))
    return plain_ones


def attributes_text(attributes: Mapping[str, Any]) -> str:
    """One line of ASCII, since ImageJ's description and tifffile take no other letters.

    >>> attributes_text({"class_labels": (3, 1)})
    'ecc_px={"class_labels": [3, 1]}'
    """
    return f"{KEY}={json.dumps(as_json(attributes))}"


def attributes_in_text(text: str) -> dict[str, Any]:
    """The attributes that `attributes_text` wrote, whatever other lines there are; empty where there are none.

    >>> attributes_in_text('unit=um\\necc_px={"class_labels": [3, 1]}')
    {'class_labels': [3, 1]}
    """
    line = next((line for line in text.splitlines() if line.startswith(f"{KEY}=")), "")
    try:
        found = json.loads(line.removeprefix(f"{KEY}="))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
