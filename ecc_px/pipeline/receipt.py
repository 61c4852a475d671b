"""The receipt: a JSON file beside an output that says what it was made from, with what, and when.

It is written last, so its presence means that the output is finished.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier
from ecc_px.version import __version__
from ecc_px.volumes import Volume
from ecc_px.volumes.partial import write_errors_named, written_whole

LIBRARIES = ("numpy", "numba", "h5py", "tifffile", "zarr")


def receipt_path(output: Path) -> Path:
    """Where the receipt of an output lies."""
    return output.with_name(output.name + ".receipt.json")


def write_receipt(output: Path, content: Mapping[str, Any], started: datetime) -> Path:
    """Write the receipt of a finished output, replacing one of an earlier output."""
    finished = now()
    receipt = {
        "output": output.name,
        **content,
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - started).total_seconds(), 3),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "versions": {"ecc-px": __version__} | {name: version(name) for name in LIBRARIES},
    }
    path = receipt_path(output)
    with written_whole(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(receipt, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def forget_receipt(output: Path) -> None:
    """Remove the receipt of an earlier output, before a new output takes its place: it would speak of another."""
    with write_errors_named(output):
        receipt_path(output).unlink(missing_ok=True)


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def describe_volume(volume: Volume) -> dict[str, Any]:
    """A volume's facts for a receipt; `origins` says which image of the file it was and who said what."""
    layout = volume.layout
    status = volume.path.stat()
    return {
        "path": str(volume.path.resolve()),
        "bytes": status.st_size if volume.path.is_file() else None,
        "modified": datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds"),
        "axes": layout.axes,
        "shape": list(layout.stored_shape),
        "dtype": str(layout.dtype),
        "voxel_um_zyx": None if layout.voxel_um is None else list(layout.voxel_um),
        "origins": layout.origins,
    }


def describe_classifier(classifier: Classifier) -> dict[str, Any]:
    """A classifier's facts for a receipt."""
    return {
        "path": str(classifier.path.resolve()),
        "sha256": classifier.sha256,
        "flavour": classifier.features.flavour,
        "trees": classifier.forest.n_trees,
        "classes": {str(c.label): c.name for c in classifier.classes},
    }
