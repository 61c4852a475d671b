"""ITK-SNAP's workspaces (.itksnap): which files are open together, and what their labels mean."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from ecc_px.errors import InvalidLabels
from ecc_px.labels.classes import Colour, LabelClass

WORKSPACE_SUFFIX = ".itksnap"

_SEGMENTATION = "SegmentationRole"


@dataclass(frozen=True)
class Layer:
    """One image of a workspace.

    Parameters
    ----------
    path : Path
        Where it is now, or was when the workspace was saved.
    role : str
        ITK-SNAP's: MainRole, OverlayRole, SegmentationRole.
    nickname : str
    """

    path: Path
    role: str
    nickname: str = ""


@dataclass(frozen=True)
class Workspace:
    """What an .itksnap file says.

    Parameters
    ----------
    path : Path
    layers : tuple of Layer
    descriptions : tuple of LabelClass
        Its label table without the "clear label"; empty where it has none.
    """

    path: Path
    layers: tuple[Layer, ...]
    descriptions: tuple[LabelClass, ...]

    def segmentation(self, wanted: str | None = None) -> Layer:
        """The layer of labels: the only one, or the one whose nickname, file name or number (from 1) is `wanted`.

        Raises
        ------
        InvalidLabels
            There is none, or nobody said which of several.
        """
        found = [layer for layer in self.layers if layer.role == _SEGMENTATION]
        listed = ", ".join(
            f"{number}: {layer.path.name}{f' ({layer.nickname})' * bool(layer.nickname)}"
            for number, layer in enumerate(found, start=1)
        )
        if not found:
            raise InvalidLabels(f"{self.path}: the workspace has no segmentation. Save one in ITK-SNAP first.")
        if wanted is None:
            if len(found) > 1:
                raise InvalidLabels(
                    f"{self.path}: the workspace has {len(found)} segmentations: say which by --layer ({listed})."
                )
            return found[0]
        for number, layer in enumerate(found, start=1):
            if wanted in (layer.nickname, layer.path.name, str(number)):
                return layer
        raise InvalidLabels(f"{self.path}: the workspace has no segmentation {wanted!r}, only {listed}.")


def read_workspace(path: Path) -> Workspace:
    """Layers and label table of a workspace.

    Raises
    ------
    InvalidLabels
        No such file, or no workspace.
    """
    try:
        registry = ElementTree.parse(path).getroot()
    except OSError as error:
        raise InvalidLabels(f"{path}: the workspace can't be read ({error.strerror}).") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: of encodings
        raise InvalidLabels(f"{path}: it is no ITK-SNAP workspace, or is damaged ({error}).") from error
    saved_in = _entry(registry, "SaveLocation")
    layers = []
    for folder in _numbered(_folder(registry, "Layers"), "Layer"):
        stored = _entry(folder, "AbsolutePath")
        nickname = _entry(_folder(folder, "LayerMetaData"), "CustomNickName")
        layers.append(Layer(_present_path(path, saved_in, stored), _entry(folder, "Role"), nickname))
    if not layers:
        raise InvalidLabels(f"{path}: it is no ITK-SNAP workspace: it lists no images.")
    return Workspace(path, tuple(layers), _label_table(path, registry))


def _label_table(path: Path, registry: ElementTree.Element) -> tuple[LabelClass, ...]:
    found: dict[int, LabelClass] = {}
    for layer in _numbered(_folder(registry, "Layers"), "Layer"):
        table = _folder(_folder(_folder(layer, "ProjectMetaData"), "IRIS"), "LabelTable")
        for element in _numbered(table, "Element"):
            try:
                label = int(_entry(element, "Index"))
                red, green, blue = (int(part) for part in _entry(element, "Color").split())
            except ValueError as error:
                raise InvalidLabels(f"{path}: its label table is damaged ({error}).") from error
            if label > 0:
                found[label] = LabelClass(label, _entry(element, "Label"), (red, green, blue))
    return tuple(found[label] for label in sorted(found))


def _present_path(workspace: Path, saved_in: str, stored: str) -> Path:
    """Where a layer is now: a workspace that was moved together with its images still finds them."""
    # Saved on Windows, paths may have backslashes.
    saved_in, stored = saved_in.replace("\\", "/"), stored.replace("\\", "/")
    here = workspace.resolve().parent
    is_absolute = PurePosixPath(stored).is_absolute() or PureWindowsPath(stored).is_absolute()
    if not is_absolute:
        return here / stored
    if saved_in:
        moved = Path(os.path.normpath(here / os.path.relpath(stored, saved_in)))
        if moved.exists():
            return moved
    return Path(stored)


def _folder(parent: ElementTree.Element | None, key: str) -> ElementTree.Element | None:
    if parent is None:
        return None
    return next((folder for folder in parent.iterfind("folder") if folder.get("key") == key), None)


def _numbered(parent: ElementTree.Element | None, name: str) -> list[ElementTree.Element]:
    """Folders ``Layer[000]``, ``Layer[001]`` … in the order of the file."""
    if parent is None:
        return []
    return [folder for folder in parent.iterfind("folder") if (folder.get("key") or "").startswith(f"{name}[")]


def _entry(parent: ElementTree.Element | None, key: str) -> str:
    if parent is None:
        return ""
    entries = (entry for entry in parent.iterfind("entry") if entry.get("key") == key)
    return next((entry.get("value") or "" for entry in entries), "")


def workspace_text(folder: Path, image: str, labels: str, classes: Sequence[LabelClass]) -> str:
    """A workspace that opens an image and its labels, both in `folder`, with the names of the classes."""
    folder = folder.resolve()
    root = ElementTree.Element("registry")
    _add_entries(root, SaveLocation=str(folder), Version="20190612")
    layers = _add_folder(root, "Layers")
    main = _add_folder(layers, "Layer[000]")
    _add_entries(main, AbsolutePath=str(folder / image), Role="MainRole", Tags="")
    table = _add_folder(_add_folder(_add_folder(main, "ProjectMetaData"), "IRIS"), "LabelTable")
    _add_entries(table, NumberOfElements=str(len(classes)))
    for number, c in enumerate(classes):
        element = _add_folder(table, f"Element[{number}]")
        _add_entries(element, Alpha="255", Color=_colour_text(c.colour), Flags="1 1", Index=str(c.label), Label=c.name)
    segmentation = _add_folder(layers, "Layer[001]")
    _add_entries(segmentation, AbsolutePath=str(folder / labels), Role=_SEGMENTATION, Tags="")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8" ?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_folder(parent: ElementTree.Element, key: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, "folder", key=key)


def _add_entries(parent: ElementTree.Element, **values: str) -> None:
    for key, value in values.items():
        ElementTree.SubElement(parent, "entry", key=key, value=value)


def _colour_text(colour: Colour) -> str:
    return " ".join(str(part) for part in colour)
