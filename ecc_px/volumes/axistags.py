"""vigra's axistags: the JSON with which ilastik says what the dimensions of an HDF5 dataset mean."""

from __future__ import annotations

import json

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.volume import VoxelUm

_TYPE_FLAGS = {"c": 1, "z": 2, "y": 2, "x": 2, "t": 8}
"""vigra's AxisType of each letter: channels, space, time."""


def axes_from_axistags(json_text: str | bytes) -> tuple[str, dict[str, float]]:
    """Axis letters of an `axistags` attribute, and the resolutions that it knows.

    Parameters
    ----------
    json_text : str or bytes
        E.g. ``{"axes": [{"key": "z", "typeFlags": 2, "resolution": 0, "description": ""}, …]}``.

    Returns
    -------
    axes : str
        One letter for each dimension, in the order of the dataset.
    resolution : dict
        Axis letter → resolution. vigra writes 0 for "unknown"; such an axis is left out.

    Raises
    ------
    UnreadableVolume
        The text is no axistags. The message names no file: whoever knows it should add it.
    """
    try:
        entries = json.loads(json_text)["axes"]
        axes = "".join(entry["key"] for entry in entries)
        resolution = {entry["key"]: float(entry.get("resolution", 0)) for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableVolume(f"the axistags are damaged ({error}): pass --axes to say what each is.") from error
    return axes, {axis: size for axis, size in resolution.items() if size > 0}


def axistags_json(axes: str, voxel_um: VoxelUm | None = None) -> str:
    """The `axistags` attribute of a dataset, laid out as ilastik writes it.

    Parameters
    ----------
    axes : str
        One letter of t, z, y, x, c for each dimension.
    voxel_um : (z, y, x) µm or None
        Goes into the resolution of the spatial axes; 0, vigra's "unknown", where None.
    """
    sizes = dict(zip("zyx", voxel_um or (0, 0, 0), strict=True))
    entries = [
        {"key": axis, "typeFlags": _TYPE_FLAGS[axis], "resolution": sizes.get(axis, 0), "description": ""}
        for axis in axes
    ]
    return json.dumps({"axes": entries}, indent=2)
