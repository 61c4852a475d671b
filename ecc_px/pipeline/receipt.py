"""The receipt: a JSON file beside an output that says what it was made from, with what, and when.

It is written last, so its presence means that the output is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier
from ecc_px.errors import UnreadableReceipt
from ecc_px.pipeline.identity import reading_options
from ecc_px.version import __version__
from ecc_px.volumes import Volume
from ecc_px.volumes.partial import write_errors_named, written_whole

ENDING = ".receipt.json"
LIBRARIES = ("numpy", "numba", "h5py", "tifffile", "zarr")


def receipt_path(output: Path) -> Path:
    """Where the receipt of an output lies."""
    return output.with_name(output.name + ENDING)


def write_receipt(output: Path, content: Mapping[str, Any], started: datetime) -> Path:
    """Write the receipt of a finished output, replacing one of an earlier output.

    What has no hashes of its block groups gets the hash of its file.
    """
    if "groups" not in content:
        content = {**content, "sha256": sha256_of(output)}
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


def read_receipt(output: Path) -> dict[str, Any]:
    """The receipt of an output.

    Raises
    ------
    UnreadableReceipt
        There is none, or it is damaged.
    """
    path = output if output.name.endswith(ENDING) else receipt_path(output)
    try:
        receipt = json.loads(path.read_bytes())
    except OSError as error:
        if path != output and output.is_dir():
            raise UnreadableReceipt(
                f"{output}: it is a folder without a receipt; name one of the results in it."
            ) from error
        raise UnreadableReceipt(
            f"{path}: there is no receipt here that can be read ({error.strerror}). Without it nobody knows how the "
            "output was made: make it again."
        ) from error
    except ValueError as error:
        raise UnreadableReceipt(f"{path}: the receipt is damaged ({error}). Make the output again.") from error
    if not isinstance(receipt, dict) or "output" not in receipt:
        raise UnreadableReceipt(f"{path}: this is no receipt of ecc-px.")
    return receipt


def forget_receipt(output: Path) -> None:
    """Remove the receipt of an earlier output, before a new output takes its place: it would speak of another."""
    with write_errors_named(output):
        receipt_path(output).unlink(missing_ok=True)


def bytes_of(output: Path) -> int | None:
    """Size of an output; of a folder, all its files; None where there is nothing."""
    if output.is_dir():
        return sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    return output.stat().st_size if output.exists() else None


def sha256_of(output: Path) -> str | None:
    """Of a file's bytes; of a folder, of the names and bytes of all its files; None where there is nothing."""
    if output.is_file():
        with output.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not output.is_dir():
        return None
    digest = hashlib.sha256()
    for file_path in sorted(path for path in output.rglob("*") if path.is_file()):
        digest.update(f"{file_path.relative_to(output).as_posix()}\0{sha256_of(file_path)}\n".encode())
    return digest.hexdigest()


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
        "reading": reading_options(volume),
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
