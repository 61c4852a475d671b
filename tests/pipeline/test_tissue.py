"""`--tissue auto` leaves out what is certainly empty, whatever the cut, and everything else is as ever."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from ecc_px import load_classifier, open_volume, predict
from ecc_px.pipeline import Prediction
from ecc_px.pipeline.run import run
from ecc_px.pipeline.tissue import Tissue, find_tissue
from ecc_px.pipeline.verification import rerun, verify

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
SHAPE = (66, 150, 160)
"""2 × 3 × 3 grid cells."""


def brain_in_a_corner() -> np.ndarray:
    """Camera noise; textured tissue with bright cells in all planes, y 0:60, x 0:60."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 4, SHAPE)
    image[:, :60, :60] += 200 + rng.normal(0, 20, (SHAPE[0], 60, 60))
    for z, y, x in rng.integers(6, 54, (25, 3)):
        image[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] += 900
    return image.astype(np.uint16)


KEPT = np.zeros((2, 3, 3), bool)
KEPT[:, :2, :2] = True
"""The cells of the tissue and those beside them."""


def voxels_of(cells: np.ndarray) -> np.ndarray:
    return np.kron(cells, np.ones((64, 64, 64), bool))[: SHAPE[0], : SHAPE[1], : SHAPE[2]]


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("brain") / "brain.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=brain_in_a_corner(), chunks=(64, 64, 64))
        file["data"].attrs["element_size_um"] = (5.0, 5.0, 5.0)
    return path


EXPORTS = ("probabilities", "segmentation")


@pytest.fixture(scope="module")
def plain(brain: Path, tmp_path_factory: pytest.TempPathFactory) -> Prediction:
    return predict(PROJECT, brain, tmp_path_factory.mktemp("plain"), exports=EXPORTS)


def read(path: Path) -> np.ndarray:
    with open_volume(path) as volume:
        return volume.read()


def look(path: Path) -> Tissue:
    with open_volume(path) as volume:
        return find_tissue(volume, jobs=2)


def save(path: Path, image: np.ndarray, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=image, **options)
    return path


def test_what_is_empty_is_zero_for_any_cut_and_all_else_is_as_without_it(
    brain: Path, plain: Prediction, tmp_path: Path
) -> None:
    for block in ((64, 64, 128), (48, 96, 50)):
        made = predict(PROJECT, brain, tmp_path / "out", exports=EXPORTS, tissue="auto", block=block, overwrite=True)
        for kind in EXPORTS:
            expected = np.where(voxels_of(KEPT), read(plain.outputs[kind]), 0)
            np.testing.assert_array_equal(read(made.outputs[kind]), expected, err_msg=kind)
        share = 1 - voxels_of(KEPT).mean()
        assert f"({share:.1%}) were left out as certainly empty" in made.warnings[-1]
    receipt = json.loads((tmp_path / "out" / "brain_probabilities.h5.receipt.json").read_text())
    assert receipt["tissue"]["voxels_left_out"] == (~voxels_of(KEPT)).sum()
    np.testing.assert_array_equal(Tissue.from_json(receipt["tissue"]).kept[0], KEPT)
    assert verify(made.probabilities, sample=3).ok
    again = rerun(made.probabilities, tmp_path / "again")
    assert again.read_bytes() == made.probabilities.read_bytes()


def test_cells_in_the_tissue_are_those_of_the_plain_run(brain: Path, tmp_path: Path) -> None:
    classifier = load_classifier(PROJECT)

    def cells(folder: str, **prediction: Any) -> set[tuple[float, ...]]:
        with open_volume(brain) as volume:
            # What lies across the border of what is computed is another object.
            made = run(classifier, volume, tmp_path / folder, prediction=prediction, cells={"split": "none"})
        table = made.cells.cells.table
        in_tissue = table[(table["X"] < 300) & (table["Y"] < 300)]
        return {tuple(row) for row in in_tissue[["Z", "Y", "X", "vol", "deltaI"]].to_numpy().tolist()}

    found = cells("tissue", tissue="auto")
    assert found == cells("plain")
    assert len(found) > 5


class Stop(BaseException):
    """Like Ctrl-C."""


def test_a_run_that_goes_on_keeps_to_what_was_decided(
    brain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"tissue": "auto", "block": (64, 64, 64), "run_length": 64, "jobs": 1}

    def stop(done: int, total: int) -> None:
        if done:
            raise Stop

    with pytest.raises(Stop):
        predict(PROJECT, brain, tmp_path / "out", progress=stop, **settings)

    def looked_again(*_: Any) -> None:
        raise AssertionError("the volume is looked at once")

    monkeypatch.setattr(sys.modules[predict.__module__], "find_tissue", looked_again)
    resumed = predict(PROJECT, brain, tmp_path / "out", **settings)
    assert resumed.found > 0
    monkeypatch.undo()
    whole = predict(PROJECT, brain, tmp_path / "whole", **settings)
    assert resumed.probabilities.read_bytes() == whole.probabilities.read_bytes()


def test_tissue_and_mask_are_both_kept_to(brain: Path, plain: Prediction, tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 20:140, 40:150] = 1
    kept = voxels_of(KEPT) & (mask > 0)
    masked = save(tmp_path / "mask.h5", mask)
    made = predict(PROJECT, brain, tmp_path / "out", mask=masked, tissue="auto", exports=("segmentation",))
    expected = np.where(kept, read(plain.outputs["segmentation"]), 0)
    np.testing.assert_array_equal(read(made.outputs["segmentation"]), expected)


def test_the_decision_is_that_of_the_voxels_not_of_the_file(tmp_path: Path) -> None:
    image = brain_in_a_corner()
    planes = tmp_path / "planes"
    planes.mkdir()
    for number, plane in enumerate(image):
        tifffile.imwrite(planes / f"Z{number:04d}.tif", plane)
    for path in (planes, save(tmp_path / "whole.h5", image), save(tmp_path / "chunks.h5", image, chunks=(30, 40, 50))):
        found = look(path)
        np.testing.assert_array_equal(found.kept[0], KEPT, err_msg=str(path))
        assert 105 < (found.limits[0] or 0) < 135


def test_dim_tissue_far_away_is_kept_and_so_is_what_is_no_number(tmp_path: Path) -> None:
    image = brain_in_a_corner().astype(np.float32)
    image[10:20, 130:145, 132:147] += 60
    found = look(save(tmp_path / "dim.h5", image))
    assert found.kept[0, 0, 2, 2]
    assert not found.kept[0, 0, 2, 0]
    image = brain_in_a_corner().astype(np.float32)
    image[12, 149, 159] = np.nan
    assert look(save(tmp_path / "nan.h5", image)).kept[0, 0, 2, 2]


def test_an_empty_place_within_the_tissue_is_computed(tmp_path: Path) -> None:
    image = np.full((320, 320, 320), 300, np.uint16)
    image += np.random.default_rng(0).integers(0, 20, 320).astype(np.uint16)
    image[64:256, 64:256, 64:256] = 100
    assert look(save(tmp_path / "ventricle.h5", image)).kept.all()


def test_without_an_even_background_nothing_is_empty(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(200, 600, SHAPE[2]) * rng.normal(1, 0.02, SHAPE)
    patches = np.kron(rng.integers(100, 900, (9, 19, 20)), np.ones((8, 8, 8)))[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    for name, image in (("slope", slope), ("patches", patches), ("flat", np.full(SHAPE, 7.0))):
        found = look(save(tmp_path / f"{name}.h5", image.astype(np.uint16)))
        assert found.kept.all(), name
        assert found.voxels == 0


def test_a_plane_alone_has_tissue_too(tmp_path: Path) -> None:
    found = look(save(tmp_path / "plane.h5", brain_in_a_corner()[4]))
    np.testing.assert_array_equal(found.kept[0], KEPT[:1])
