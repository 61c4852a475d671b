"""Which numbers a voxel may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.volume import SUPPORTED_DTYPES

_ADVICE = {
    "bool": "uint8",
    "int8": "int16",
    "int32": "uint16 or float32",
    "int64": "uint16 or float32",
    "uint64": "uint32 or float32",
    "float16": "float32",
    "float64": "float32",
}


def native_dtype(dtype: Any, path: Path) -> np.dtype[Any]:
    """The dtype in this machine's byte order, refused if it is none of ours."""
    native = np.dtype(dtype).newbyteorder("=")
    if native.name not in SUPPORTED_DTYPES:
        advice = _ADVICE.get(native.name, "one of these")
        raise UnreadableVolume(
            f"{path}: voxels are {native.name}; we read {', '.join(SUPPORTED_DTYPES)}. "
            f"Save it as {advice}, e.g. with numpy's astype or Fiji's Image > Type."
        )
    return native
