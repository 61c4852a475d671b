"""Projects that real ilastik wrote, and a way to change a copy of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "synthetic"

Edit = Callable[[h5py.File], None]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """A copy of one of the synthetic projects, changed by `edit(file)`."""

    def make(edit: Edit, folder: str = "s2_2d_2channel") -> Path:
        copy = tmp_path / "edited.ilp"
        shutil.copy(SYNTHETIC / folder / "project.ilp", copy)
        with h5py.File(copy, "r+") as file:
            edit(file)
        return copy

    return make
