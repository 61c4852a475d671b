"""Voxel sizes: units of the formats in µm, and what to believe when two sources differ."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.volume import Volume, VoxelUm

TOLERANCE = 0.01
"""Relative difference above which two voxel sizes are told to be different."""

_MICROMETRES = {
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "um": 1.0,
    "µm": 1.0,  # micro sign
    "μm": 1.0,  # Greek mu
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "inch": 25_400.0,
}


def micrometres_per(unit: str | None) -> float | None:
    """How many µm a unit is; None for pixels and for words that are no length."""
    return _MICROMETRES.get((unit or "").replace("\\u00B5", "µ").strip().lower())


def voxel_um_from(sizes: Mapping[str, float], axes: str) -> VoxelUm | None:
    """Sizes of single axes in µm → a voxel size, None unless each of the image's axes has one above 0.

    A 2-D image has no z: 1 µm stands for it, so that volumes are areas.
    """
    known = {axis: size for axis, size in sizes.items() if size > 0}
    if "z" not in axes:
        known["z"] = 1.0
    if not {"z", "y", "x"} <= set(known):
        return None
    return known["z"], known["y"], known["x"]


def refuse_impossible(voxel_um: VoxelUm) -> None:
    """Raise `InvalidSetting` unless a voxel size is three finite lengths above 0."""
    if len(voxel_um) != 3 or not all(isfinite(size) and size > 0 for size in voxel_um):
        sizes = " ".join(f"{size:g}" for size in voxel_um) or "()"
        raise InvalidSetting(f"voxel size {sizes}: three lengths in µm (z y x) above 0 are needed.")


def resolve_voxel_size(volume: Volume, given: VoxelUm | None) -> tuple[VoxelUm | None, str | None]:
    """The voxel size to use, and a sentence where the file disagrees with it.

    Parameters
    ----------
    volume : Volume
    given : (z, y, x) µm or None
        What the user says; it wins over the file.

    Returns
    -------
    voxel_um : (z, y, x) µm or None
        None where neither the user nor the file knows.
    warning : str or None
        Set when both exist and differ by more than 1 % along an axis.

    Raises
    ------
    InvalidSetting
        No voxel can have the size given.
    """
    if given is not None:
        refuse_impossible(given)
    stated = volume.voxel_um
    if given is None or stated is None:
        return given or stated, None
    if all(abs(g - s) <= TOLERANCE * s for g, s in zip(given, stated, strict=True)):
        return given, None
    origin = volume.layout.origins.get("voxel size", "the file")
    return given, (
        f"{volume.path}: the voxel size given, {_text(given)}, is not the file's {_text(stated)} ({origin}); "
        "the given one is used."
    )


def _text(voxel_um: VoxelUm) -> str:
    return " × ".join(f"{size:g}" for size in voxel_um) + " µm (z y x)"
