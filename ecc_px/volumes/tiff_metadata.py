"""Voxel size, channel names and our attributes in a TIFF's metadata: OME-XML, ImageJ's description, resolution tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import tifffile

from ecc_px.volumes.attributes import attributes_in_text
from ecc_px.volumes.voxel_size import micrometres_per

Sizes = dict[str, float]
"""Axis letter → µm, for the axes that the metadata knows."""

_CENTIMETRE = 3
"""Of the ResolutionUnit tag. Its other unit, inches, is what a printer should do and never a microscope's."""


def sizes_of(page: tifffile.TiffPage) -> tuple[Sizes, str]:
    """Voxel sizes that the first page of a TIFF knows, and where they came from."""
    description = page.description
    if _is_ome(description):
        return _ome_sizes(description), "OME-XML PhysicalSize"
    tags = _resolution_sizes(page)
    if description.startswith("ImageJ="):
        return _imagej_sizes(page, description), "ImageJ spacing and unit"
    unit = _tag(page, "ResolutionUnit")
    factor = micrometres_per("cm") if unit == _CENTIMETRE else None
    return ({axis: factor * size for axis, size in tags.items()} if factor else {}), "resolution tags"


def channel_names_of(page: tifffile.TiffPage) -> tuple[str, ...] | None:
    """Channel names in OME-XML; None unless every channel has one."""
    if not _is_ome(page.description):
        return None
    pixels = _ome_pixels(page.description)
    names = [child.get("Name") for child in pixels if child.tag.endswith("}Channel")] if pixels is not None else []
    return tuple(name for name in names if name) if names and all(names) else None


def attributes_of(page: tifffile.TiffPage) -> dict[str, Any]:
    """Our attributes in the first page's description; empty where another program wrote the file."""
    description = page.description
    if not _is_ome(description):
        return attributes_in_text(description)
    texts = (element.text or "" for element in _ome_elements(description) if element.tag.endswith("}Description"))
    return attributes_in_text("\n".join(texts))


def _is_ome(description: str) -> bool:
    return "<OME" in description[:2000] and description.rstrip().endswith("OME>")


def _ome_elements(description: str) -> Iterator[Any]:
    """All elements of OME-XML; none where it is damaged."""
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return
    yield from root.iter()


def _ome_pixels(description: str) -> Any | None:
    return next((element for element in _ome_elements(description) if element.tag.endswith("}Pixels")), None)


def _ome_sizes(description: str) -> Sizes:
    pixels = _ome_pixels(description)
    sizes: Sizes = {}
    if pixels is None:
        return sizes
    for axis in "zyx":
        size = _number(pixels.get(f"PhysicalSize{axis.upper()}"))
        # The schema's default unit is µm.
        factor = micrometres_per(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
        if size and factor:
            sizes[axis] = size * factor
    return sizes


def _imagej_sizes(page: tifffile.TiffPage, description: str) -> Sizes:
    facts = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    unit = facts.get("unit")
    if unit is None and _tag(page, "ResolutionUnit") == _CENTIMETRE:
        unit = "cm"
    factor = micrometres_per(unit)
    if factor is None:
        return {}
    sizes = {axis: size * factor for axis, size in _resolution_sizes(page).items()}
    spacing = _number(facts.get("spacing"))
    return sizes | {"z": abs(spacing) * factor} if spacing else sizes


def _resolution_sizes(page: tifffile.TiffPage) -> Sizes:
    """Units per pixel along y and x, of whatever unit the file says elsewhere."""
    sizes: Sizes = {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        pixels, units = _tag(page, name) or (0, 0)
        if pixels and units:
            sizes[axis] = units / pixels
    return sizes


def _tag(page: tifffile.TiffPage, name: str) -> Any:
    tag = page.tags.get(name)
    return None if tag is None else tag.value


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
