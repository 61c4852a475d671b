"""A classifier in one file that can be moved: features, forest, classes and how it was trained (.pxc).

It is an HDF5 file behind a user block of 512 bytes, which names the format, its version and the hash of all bytes
that follow. The hash is checked before HDF5 sees anything: on damaged files libhdf5 may hang or crash. `header` is
JSON; `forest` has the arrays of `Forest`. The same classifier makes the same bytes: there are no dates inside.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.errors import EccPxError, OutputFailed, UnreadableClassifier
from ecc_px.features import Feature, FeatureSet, Flavour
from ecc_px.labels import LabelClass, Role
from ecc_px.models.forest import Forest
from ecc_px.models.nodes import check_trees
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.partial import written_whole

SUFFIX = ".pxc"

VERSION = 1

USER_BLOCK = 512
"""Bytes; the least that HDF5 allows."""

_SIGNATURE = re.compile(rb"ecc-px classifier (\d{1,4})\nsha256 ([0-9a-f]{64})\n")

_ARRAYS: Mapping[str, type] = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "fractions": np.float64,
    "roots": np.int32,
    "labels": np.int32,
    "part_sizes": np.int64,
}


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a .pxc holds.

    Parameters
    ----------
    features : FeatureSet
    forest : Forest
    classes : tuple of LabelClass
    feature_names : tuple of str
        Of the forest's columns.
    report : mapping
        What is known of the training, as `TrainingReport.as_json` gives it.
    fingerprint : str
        Hash of everything that it was trained on, and how.
    voxel_um : (z, y, x) µm, optional
        Of the images that it was trained on, where they say it and agree.
    """

    features: FeatureSet
    forest: Forest
    classes: tuple[LabelClass, ...]
    feature_names: tuple[str, ...]
    report: Mapping[str, Any]
    fingerprint: str
    voxel_um: VoxelUm | None = None


def write_bundle(path: str | Path, bundle: Bundle, *, overwrite: bool = False) -> Path:
    """Write a .pxc, whole or not at all.

    Raises
    ------
    OutputExists, OutputFailed
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputFailed(f"{path}: there is no folder {path.parent}. Make it first.")
    content = _encoded(bundle)
    with written_whole(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
    return path


def read_bundle(path: str | Path) -> Bundle:
    """Read a .pxc.

    Raises
    ------
    UnreadableClassifier
        No .pxc, a damaged one, or one of a later version.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise UnreadableClassifier(f"{path}: {kind}; pass the .pxc that ecc-px train wrote.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableClassifier(f"{path}: it can't be read: {error.strerror}.") from error
    signature = _SIGNATURE.match(content)
    if signature is None:
        raise UnreadableClassifier(f"{path}: it is no classifier of ecc-px; pass a .pxc, or an .ilp of ilastik.")
    if int(signature[1]) > VERSION:
        raise UnreadableClassifier(
            f"{path}: it has version {int(signature[1])}, and this ecc-px reads up to {VERSION}: install a newer one."
        )
    if hashlib.sha256(content[USER_BLOCK:]).hexdigest() != signature[2].decode():
        raise UnreadableClassifier(f"{path}: the file is damaged or cut short; copy it again or train it again.")
    try:
        return _decoded(content)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, EccPxError) as error:
        raise UnreadableClassifier(f"{path}: it is no valid classifier ({error}); train it again.") from error


def _encoded(bundle: Bundle) -> bytes:
    header = {
        "features": [[f.filter, f.scale, f.in_2d] for f in bundle.features.features],
        "flavour": bundle.features.flavour,
        "feature_names": list(bundle.feature_names),
        "classes": [[c.label, c.name, list(c.colour), c.role] for c in bundle.classes],
        "voxel_um_zyx": None if bundle.voxel_um is None else list(bundle.voxel_um),
        "fingerprint": bundle.fingerprint,
        "report": bundle.report,
    }
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=USER_BLOCK) as file:
        _store(
            file, "header", np.frombuffer(json.dumps(header, ensure_ascii=False, allow_nan=False).encode(), np.uint8)
        )
        for name, dtype in _ARRAYS.items():
            _store(file, f"forest/{name}", np.asarray(getattr(bundle.forest, name), dtype))
    content = stream.getvalue()
    digest = hashlib.sha256(content[USER_BLOCK:]).hexdigest()
    signature = f"ecc-px classifier {VERSION}\nsha256 {digest}\nHDF5 follows at byte {USER_BLOCK}.\n".encode()
    return signature.ljust(USER_BLOCK, b"\0") + content[USER_BLOCK:]


def _store(file: h5py.File, name: str, array: npt.NDArray[Any]) -> None:
    file.create_dataset(name, data=array, compression="gzip", shuffle=True, track_times=False)


def _decoded(content: bytes) -> Bundle:
    with h5py.File(io.BytesIO(content), "r") as file:
        header = json.loads(file["header"][()].tobytes())
        arrays: dict[str, npt.NDArray[Any]] = {
            name: np.asarray(file[f"forest/{name}"], dtype) for name, dtype in _ARRAYS.items()
        }
    features = FeatureSet(
        tuple(Feature(str(name), float(scale), in_2d) for name, scale, in_2d in header["features"]),
        _one_of(Flavour, header["flavour"]),
    )
    classes = tuple(
        LabelClass(label, str(name), (int(r), int(g), int(b)), None if role is None else _one_of(Role, role))
        for label, name, (r, g, b), role in header["classes"]
    )
    names = tuple(str(name) for name in header["feature_names"])
    voxel_um = header["voxel_um_zyx"]
    return Bundle(
        features=features,
        forest=_forest(arrays, names, features, classes),
        classes=classes,
        feature_names=names,
        report=dict(header["report"]),
        fingerprint=str(header["fingerprint"]),
        voxel_um=None if voxel_um is None else (float(voxel_um[0]), float(voxel_um[1]), float(voxel_um[2])),
    )


def _forest(
    arrays: Mapping[str, npt.NDArray[Any]], names: Sequence[str], features: FeatureSet, classes: Sequence[LabelClass]
) -> Forest:
    """The forest, when its arrays fit one another and the rest of the file."""
    part_sizes = tuple(int(size) for size in arrays["part_sizes"])
    fields: dict[str, Any] = {**arrays, "part_sizes": part_sizes}
    forest = Forest(**fields, n_features=len(names))
    nodes = len(forest.feature)
    leaves = forest.feature < 0
    fitting = {
        "its arrays differ in length": all(
            len(arrays[name]) == nodes for name in ("threshold", "left", "right", "fractions")
        ),
        "its trees are not those of its parts": forest.n_trees == sum(part_sizes) and min(part_sizes, default=0) > 0,
        "its classes are not 1, 2, 3 …": [c.label for c in classes] == list(range(1, len(classes) + 1)),
        "its forest knows other labels than its classes": forest.fractions.shape == (nodes, len(forest.labels))
        and bool((np.diff(forest.labels) > 0).all())
        and forest.labels[0] >= 1
        and forest.labels[-1] <= len(classes),
        "its forest was trained on other features": any(
            list(names) == features.names(len(names) // count, flat=flat)
            for flat in (False, True)
            if (count := features.count(flat=flat))
        ),
        "a threshold is no number": not np.isnan(forest.threshold).any(),
        "a leaf's fractions don't sum to 1": bool(np.allclose(forest.fractions[leaves].sum(axis=1), 1, atol=1e-6))
        and bool((forest.fractions >= 0).all()),
    }
    for problem, good in fitting.items():
        if not good:
            raise ValueError(problem)
    check_trees(forest.feature, forest.left, forest.right, forest.roots, len(names))
    return forest


def _one_of(choices: Any, value: object) -> Any:
    if value not in get_args(choices):
        raise ValueError(f"{value!r} is none of {', '.join(get_args(choices))}")
    return value
