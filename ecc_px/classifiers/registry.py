"""Classifiers that have a name: one folder for each, with a copy of its file and the facts about it.

The folder of all is $ECC_PX_CLASSIFIERS, or ecc-px/classifiers where the platform keeps a user's data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ecc_px.errors import InvalidSetting, OutputExists, OutputFailed, UnreadableClassifier
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.partial import PartialOutput, write_errors_named

FOLDER_VARIABLE = "ECC_PX_CLASSIFIERS"

KINDS = (".ilp", ".pxc")

_FACTS = "facts.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class SavedClassifier:
    """The facts about a saved classifier.

    Parameters
    ----------
    name : str
    file : str
        Name of the copy in the classifier's folder.
    sha256 : str
        Of the file.
    source : str
        Where it was copied from.
    saved : str
        When, in UTC.
    classes : tuple of str
        Names of labels 1, 2, …
    features : str
        As `parse_features` reads them.
    stain, note : str or None
        What a person said.
    voxel_um : (z, y, x) µm or None
        Of the images that it is for.
    """

    name: str
    file: str
    sha256: str
    source: str
    saved: str
    classes: tuple[str, ...]
    features: str
    stain: str | None = None
    voxel_um: VoxelUm | None = None
    note: str | None = None

    @property
    def path(self) -> Path:
        return registry_folder() / self.name / self.file


def registry_folder() -> Path:
    """Where this user's classifiers are; it may not exist yet."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "ecc-px" / "classifiers"


def copy_in(
    name: str,
    path: Path,
    *,
    classes: Sequence[str],
    features: str,
    stain: str | None = None,
    voxel_um: VoxelUm | None = None,
    note: str | None = None,
    overwrite: bool = False,
) -> SavedClassifier:
    """Copy a classifier's file under a name, whole or not at all; `save_classifier` checks both first.

    Raises
    ------
    InvalidSetting
        The file has another extension.
    OutputExists
        The name is taken.
    OutputFailed
    """
    if path.suffix not in KINDS:
        raise InvalidSetting(f"{path}: a saved classifier is an .ilp or a .pxc.")
    folder = registry_folder()
    target = folder / name
    with write_errors_named(target):
        folder.mkdir(parents=True, exist_ok=True)
        if not overwrite and os.path.lexists(target):
            raise OutputExists(f"A classifier is called {name!r} already: choose another name, or pass --overwrite.")
        output = PartialOutput(target, overwrite=overwrite, is_such_a_folder=_holds_a_classifier)
        try:
            output.temporary.mkdir()
            copy = output.temporary / f"{name}{path.suffix}"
            shutil.copyfile(path, copy)
            saved = SavedClassifier(
                name=name,
                file=copy.name,
                sha256=sha256_of(copy),
                source=str(path.resolve()),
                saved=datetime.now(UTC).isoformat(timespec="seconds"),
                classes=tuple(classes),
                features=features,
                stain=stain,
                voxel_um=voxel_um,
                note=note,
            )
            facts = json.dumps(asdict(saved), indent=2, ensure_ascii=False)
            (output.temporary / _FACTS).write_text(facts + "\n", encoding="utf-8")
            output.commit()
        except BaseException:
            output.discard()
            raise
    return saved


def _holds_a_classifier(folder: Path) -> bool:
    """Whether a folder is a saved classifier's and holds nothing else."""
    return all(
        child.name == _FACTS or (child.stem, child.suffix in KINDS) == (folder.name, True) for child in folder.iterdir()
    )


def saved_classifiers() -> list[SavedClassifier]:
    """All saved classifiers by name; folders that hold none are passed over."""
    folder = registry_folder()
    if not folder.is_dir():
        return []
    return [_read(child) for child in sorted(folder.iterdir()) if (child / _FACTS).is_file() and _is_name(child.name)]


def saved_classifier(name: str) -> SavedClassifier:
    """The facts about the classifier of this name.

    Raises
    ------
    UnreadableClassifier
        No classifier has this name, or its facts are damaged.
    """
    check_name(name)
    folder = registry_folder() / name
    if not (folder / _FACTS).is_file():
        known = ", ".join(saved.name for saved in saved_classifiers())
        raise UnreadableClassifier(f"No classifier is called {name!r}; saved are: {known or 'none'}.")
    return _read(folder)


def remove_classifier(name: str) -> SavedClassifier:
    """Delete the classifier of this name, and return what is known of it.

    Raises
    ------
    UnreadableClassifier
        No classifier has this name.
    OutputFailed
        The folder holds other things, too.
    """
    saved = saved_classifier(name)
    folder = registry_folder() / name
    if not _holds_a_classifier(folder):
        raise OutputFailed(f"{folder} holds other things beside the classifier {name!r}: move them away first.")
    with write_errors_named(folder):
        shutil.rmtree(folder)
    return saved


def registered_path(path: str | Path) -> Path:
    """The file that a path or the name of a saved classifier means.

    Raises
    ------
    UnreadableClassifier
        There is neither such a file nor such a name, or a saved classifier's file is not what was saved.
    """
    path = Path(path)
    if path.exists() or not _is_name(str(path)):
        return path
    if path.suffix in KINDS and not (registry_folder() / path / _FACTS).is_file():
        return path
    saved = saved_classifier(str(path))
    if not saved.path.is_file() or sha256_of(saved.path) != saved.sha256:
        raise UnreadableClassifier(
            f"{saved.path}: the file of the classifier {saved.name!r} is missing or was changed; save it again."
        )
    return saved.path


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> SavedClassifier:
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        voxel_um = facts.pop("voxel_um")
        saved = SavedClassifier(
            **{**facts, "classes": tuple(facts["classes"])},
            voxel_um=None if voxel_um is None else (float(voxel_um[0]), float(voxel_um[1]), float(voxel_um[2])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableClassifier(
            f"{folder / _FACTS}: the facts are damaged; remove the folder and save the classifier again."
        ) from error
    if saved.name != folder.name or Path(saved.file).name != saved.file:
        raise UnreadableClassifier(
            f"{folder / _FACTS}: the facts are those of another classifier; save the classifier again."
        )
    return saved


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Refuse what can't name a classifier."""
    if not _is_name(name):
        raise InvalidSetting(
            f"{name!r} can't name a classifier: use up to 100 letters, digits, and . _ + - after the first."
        )
