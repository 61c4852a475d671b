"""Which numbers a voxel may be."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.volume import SUPPORTED_DTYPES

LABEL_DTYPES = (*SUPPORTED_DTYPES, "bool", "int8", "int32", "int64", "uint64", "float64")
"""What a label image may be, whose values are class numbers: napari, for one, writes int32 and int64."""

_ADVICE = {
    "bool": "uint8",
    "int8": "int16",
    "int32": "uint16 or float32",
    "int64": "uint16 or float32",
    "uint64": "uint32 or float32",
    "float16": "float32",
    "float64": "float32",
}


def native_dtype(dtype: Any, path: Path, allowed: Collection[str] = SUPPORTED_DTYPES) -> np.dtype[Any]:
    """The dtype in this machine's byte order, refused if it is none of those allowed."""
    native = np.dtype(dtype).newbyteorder("=")
    if native.name not in allowed:
        advice = _ADVICE.get(native.name, "one of these")
        raise UnreadableVolume(
            f"{path}: voxels are {native.name}; we read {', '.join(allowed)}. "
            f"Save it as {advice}, e.g. with numpy's astype or Fiji's Image > Type."
        )
    return native
