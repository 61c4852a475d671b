#!/usr/bin/env python
"""How far our features and probabilities are from what real ilastik computed; prints the tables of docs/parity.md.

    python scripts/parity.py [GOLDEN]

Without a folder of goldens, only the synthetic cases in tests/data are measured. Every case is a project and volumes
with the probabilities (and for some, the features) that real ilastik exported for them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px import load_classifier, open_volume
from ecc_px.classifiers import Classifier
from ecc_px.features import Feature, FeatureSet, Flavour

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC = ROOT / "tests" / "data" / "synthetic"
GOLDEN = ROOT.parent / "shared" / "golden"


@dataclass(frozen=True)
class Case:
    """A project, one volume, and where ilastik's output for it lies."""

    folder: Path
    volume: str
    flavour: Flavour = "ilastik"
    mask: str | None = None
    exported: str = ""

    @property
    def name(self) -> str:
        return f"{self.folder.name} / {self.volume}"

    @property
    def classifier(self) -> Classifier:
        return load_classifier(self.folder / "project.ilp", flavour=self.flavour)

    @property
    def probabilities(self) -> Path:
        return self.folder / (self.exported or f"{self.volume}_probabilities.h5")


@dataclass(frozen=True)
class Difference:
    """Of two probability images of the same voxels."""

    voxels: int
    differing: float
    largest: float
    other_class: float


def cases(golden: Path = GOLDEN) -> list[Case]:
    """Every case that is there: the synthetic ones always, the others where the goldens are."""
    found = [Case(folder, volume) for folder in sorted(SYNTHETIC.glob("s*_*")) for volume in ("train", "unseen")]
    masks = {("b_2d3c_gap_mask", "train"): "train_mask.h5"}
    for folder in sorted((golden / "ilastik").glob("[a-e]*_*")):
        for exported in sorted(folder.glob("*_probabilities.h5")):
            volume = exported.name.removesuffix("_probabilities.h5")
            found.append(Case(folder, volume, mask=masks.get((folder.name, volume))))
    handwritten = golden / "ilastik" / "g_handwritten_ilp"
    if handwritten.exists():
        found.append(Case(handwritten, "train", exported="../a_brain3d_uint16/train_probabilities.h5"))
    return found


def predict(case: Case) -> npt.NDArray[np.float32]:
    """(t, class, z, y, x) probabilities of a whole volume at once."""
    classifier = case.classifier
    with open_volume(case.folder / f"{case.volume}.h5") as volume:
        frames = [classifier.features.compute(volume.read(frame=t)) for t in range(volume.frames)]
    probabilities = np.stack([classifier.probabilities(features) for features in frames])
    if case.mask is not None:
        with open_volume(case.folder / case.mask) as mask:
            probabilities *= mask.read() > 0
    return probabilities


def exported_by_ilastik(case: Case) -> npt.NDArray[np.float32]:
    """What real ilastik made of the same volume, (t, class, z, y, x)."""
    with open_volume(case.probabilities) as volume:
        return np.stack([volume.read(frame=t) for t in range(volume.frames)])


def compare(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> Difference:
    """Differences of probabilities, (t, class, z, y, x)."""
    apart = np.abs(ours - theirs).max(axis=1)
    return Difference(
        voxels=apart.size,
        differing=float((apart > 1e-6).mean()),
        largest=float(apart.max()),
        other_class=float((ours.argmax(axis=1) != theirs.argmax(axis=1)).mean()),
    )


@dataclass(frozen=True)
class FeatureDifference:
    """Of stored feature columns: the largest errors, and the share of values whose bits are equal.

    `linear` is relative to the largest input; `eigenvalues` to the largest eigenvalue of the same filter and scale, or
    to 2e-3 of the largest input where that is more: below it, the float32 noise of the input decides.
    """

    linear: float
    eigenvalues: float
    bit_equal: float


def feature_files(golden: Path = GOLDEN) -> list[Path]:
    """Feature matrices that real ilastik computed for the lanes of a project."""
    return sorted((golden / "ilastik").glob("*/features_lane?.npz"))


def compare_stored_features(path: Path) -> tuple[Case, list[str], FeatureDifference]:
    """Ours against the feature matrix in `path`."""
    lanes = {("c_3d_uint8_mixed2d_internal", "0"): "train1", ("c_3d_uint8_mixed2d_internal", "1"): "train2"}
    case = Case(path.parent, lanes.get((path.parent.name, path.stem[-1]), "train"))
    stored = np.load(path)
    axes = str(stored["axes"])
    region = {axis: slice(a, b) for axis, a, b in zip(axes, stored["start"], stored["stop"], strict=False)}
    with open_volume(training_image(case)) as volume:
        frames = range(volume.frames)[region.get("t", slice(None))]
        features = case.classifier.features
        computed = np.stack([features.compute(volume.read(frame=t)) for t in frames], axis=1)
        names = features.names(volume.channels, flat=volume.shape[0] == 1)
        largest_input = float(np.abs(volume.read()).max())
    ours = computed[(slice(None), slice(None), *(region.get(axis, slice(None)) for axis in "zyx"))]
    theirs = np.moveaxis(stored["features"], axes.index("c"), 0).reshape(ours.shape)
    return case, names, compare_features(ours, theirs, names, largest_input)


def training_image(case: Case) -> Path:
    """The image that stored features were computed of: the case's volume, or the whole one inside its project."""
    if case.folder.name != "e_pc_v140b11":
        return case.folder / f"{case.volume}.h5"
    copy = Path(mkdtemp()) / "inside.h5"
    with h5py.File(case.folder / "project.ilp") as project, h5py.File(copy, "w") as target:
        (image,) = project["Input Data/local_data"].values()
        project.copy(image, target, "volume")
    return copy


def filter_files(golden: Path = GOLDEN) -> list[Path]:
    """Outputs of the real feature operator on small images, with fastfilters and with vigra."""
    return sorted((golden / "filters").glob("lazyflow_*.npz"))


def compare_filters(path: Path) -> tuple[list[str], FeatureDifference]:
    """Ours against the operator's output in `path`."""
    stored = np.load(path)
    flavour: Flavour = "ilastik" if "fastfilters" in path.stem else "vigra"
    chosen = [entry.split("@") for entry in stored["selection"]]
    features = FeatureSet(tuple(Feature(name, float(scale), bool(stored["in2d"])) for name, scale in chosen), flavour)
    image = stored["input"]
    names = features.names(flat=len(image) == 1)
    if names != list(stored["channel_names"]):
        raise AssertionError(f"{path}: the columns are {names}")
    return names, compare_features(features.compute(image[None]), stored["output"], names, float(np.abs(image).max()))


def compare_features(
    ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32], names: list[str], largest_input: float
) -> FeatureDifference:
    """Differences of feature columns, (column, voxel …)."""
    worst = np.abs(ours.astype(np.float64) - theirs).reshape(len(ours), -1).max(axis=1)
    largest = np.abs(theirs).reshape(len(theirs), -1).max(axis=1)
    filters = np.array([name.split(" [")[0] for name in names])
    sizes = np.array([largest[filters == name].max() for name in filters])
    is_eigenvalue = np.array(["Eigenvalues" in name for name in names])
    return FeatureDifference(
        linear=float((worst / largest_input)[~is_eigenvalue].max(initial=0)),
        eigenvalues=float((worst / np.maximum(sizes, 2e-3 * largest_input))[is_eigenvalue].max(initial=0)),
        bit_equal=float((ours == theirs).mean()),
    )


def historic_cases(golden: Path = GOLDEN) -> list[Case]:
    """A project of ilastik 1.2 and what ilastik 1.2 itself exported then, in both flavours."""
    folder = golden / "ilastik" / "d_mitocheck_v120rc10"
    exported = "historic_export_ilastik_1.2.0rc10.h5"
    flavours: tuple[Flavour, ...] = ("vigra", "ilastik")
    return [Case(folder, "train", flavour, exported=exported) for flavour in flavours if folder.exists()]


def main() -> None:
    golden = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN
    for title, chosen in (("case", cases(golden)), ("1.2's own export", historic_cases(golden))):
        print(f"\n| {title} | flavour | voxels | differ by > 1e-6 | largest difference | other class |")
        print("|---|---|---:|---:|---:|---:|")
        for case in chosen:
            found = compare(predict(case), exported_by_ilastik(case))
            print(
                f"| {case.name} | {case.flavour} | {found.voxels:,} | {found.differing:.1e} | {found.largest:.3f} | "
                f"{found.other_class:.1e} |"
            )
    print("\n| features of | columns | linear filters, of max input | eigenvalues, of max eigenvalue | equal bits |")
    print("|---|---:|---:|---:|---:|")
    for path in feature_files(golden):
        case, names, difference = compare_stored_features(path)
        print(f"| {case.name} | {_row(names, difference)}")
    for path in filter_files(golden):
        print(f"| {path.stem} | {_row(*compare_filters(path))}")


def _row(names: list[str], found: FeatureDifference) -> str:
    return f"{len(names)} | {found.linear:.1e} | {found.eigenvalues:.1e} | {found.bit_equal:.3f} |"


if __name__ == "__main__":
    main()
