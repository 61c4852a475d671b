"""Values in the HDF5 types that ilastik itself stores them in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.ilastik.project import OWN_GROUP, FeatureSelection
from ecc_px.labels import LabelClass

# ilastik's texts are UTF-8 bytes in a type that says ASCII: feature names contain σ.
_TEXTS = h5py.string_dtype("ascii")


def replace(group: h5py.Group, name: str, value: Any, **options: Any) -> h5py.Dataset:
    """Store a value under a name, whatever was there."""
    if name in group:
        del group[name]
    return group.create_dataset(name, data=value, **options)


def store_text(group: h5py.Group, name: str, text: str) -> None:
    replace(group, name, text.encode())


def store_texts(group: h5py.Group, name: str, texts: Sequence[str]) -> h5py.Dataset:
    encoded = np.array([text.encode() for text in texts], dtype=object)
    return replace(group, name, encoded, dtype=_TEXTS)


def numbered(names: Iterable[str], prefix: str) -> list[str]:
    """Those of some names that are `prefix` and a number, by number: old ilastik writes labels0 … labels10."""
    found = [name for name in names if name.startswith(prefix) and name[len(prefix) :].isdecimal()]
    return sorted(found, key=lambda name: int(name[len(prefix) :]))


def next_name(group: h5py.Group, prefix: str, digits: int = 4) -> str:
    """The name that follows on the last of such names in a group."""
    names = numbered(group, prefix)
    return f"{prefix}{int(names[-1][len(prefix) :]) + 1 if names else 0:0{digits}d}"


def store_selection(group: h5py.Group, selection: FeatureSelection) -> None:
    """Which features at which scales, in the group of ilastik's Feature Selection."""
    in_2d = selection.compute_in_2d or (False,) * len(selection.scales)
    store_texts(group, "FeatureIds", selection.feature_ids)
    replace(group, "Scales", np.array(selection.scales, np.float64))
    replace(group, "SelectionMatrix", np.array(selection.matrix, bool))
    replace(group, "ComputeIn2d", np.array(in_2d, bool))


def store_classes(file: h5py.File, classes: Sequence[LabelClass]) -> None:
    """Names and colours where ilastik has them; roles, which it does not know, in a group of our own."""
    training = file["PixelClassification"]
    colours: npt.NDArray[np.int64] = np.array([c.colour for c in classes], np.int64)
    slots = [
        store_texts(training, "LabelNames", [c.name for c in classes]),
        replace(training, "LabelColors", colours),
        replace(training, "PmapColors", colours),
    ]
    for slot in slots:
        slot.attrs["isEmpty"] = False
    own = own_group(file)
    store_texts(own, "ClassNames", [c.name for c in classes])
    store_texts(own, "ClassRoles", [c.role or "" for c in classes])


def own_group(file: h5py.File) -> h5py.Group:
    """Where we keep what ilastik doesn't know."""
    return file.require_group(OWN_GROUP)
