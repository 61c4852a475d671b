"""OME-Zarr's multiscales metadata, versions 0.4 (Zarr 2) and 0.5 (Zarr 3): axes, levels, voxel sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.voxel_size import micrometres_per

COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""In which channels are shown, in turn; a single one is white."""

_LEGACY_AXES = "tczyx"
"""Of versions before 0.3, which name none."""


@dataclass(frozen=True)
class Window:
    """Contrast of a channel: numbers that a voxel can have, and those that are shown black and at full brightness."""

    min: float
    max: float
    start: float
    end: float


@dataclass(frozen=True)
class Multiscale:
    """One image in several resolutions.

    Parameters
    ----------
    axes : str
    paths : tuple of str
        Array of each level, the finest first.
    sizes : tuple of dict
        Of each level: axis letter → µm, for the axes whose unit is known.
    channel_names : tuple of str or None
    version : str
    """

    axes: str
    paths: tuple[str, ...]
    sizes: tuple[dict[str, float], ...]
    channel_names: tuple[str, ...] | None
    version: str


def multiscale_of(attributes: Mapping[str, Any]) -> Multiscale | None:
    """The first image that a Zarr group's attributes describe; None where they describe none."""
    ome = attributes.get("ome", attributes)
    if not ome.get("multiscales"):
        return None
    first = ome["multiscales"][0]
    try:
        axes = first.get("axes") or list(_LEGACY_AXES)
        # Version 0.3 lists letters, later ones say more about each axis.
        entries = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
        letters = "".join(str(entry["name"]).lower() for entry in entries)
        common = _scale(first.get("coordinateTransformations", ()), len(entries))
        levels = first["datasets"]
        sizes = []
        for level in levels:
            own = _scale(level.get("coordinateTransformations", ()), len(entries))
            sizes.append(_sizes(entries, own, common))
        paths = tuple(level["path"] for level in levels)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableVolume(f"the multiscales metadata are damaged ({error!r})") from error
    version = ome.get("version") or first.get("version") or "0.4"
    return Multiscale(letters, paths, tuple(sizes), _channel_names(ome), str(version))


def multiscales_attributes(
    name: str,
    axes: str,
    scales: Sequence[Sequence[float]],
    translations: Sequence[Sequence[float]],
    *,
    has_unit: bool,
    version: str,
    channel_names: Sequence[str] | None,
    windows: Sequence[Window] = (),
) -> dict[str, Any]:
    """Attributes of a group whose arrays 0, 1, … are the levels of one image.

    Parameters
    ----------
    scales, translations : for each level, a number for each axis
        In µm along z, y, x where `has_unit`, else in voxels of the finest level.
    version : {"0.4", "0.5"}
    channel_names : of each channel, or None
    windows : of each channel
        With which contrast a viewer should begin; needed with names.
    """
    kinds = {"t": "time", "c": "channel"}
    axis_entries = []
    for axis in axes:
        entry = {"name": axis, "type": kinds.get(axis, "space")}
        if has_unit and axis in "zyx":
            entry["unit"] = "micrometer"
        axis_entries.append(entry)
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": list(scale)},
                {"type": "translation", "translation": list(translation)},
            ],
        }
        for level, (scale, translation) in enumerate(zip(scales, translations, strict=True))
    ]
    attributes: dict[str, Any] = {"multiscales": [{"name": name, "axes": axis_entries, "datasets": datasets}]}
    if channel_names:
        attributes["omero"] = {
            "channels": [
                {"label": label, "active": True, "color": colour, "window": asdict(window)}
                for label, colour, window in zip(
                    channel_names, cycle(COLOURS if len(channel_names) > 1 else ("FFFFFF",)), windows, strict=False
                )
            ]
        }
    if version == "0.4":
        attributes["multiscales"][0]["version"] = version
        return attributes
    return {"ome": {"version": version, **attributes}}


def _scale(transformations: Sequence[Mapping[str, Any]], ndim: int) -> list[float]:
    scale = next((t["scale"] for t in transformations if t.get("type") == "scale" and "scale" in t), [1.0] * ndim)
    if len(scale) != ndim:
        raise ValueError(f"a scale of {len(scale)} numbers for {ndim} axes")
    return [float(factor) for factor in scale]


def _sizes(entries: Sequence[Mapping[str, Any]], own: Sequence[float], common: Sequence[float]) -> dict[str, float]:
    sizes = {}
    for entry, a, b in zip(entries, own, common, strict=True):
        factor = micrometres_per(entry.get("unit"))
        if factor is not None:
            sizes[str(entry["name"]).lower()] = a * b * factor
    return sizes


def _channel_names(ome: Mapping[str, Any]) -> tuple[str, ...] | None:
    channels = (ome.get("omero") or {}).get("channels") or []
    names = [channel.get("label") for channel in channels]
    return tuple(str(name) for name in names) if names and all(names) else None
