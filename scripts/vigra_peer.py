#!/usr/bin/python3
"""What real vigra computes: run by the system's Python, where Debian's python3-vigra is; needs numpy and vigra only.

    /usr/bin/python3 scripts/vigra_peer.py features IMAGE.npy SELECTION.json OUT.npy
    /usr/bin/python3 scripts/vigra_peer.py votes    FEATURES.npy PROJECT.ilp OUT.npy
    /usr/bin/python3 scripts/vigra_peer.py train    FEATURES.npy TRAINING.json OUT.npy

IMAGE is (z, y, x); SELECTION is a list of [filter, scale]; FEATURES is (voxel, column). TRAINING names a file of
labels, the trees, the seed, and in how many forests they are grown at once, each on a thread of its own; OUT gets their
out-of-bag errors, and the forests are stored beside it as an .ilp. Prints the seconds that vigra itself took (CPU, but
for `train` on the clock) and its version, as JSON. The calls are those that ilastik makes when fastfilters is missing.
"""

import json
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import vigra

PRESMOOTH, FILTER = {"window_size": 3.5}, {"window_size": 2.0}


def presmoothed(image, scale):
    sigma = math.sqrt(scale**2 - 1) if scale > 1 else scale
    return vigra.filters.gaussianSmoothing(image, sigma, **PRESMOOTH)


def columns(image, name, scale):
    """The columns of one filter, each (z, y, x)."""
    f, s = vigra.filters, min(scale, 1.0)
    if name == "GaussianSmoothing":
        result = f.gaussianSmoothing(image, s, **FILTER)
    elif name == "LaplacianOfGaussian":
        result = f.laplacianOfGaussian(image, s, **FILTER)
    elif name == "GaussianGradientMagnitude":
        result = f.gaussianGradientMagnitude(image, s, **FILTER)
    elif name == "DifferenceOfGaussians":
        result = f.gaussianSmoothing(image, s, **FILTER) - f.gaussianSmoothing(image, 0.66 * s, **FILTER)
    elif name == "HessianOfGaussianEigenvalues":
        result = f.hessianOfGaussianEigenvalues(image, s, **FILTER)
    elif name == "StructureTensorEigenvalues":
        result = f.structureTensorEigenvalues(image, s, s / 2, **FILTER)
    result = np.asarray(result)
    return [result] if result.ndim == 3 else [result[..., k] for k in range(result.shape[-1])]


def features(image_path, selection_path, out_path):
    selection = json.loads(Path(selection_path).read_text())
    image = vigra.taggedView(np.load(image_path).astype(np.float32), "zyx")
    started = time.process_time()
    smoothed = {scale: presmoothed(image, scale) for scale in {scale for _, scale in selection}}
    result = [column for name, scale in selection for column in columns(smoothed[scale], name, scale)]
    seconds = time.process_time() - started
    np.save(out_path, np.stack(result))
    return seconds


def train(features_path, training_path, out_path):
    order = json.loads(Path(training_path).read_text())
    rows = np.ascontiguousarray(np.load(features_path), dtype=np.float32)
    labels = np.load(order["labels"]).astype(np.uint32).reshape(-1, 1)
    parts = np.array_split(np.arange(order["trees"]), order["forests"])
    forests = [vigra.learning.RandomForest(len(part)) for part in parts]

    def grow(number):
        return forests[number].learnRF(rows, labels, order["seed"] * len(parts) + number + 1)

    started = time.perf_counter()
    with ThreadPoolExecutor(len(parts)) as pool:
        errors = list(pool.map(grow, range(len(parts))))
    seconds = time.perf_counter() - started
    project = str(Path(out_path).with_suffix(".ilp"))
    for number, forest in enumerate(forests):
        forest.writeHDF5(project, f"PixelClassification/ClassifierForests/Forest{number:04d}")
    np.save(out_path, np.array(errors))
    return seconds


def votes(features_path, project_path, out_path):
    rows = np.ascontiguousarray(np.load(features_path), dtype=np.float32)
    parts = []
    while True:
        group = f"PixelClassification/ClassifierForests/Forest{len(parts):04d}"
        try:
            parts.append(vigra.learning.RandomForest(project_path, group))
        except (RuntimeError, OSError):
            break
    if not parts:
        raise SystemExit(f"{project_path}: vigra found no forest in it")
    started = time.process_time()
    total = sum(part.predictProbabilities(rows) * part.treeCount() for part in parts)
    seconds = time.process_time() - started
    np.save(out_path, total)
    return seconds


if __name__ == "__main__":
    task = {"features": features, "train": train, "votes": votes}[sys.argv[1]]
    print(json.dumps({"seconds": task(*sys.argv[2:5]), "version": vigra.version}))
