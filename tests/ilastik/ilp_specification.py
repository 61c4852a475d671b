"""What real ilastik needs of an .ilp, found by leaving out one item at a time; and all that a project holds."""

from __future__ import annotations

import json
import re

import h5py
import numpy as np

APPLETS = ("Input Data", "FeatureSelections", "PixelClassification", "Prediction Export")
FACTORY = r"VVERSION\np\d+\nI2\nsV_num_trees\np\d+\nI(\d+)\n.*sV_num_forests\np\d+\nI(\d+)\nsb\.$"


def missing_items(file: h5py.File) -> list[str]:
    """What ilastik would miss, or not understand."""
    wanted = ["ilastikVersion", "workflowName", "Input Data/Role Names", "Input Data/infos", "Input Data/local_data"]
    wanted += [f"{applet}/StorageVersion" for applet in APPLETS]
    wanted += [f"FeatureSelections/{name}" for name in ("FeatureIds", "Scales", "SelectionMatrix", "ComputeIn2d")]
    wanted += [f"PixelClassification/{name}" for name in ("LabelNames", "LabelColors", "PmapColors", "LabelSets")]
    missing = [name for name in wanted if name not in file]
    for name, lane in file["Input Data/infos"].items():
        missing += [f"{name}/{role}" for role in ("Raw Data", "Prediction Mask") if role not in lane]
        fields = ("__class__", "filePath", "nickname", "allowLabels", "shape", "axistags", "datasetId", "location")
        missing += [f"{name}/{field}" for field in fields if field not in lane["Raw Data"]]
        axes = json.loads(lane["Raw Data/axistags"][()])["axes"]
        if len(axes) != len(lane["Raw Data/shape"]):
            missing.append(f"{name}: axes for the shape")
        if lane["Raw Data/location"][()] == b"ProjectInternal" and lane["Raw Data/inner_path"][()] not in file:
            missing.append(f"{name}: the image")
    if len(file["PixelClassification/LabelSets"]) != len(file["Input Data/infos"]):
        missing.append("a group of labels for each lane")
    for lane in file["PixelClassification/LabelSets"].values():
        missing += [f"{block.name} does not lie where it says" for block in lane.values() if not well_placed(block)]
    if "ClassifierForests" in file["PixelClassification"]:
        missing += missing_of_forests(file["PixelClassification"])
    return missing


def well_placed(block: h5py.Dataset) -> bool:
    """uint8, at most 64 voxels wide in a volume, with axes in ilastik's order, hugging what is labelled."""
    bounds = [tuple(map(int, pair)) for pair in re.findall(r"(\d+):(\d+)", as_text(block.attrs["blockSlice"]))]
    axes = "".join(axis["key"] for axis in json.loads(block.attrs["axistags"])["axes"])
    labels = block[()]
    hugs = all(labels.any(axis=tuple(set(range(labels.ndim)) - {a}))[[0, -1]].all() for a in range(labels.ndim))
    fits = tuple(stop - start for start, stop in bounds) == block.shape and block.shape[-1] == 1
    return block.dtype == np.uint8 and fits and hugs and axes in ("yxc", "zyxc", "tyxc", "tzyxc")


def missing_of_forests(training: h5py.Group) -> list[str]:
    forests = training["ClassifierForests"]
    parts = [name for name in forests if name.startswith("Forest")]
    missing = [] if parts == [f"Forest{n:04d}" for n in range(len(parts))] and parts else ["Forest0000, Forest0001, …"]
    missing += [name for name in ("known_labels", "feature_names", "pickled_type") if name not in forests]
    trees, stated = 0, re.search(FACTORY, as_text(training["ClassifierFactory"][()]), re.DOTALL)
    for part in parts:
        count = int(forests[part]["_options/tree_count_"][0])
        digits = len(str(count - 1))
        if [name for name in forests[part] if name.startswith("Tree_")] != [
            f"Tree_{n:0{digits}d}" for n in range(count)
        ]:
            missing.append(f"{part}: its {count} trees")
        if forests[part]["_ext_param/column_count_"][0] != len(forests["feature_names"]):
            missing.append(f"{part}: a name for each feature")
        trees += count
    if stated is None or stated.groups() != (str(trees), str(len(parts))):
        missing.append("a ClassifierFactory with the numbers of trees and forests")
    return missing


def structure(file: h5py.File) -> dict[str, tuple[str, ...]]:
    """Path → type, number of dimensions and attributes of everything in a file.

    Trees, sub-forests and blocks of labels are taken as one each: there may be more or fewer.
    """
    found: dict[str, tuple[str, ...]] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        attributes = tuple(f"@{key}: {kind_of(item.attrs.get_id(key))}" for key in sorted(item.attrs))
        kind = (kind_of(item.id), f"{item.ndim}-D") if isinstance(item, h5py.Dataset) else ("group",)
        found[re.sub(r"(Tree_|Forest|block)\d+", r"\1*", name)] = kind + attributes

    file.visititems(visit)
    return found


def kind_of(stored: h5py.h5d.DatasetID | h5py.h5a.AttrID) -> str:
    """The HDF5 type of a dataset or attribute, as a text."""
    stored_type = stored.get_type()
    if isinstance(stored_type, h5py.h5t.TypeStringID):
        length = "variable" if stored_type.is_variable_str() else "fixed"
        return f"{length} text, {'UTF-8' if stored_type.get_cset() else 'ASCII'}"
    return str(stored.dtype)


def as_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def contents(file: h5py.File) -> dict[str, tuple[object, ...]]:
    """Path → everything that HDF5 knows of it: kind of link, type, shape, bytes, attributes."""
    found: dict[str, tuple[object, ...]] = {}

    def gather(group: h5py.Group) -> None:
        for name in group:
            path = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                found[path] = (type(link).__name__, link.path)
                continue
            item = group[name]
            attributes = tuple((key, *stored(item.attrs.get_id(key), item.attrs[key])) for key in sorted(item.attrs))
            if isinstance(item, h5py.Group):
                found[path] = ("group", attributes)
                gather(item)
            else:
                found[path] = (*stored(item.id, item[()]), item.chunks, item.compression, attributes)

    gather(file)
    return found


def stored(identifier: h5py.h5d.DatasetID | h5py.h5a.AttrID, value: object) -> tuple[object, ...]:
    array = np.asarray(value)
    plain = repr(array.tolist()) if array.dtype.kind == "O" else array.tobytes()
    return kind_of(identifier), array.shape, plain
