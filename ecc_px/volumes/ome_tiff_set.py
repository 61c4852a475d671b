"""An image in several OME-TIFF files: each file's OME-XML says which plane lies in which file.

https://docs.openmicroscopy.org/ome-model/stable/ome-tiff/specification.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ecc_px.errors import IncompleteVolume

Position = tuple[int, int, int]
"""t, c, z."""


@dataclass(frozen=True)
class PlaneAt:
    """Where a plane is: the page, from 0, of a file."""

    path: Path
    page: int = 0


@dataclass(frozen=True)
class OmeTiffSet:
    """What OME-XML says of an image in several files.

    Parameters
    ----------
    frames, channels, depth : int
    planes : dict
        The file and page of each (t, c, z).
    """

    frames: int
    channels: int
    depth: int
    planes: dict[Position, PlaneAt]


def ome_tiff_set(description: str, folder: Path, files: Collection[Path]) -> OmeTiffSet | None:
    """The image that OME-XML describes, if it names exactly the files that are there, and more than one.

    A part of a set, or one that was renamed, still has the OME-XML of the whole: None, and file names decide.

    Raises
    ------
    IncompleteVolume
        It names all the files, but not a plane for each position.
    """
    if description.count("FileName=") < 2:
        return None
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    images = [element for element in root.iter() if element.tag.endswith("}Pixels")]
    # A set of tiles has an image for each: names tell them apart, or refuse them.
    if len(images) != 1:
        return None
    pixels = images[0]
    try:
        frames, channels, depth = (int(pixels.get(f"Size{axis}", "1")) for axis in "TCZ")
        order = pixels.get("DimensionOrder", "XYCZT")
        planes = _planes_of(pixels, folder, order, {"T": frames, "C": channels, "Z": depth})
    except ValueError:
        return None
    named = {plane.path.name for plane in planes.values()}
    if len(named) < 2 or named != {path.name for path in files}:
        return None
    missing = [
        (t, c, z) for t in range(frames) for c in range(channels) for z in range(depth) if (t, c, z) not in planes
    ]
    if missing:
        t, c, z = missing[0]
        raise IncompleteVolume(
            f"{folder}: its OME-XML tells of {frames * channels * depth:,} planes and names no file for "
            f"{len(missing):,} of them, first t {t}, c {c}, z {z}. Copy it again."
        )
    return OmeTiffSet(frames, channels, depth, planes)


def _planes_of(pixels: Any, folder: Path, order: str, sizes: dict[str, int]) -> dict[Position, PlaneAt]:
    planes: dict[Position, PlaneAt] = {}
    # The fastest of these dimensions stands first.
    counted = [axis for axis in order if axis in "TCZ"]
    for data in pixels:
        if not data.tag.endswith("}TiffData"):
            continue
        uuid = next((child for child in data if child.tag.endswith("}UUID")), None)
        name = None if uuid is None else uuid.get("FileName")
        if not name:
            raise ValueError("a plane without a file")
        at = {axis: int(data.get(f"First{axis}", "0")) for axis in "TCZ"}
        page = int(data.get("IFD", "0"))
        for offset in range(int(data.get("PlaneCount", "1"))):
            planes[at["T"], at["C"], at["Z"]] = PlaneAt(folder / Path(name).name, page + offset)
            for axis in counted:
                at[axis] += 1
                if at[axis] < sizes[axis]:
                    break
                at[axis] = 0
    return planes
