"""How many planes a brain will have, as far as its own metadata say so before it is complete."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import tifffile


@dataclass(frozen=True)
class Expectation:
    """How many planes there will be.

    Parameters
    ----------
    least : int
        With fewer, something is missing.
    all : int
        With so many, nothing is. More than `least` where metadata speak of several channels, which may come into one
        folder or into several.
    """

    least: int
    all: int


def expectation_of(plane: Path) -> Expectation | None:
    """What the OME-XML in the first plane of a folder says; None if it says nothing or can't be read (yet)."""
    try:
        with tifffile.TiffFile(plane, is_ome=False) as file:
            if len(file.pages) != 1:
                return None
            description = file.pages.first.description
    except Exception:  # noqa: BLE001 - half a file raises anything, and the next look may find it whole
        return None
    if "<OME" not in description:
        return None
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    pixels = next(
        (element for element in root.iter() if element.tag.endswith("}Pixels") or element.tag == "Pixels"), None
    )
    if pixels is None:
        return None
    z, c, t = (_count(pixels.get(name)) for name in ("SizeZ", "SizeC", "SizeT"))
    # Samples of one plane, such as red, green and blue, are channels for OME, but no files.
    samples = max((_count(e.get("SamplesPerPixel")) for e in pixels if e.tag.endswith("Channel")), default=1)
    listed = {e.get("FileName") for e in pixels.iter() if e.tag.endswith("UUID") and e.get("FileName")}
    planes = z * t
    if planes < 2:
        return None
    return Expectation(planes, max(len(listed), planes * max(1, c // samples)))


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else 1
