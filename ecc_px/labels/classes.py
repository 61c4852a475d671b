"""What a label number means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["object", "false_signal", "background"]
"""What a class is for; ecc's convention is label 1 = object, 2 = bright false signal, 3 = background."""

Colour = tuple[int, int, int]
"""Red, green, blue; 0-255."""


@dataclass(frozen=True)
class LabelClass:
    """The name, colour and role of a label number; without a role, nobody said what the class is for."""

    label: int
    name: str
    colour: Colour
    role: Role | None = None
