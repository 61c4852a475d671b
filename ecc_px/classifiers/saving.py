"""Give a classifier a name."""

from __future__ import annotations

from pathlib import Path

from ecc_px.classifiers.bundle import SUFFIX, read_bundle
from ecc_px.classifiers.classifier import load_classifier
from ecc_px.classifiers.registry import SavedClassifier, check_name, copy_in
from ecc_px.features import features_text
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.voxel_size import refuse_impossible


def save_classifier(
    name: str,
    path: str | Path,
    *,
    stain: str | None = None,
    voxel_um: VoxelUm | None = None,
    note: str | None = None,
    overwrite: bool = False,
) -> SavedClassifier:
    """Copy a trained classifier into the user's registry, under a name that stands for it from then on.

    Parameters
    ----------
    name : str
        Letters, digits, and . _ + - after the first.
    path : path
        An .ilp or a .pxc. Of an .ilp the forest matters; its lanes are not copied.
    stain, note : str, optional
        What it is for.
    voxel_um : (z, y, x) µm, optional
        Of the images that it is for; default: what a .pxc says.
    overwrite : bool
        Replace the classifier that has this name.

    Raises
    ------
    InvalidSetting, OutputExists, OutputFailed
    UnreadableProject, UntrainedProject, UnreadableClassifier
        There is no trained classifier at `path`.
    """
    check_name(name)
    if voxel_um is not None:
        refuse_impossible(voxel_um)
    path = Path(path)
    classifier = load_classifier(path)
    if voxel_um is None and path.suffix == SUFFIX:
        voxel_um = read_bundle(path).voxel_um
    return copy_in(
        name,
        classifier.path,
        classes=[c.name for c in classifier.classes],
        features=features_text(classifier.features),
        stain=stain,
        voxel_um=voxel_um,
        note=note,
        overwrite=overwrite,
    )
