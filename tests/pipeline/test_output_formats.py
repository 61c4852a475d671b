"""Whatever format a probability image has, it says what its numbers are, and the same cells are found in it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ecc_px import load_classifier, open_volume, predict
from ecc_px.cells import find_cells
from ecc_px.volumes.conversion import convert

FOLDER = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset"
PROJECT, VOLUME = FOLDER / "project.ilp", FOLDER / "unseen.h5"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    """Probabilities of classes 3 and 1, in this order, in every format."""
    folder = tmp_path_factory.mktemp("formats")
    return {
        kind: predict(PROJECT, VOLUME, folder / kind, classes=(3, 1), dtype="uint8", file_format=kind).probabilities
        for kind in ("hdf5", "ome-zarr", "ome-zarr-0.5", "tiff")
    }


def test_every_format_says_what_its_numbers_are(images: dict[str, Path]) -> None:
    for path in images.values():
        with open_volume(path) as volume:
            assert volume.attributes["class_labels"] == [3, 1], path
            assert volume.attributes["drange"] == [0, 255], path
            assert volume.attributes["rounding"].startswith("rint("), path
            assert volume.attributes["classifier"] == "project.ilp", path
            assert volume.attributes["classifier_sha256"] == load_classifier(PROJECT).sha256, path


@pytest.mark.parametrize("name", ["copy.h5", "copy.ome.zarr", "copy.tif", "copy.nii"])
def test_a_converted_probability_image_still_says_what_its_numbers_are(
    name: str, images: dict[str, Path], tmp_path: Path
) -> None:
    for path in images.values():
        convert(path, tmp_path / name, overwrite=True)
        with open_volume(path) as source, open_volume(tmp_path / name) as copy:
            for key in ("class_labels", "rounding", "drange", "classifier", "classifier_sha256"):
                assert copy.attributes[key] == source.attributes[key], (path, key)


def test_cells_are_those_of_label_one_in_every_format(images: dict[str, Path]) -> None:
    tables = {kind: find_cells(path, VOLUME, voxel_um=(5, 2, 2)).table for kind, path in images.items()}
    assert len(tables["hdf5"]) > 3
    for table in tables.values():
        pd.testing.assert_frame_equal(table, tables["hdf5"], check_exact=True)
