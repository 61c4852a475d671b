#!/usr/bin/env python
"""How good a classifier gets that learned from five annotated crops, beside one that learned from everything.

    python scripts/measure_annotation.py [--folder DIR]

A synthetic brain with known cells is annotated "by hand": for five crops, `ecc-px labels template` makes a folder for
ITK-SNAP, the labels are painted from the truth, `ecc-px labels import` brings them onto the brain's grid, and `ecc-px
train` learns from them. A second classifier learns from the truth of the whole brain. Both find the cells of a brain
with another seed, with the same settings. Prints precision, recall and F1 of both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import nibabel
import numpy as np
import pandas as pd

from ecc_px.cells.scoring import Score, found_positions, score, true_positions

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from synthetic_brain import Brain, write

SHAPE = (160, 256, 256)
VOXEL_UM = (6.5, 6.5, 6.5)
CROP = (48, 64, 64)
CORNERS = [(8, 60, 60), (8, 130, 140), (56, 96, 96), (100, 60, 140), (100, 130, 60)]
CLASSES = ["cell:object", "false:false_signal", "background:background"]
MOST_PER_CLASS = 20_000
"""Labelled voxels of each class that the classifier of the whole brain learns from."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="Where everything is made and kept; default: temporary.")
    chosen = arguments.parse_args()
    with TemporaryDirectory(prefix="ecc-px-annotation-") as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        learned, unseen = folder / "learned.h5", folder / "unseen.h5"
        truth_of = {
            path: write(Brain(SHAPE, seed, VOXEL_UM), path, threads=2) for seed, path in ((21, learned), (22, unseen))
        }
        with h5py.File(learned) as file:
            painted = paint(file["data"][...], pd.read_csv(truth_of[learned]))
        classifiers = {
            "five crops": train(folder / "crops.pxc", learned, annotate_crops(folder, learned, painted)),
            "the whole brain": train(folder / "whole.pxc", learned, [annotate_all(folder, learned, painted)]),
        }
        truth = true_positions(truth_of[unseen])
        for what, (classifier, labelled) in classifiers.items():
            found = find(classifier, unseen, folder / classifier.stem, truth)
            print(f"learned from {what} ({labelled:,} labelled voxels): {found}")


def ecc_px(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "ecc_px", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def paint(raw: np.ndarray, truth: pd.DataFrame) -> np.ndarray:
    """What a careful person would label: cells' insides 1, bright things that are no cells 2, some background 3."""
    labels = np.zeros(raw.shape, np.uint8)
    near_a_cell = np.zeros(raw.shape, bool)
    for cell in truth.itertuples():
        radius = (3 * cell.volume_um3 / (4 * np.pi)) ** (1 / 3)
        centre = np.array([cell.z_um, cell.y_um, cell.x_um])
        low = np.maximum(((centre - 3 * radius) / VOXEL_UM).astype(int), 0)
        high = np.minimum(((centre + 3 * radius) / VOXEL_UM).astype(int) + 1, raw.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [(np.arange(a, b) + 0.5) * size - c for a, b, size, c in zip(low, high, VOXEL_UM, centre, strict=True)]
        distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
        labels[box][distance <= 0.8 * radius] = 1
        near_a_cell[box] |= distance <= 2 * radius
    rng = np.random.default_rng(0)
    elsewhere = ~near_a_cell
    bright = raw > np.percentile(raw[elsewhere], 99.5)
    labels[elsewhere & bright] = 2
    labels[elsewhere & ~bright & (rng.random(raw.shape, np.float32) < 0.02)] = 3
    return labels


def annotate_crops(folder: Path, brain: Path, painted: np.ndarray) -> list[Path]:
    """Five folders for ITK-SNAP, painted and imported."""
    imported = []
    for number, corner in enumerate(CORNERS):
        crop = tuple(slice(a, a + n) for a, n in zip(corner, CROP, strict=True))
        place = ",".join(f"{side.start}:{side.stop}" for side in crop)
        annotation = folder / f"annotate{number}"
        ecc_px("labels", "template", brain, "--crop", place, "-o", annotation, *_classes())
        empty = nibabel.load(annotation / "labels.nii.gz")
        nibabel.save(nibabel.Nifti1Image(painted[crop].transpose(), empty.affine), annotation / "labels.nii.gz")
        imported.append(folder / f"labels{number}.h5")
        ecc_px(
            "labels", "import", annotation / "labels.nii.gz", "--image", brain,
            "--map", "cell=1,false=2,background=3", "-o", imported[-1],
        )  # fmt: skip
    return imported


def annotate_all(folder: Path, brain: Path, painted: np.ndarray) -> Path:
    """The whole brain's labels as an HDF5 file."""
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_dataset("labels", data=painted, chunks=(64, 64, 64), compression="gzip")
    ecc_px(
        "labels", "import", folder / "all.h5", "--image", brain,
        "--map", "cell=1,false=2,background=3", "-o", folder / "labels_all.h5",
    )  # fmt: skip
    return folder / "labels_all.h5"


def train(classifier: Path, brain: Path, labels: list[Path]) -> tuple[Path, int]:
    """A classifier file, and the number of labelled voxels that it learned from."""
    pairs = [part for path in labels for part in ("--image", brain, "--labels", path)]
    ecc_px("train", classifier, *pairs, *_classes(), "--max-per-class", MOST_PER_CLASS, "--no-leave-out")
    used = 0
    for path in labels:
        with h5py.File(path) as file:
            (dataset,) = file.values()
            counts = np.bincount(dataset[...].ravel(), minlength=4)[1:]
        used = used + counts
    return classifier, int(np.minimum(used, MOST_PER_CLASS).sum())


def find(classifier: Path, brain: Path, out: Path, truth: np.ndarray) -> Score:
    ecc_px("run", classifier, brain, "-o", out, "--voxel-um", *VOXEL_UM, "--overwrite")
    return score(found_positions(out / f"{brain.stem}_cells.csv", VOXEL_UM), truth)


def _classes() -> list[str]:
    return [part for name in CLASSES for part in ("--class", name)]


if __name__ == "__main__":
    main()
