#!/usr/bin/env python
"""Compare our filters and votes with real vigra's, on noise and on a synthetic brain; exit code 1 if they differ.

The votes are those of forests that ilastik trained, and of one that we trained and wrote into a project.

    python scripts/compare_with_vigra.py

Needs Debian's python3-vigra (`apt-get install python3-vigra`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import parity
from peer import SYSTEM_PYTHON, has_vigra, vigra_features, vigra_votes
from synthetic_brain import Brain, draw

from ecc_px import load_classifier
from ecc_px.classifiers.retraining import train_project
from ecc_px.classifiers.training import TrainingSettings
from ecc_px.features import Feature, FeatureSet
from ecc_px.features.ilastik import FILTER_NAMES

PROJECTS = sorted((Path(__file__).parents[1] / "tests" / "data" / "synthetic").glob("*/project.ilp"))
EVERY_FILTER = FeatureSet(
    tuple(Feature(name, scale) for name in FILTER_NAMES for scale in (0.7, 1.0, 1.6, 3.5)), flavour="vigra"
)
ROWS = 1_000_000


def main() -> int:
    if not has_vigra():
        print(f"{SYSTEM_PYTHON} has no vigra: apt-get install python3-vigra", file=sys.stderr)
        return 1
    failures = 0
    rng = np.random.default_rng(0)
    brain, _ = draw(Brain(shape=(64, 80, 96), seed=5))
    for what, image in (("noise", (rng.random((40, 50, 60)) * 4000).astype(np.uint16)), ("brain", brain)):
        theirs = vigra_features(image, EVERY_FILTER)
        ours = EVERY_FILTER.compute(image[None])
        found = parity.compare_features(ours, theirs.result, EVERY_FILTER.names(), float(image.max()))
        good = found.linear <= 2e-6 and found.eigenvalues <= 1e-3
        failures += not good
        print(
            f"{'same' if good else 'DIFFERENT'}: {len(ours)} features of {what}, vigra {theirs.version}: "
            f"{found.linear:.1e} of the largest input, eigenvalues {found.eigenvalues:.1e} of the largest one"
        )
    with TemporaryDirectory(prefix="ecc-px-compare-") as name:
        failures += sum(differing_votes(project, project.parent.name, rng) > 0 for project in PROJECTS)
        trained = Path(name) / "project.ilp"
        failures += differing_votes(retrained(PROJECTS[0], trained), "a project that we trained", rng) > 0
    return int(failures > 0)


def retrained(project: Path, copy: Path) -> Path:
    """A copy of a project with a forest of ours."""
    shutil.copy(project, copy)
    shutil.copy(project.with_name("train.h5"), copy.with_name("train.h5"))
    train_project(copy, TrainingSettings(), leave_out=False)
    return copy


def differing_votes(project: Path, what: str, rng: np.random.Generator) -> int:
    """Rows on which vigra's votes are not ours."""
    forest = load_classifier(project).forest
    thresholds = [forest.threshold[forest.feature == column] for column in range(forest.n_features)]
    # Near the thresholds, and exactly on them: anywhere else every program agrees.
    rows = np.stack(
        [
            rng.choice(t if len(t) else [0.0], ROWS) + rng.choice([0, 0, 1e-6, -1e-6, 1.0, -1.0], ROWS)
            for t in thresholds
        ],
        axis=1,
    ).astype(np.float32)
    theirs = vigra_votes(rows, project)
    ours = forest.probabilities(np.ascontiguousarray(rows.T).reshape(forest.n_features, 100, 100, -1))
    ours = ours.reshape(forest.n_classes, -1).T * forest.n_trees
    differing = int((np.abs(ours - theirs.result).max(axis=1) > 1e-3).sum())
    print(
        f"{'DIFFERENT' if differing else 'same'}: votes of {what} on {ROWS:,} rows, "
        f"vigra {theirs.version}: {differing} rows differ"
    )
    return differing


if __name__ == "__main__":
    sys.exit(main())
