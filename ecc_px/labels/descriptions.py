"""ITK-SNAP's label descriptions: a text file with the name and colour of each label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ecc_px.errors import InvalidLabels
from ecc_px.labels.classes import LabelClass
from ecc_px.labels.workspace import WORKSPACE_SUFFIX, read_workspace

_LINE = re.compile(r'(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.eE+-]+\s+[01]\s+[01]\s+"(.*)"')

_HEADER = "# index  red green blue  opacity  visible  mesh  name\n"


def read_descriptions(path: Path) -> tuple[LabelClass, ...]:
    """Labels with names, from a label description file (.label, .txt) or an ITK-SNAP workspace (.itksnap).

    The "clear label" 0 is left out.

    Raises
    ------
    InvalidLabels
        No such file, or a line that is none of a label description; a label twice; no label at all.
    """
    if path.suffix.lower() == WORKSPACE_SUFFIX:
        return read_workspace(path).descriptions
    try:
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidLabels(f"{path}: the label descriptions can't be read ({error.strerror}).") from error
    found: dict[int, LabelClass] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise InvalidLabels(
                f"{path}: line {number} is no label description: {line.strip()[:60]!r}. "
                'It should be: index, red, green, blue, opacity, visible, mesh and "name".'
            )
        label, *colour = (int(part) for part in match.groups()[:4])
        if label in found or max(colour) > 255:
            what = "a colour above 255" if max(colour) > 255 else f"label {label} for the second time"
            raise InvalidLabels(f"{path}: line {number} has {what}. Correct it there.")
        if label > 0:
            found[label] = LabelClass(label, match[5], (colour[0], colour[1], colour[2]))
    if not found:
        raise InvalidLabels(f"{path}: it describes no label.")
    return tuple(found[label] for label in sorted(found))


def descriptions_text(classes: Sequence[LabelClass]) -> str:
    """A label description file for ITK-SNAP (Segmentation > Import Label Descriptions)."""
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for c in classes:
        red, green, blue = c.colour
        name = c.name.replace('"', "'")
        lines.append(f'{c.label:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"')
    return _HEADER + "\n".join(lines) + "\n"
