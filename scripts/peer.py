"""Asking real vigra, which lives in the system's Python, from ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.features import FeatureSet

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("vigra_peer.py")


@dataclass(frozen=True)
class Answer:
    """What vigra computed, how long it took (CPU seconds of one thread, or as the task says), and its version."""

    result: npt.NDArray[Any]
    seconds: float
    version: str


def has_vigra() -> bool:
    """Whether the system's Python can import vigra."""
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", "import vigra"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def vigra_features(image: npt.NDArray[Any], features: FeatureSet) -> Answer:
    """(z, y, x) image → (column, z, y, x), in 3-D."""
    return _ask("features", image, json.dumps([[f.filter, f.scale] for f in features.features]))


def vigra_votes(rows: npt.NDArray[np.float32], project: Path) -> Answer:
    """(voxel, column) features → (voxel, class) votes of a project's forest."""
    return _ask("votes", rows, project)


def vigra_forest(
    rows: npt.NDArray[np.float32],
    labels: npt.NDArray[Any],
    store: Path,
    *,
    trees: int = 100,
    seed: int = 0,
    forests: int = 2,
) -> Answer:
    """Train on (voxel, column) features, on as many threads as `forests`: their out-of-bag errors, and the seconds on
    the clock; `store` becomes an .ilp with nothing but the forests.
    """
    with TemporaryDirectory(prefix="ecc-px-vigra-") as name:
        np.save(Path(name) / "labels.npy", labels)
        order = {"labels": f"{name}/labels.npy", "trees": trees, "seed": seed, "forests": forests}
        return _ask("train", rows, json.dumps(order), store)


def _ask(task: str, array: npt.NDArray[Any], other: Path | str, store: Path | None = None) -> Answer:
    with TemporaryDirectory(prefix="ecc-px-vigra-") as name:
        folder = Path(name)
        np.save(folder / "in.npy", array)
        if isinstance(other, str):
            (folder / "order.json").write_text(other)
            other = folder / "order.json"
        command = [SYSTEM_PYTHON, SCRIPT, task, folder / "in.npy", other, folder / "out.npy"]
        finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
        said = json.loads(finished.stdout)
        if store is not None:
            shutil.copyfile(folder / "out.ilp", store)
        return Answer(np.load(folder / "out.npy"), said["seconds"], said["version"])
