"""What `ecc-px labels check` found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecc_px.labels import Annotation, LabelClass
from ecc_px.labels.spread import ClassSpread, Verdict


@dataclass(frozen=True)
class Checked:
    """Labels that were read, and how each is spread."""

    name: str
    annotation: Annotation
    spreads: Mapping[int, ClassSpread]


def as_text(checked: Sequence[Checked], classes: Sequence[LabelClass], verdict: Verdict) -> str:
    """A paragraph for each file or lane, then what to do."""
    names = {c.label: c.name for c in classes}
    lines = []
    for entry in checked:
        lines.append(f"{entry.name}:" + " no labels" * (not entry.spreads))
        lines += [f"  {_spread_text(entry, spread, names)}" for spread in entry.spreads.values()]
    for title, sentences in (
        ("Problem", verdict.problems),
        ("Warning", verdict.warnings),
        ("Hint", verdict.hints),
    ):
        lines += [f"{title}: {sentence}" for sentence in sentences]
    if not verdict.problems:
        lines.append("A classifier can be trained on these labels.")
    return "\n".join(lines)


def _spread_text(entry: Checked, spread: ClassSpread, names: Mapping[int, str]) -> str:
    shape = entry.annotation.shape
    shares = ("",) * 3 if shape is None else tuple(f" ({share:.0%})" for share in spread.share_of(shape[1:]))
    box = ", ".join(
        f"{axis} {begin}:{end}{share}" for axis, (begin, end), share in zip("zyx", spread.bounds, shares, strict=True)
    )
    name = f" {names[spread.label]}" if spread.label in names else ""
    return (
        f"{spread.label}{name}: {spread.voxels:,} voxels in {spread.bricks} "
        f"{_plural('brick', spread.bricks)} of 64³, {spread.patches} {_plural('place', spread.patches)}; {box}"
    )


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def json_text(checked: Sequence[Checked], classes: Sequence[LabelClass], verdict: Verdict) -> str:
    """The same for programs; boxes and shares along z, y, x."""
    content = {
        "trainable": not verdict.problems,
        "classes": [{"label": c.label, "name": c.name, "role": c.role} for c in classes],
        "sources": [
            {
                "name": entry.name,
                "shape_tzyx": entry.annotation.shape,
                "notes": entry.annotation.notes,
                "labels": list(_spreads(entry)),
            }
            for entry in checked
        ],
        "problems": verdict.problems,
        "warnings": verdict.warnings,
        "hints": verdict.hints,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _spreads(entry: Checked) -> Iterator[dict[str, Any]]:
    shape = entry.annotation.shape
    for spread in entry.spreads.values():
        yield {
            "label": spread.label,
            "voxels": spread.voxels,
            "bricks": spread.bricks,
            "places": spread.patches,
            "bounds_zyx": spread.bounds,
            "share_zyx": None if shape is None else [round(share, 4) for share in spread.share_of(shape[1:])],
        }
