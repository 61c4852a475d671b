"""Formats whose reader is another package, which not everybody needs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ecc_px.errors import UnreadableVolume


def package_for(path: Path, format_name: str, module: str, package: str, extra: str) -> Any:
    """The module that reads a format.

    Raises
    ------
    UnreadableVolume
        It is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UnreadableVolume(
            f"{path}: reading {format_name} needs the package {package} ({error}): pip install 'ecc-px[{extra}]', or "
            "save it in another format."
        ) from error
