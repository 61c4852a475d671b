"""`ecc-px info PV.ilp` tells what a person wants to know about a project."""

from __future__ import annotations

import shutil
import sys
from io import StringIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from ecc_px.cli import main
from ecc_px.cli.info_project import describe_project, max_depth
from ecc_px.errors import UnreadableProject
from ecc_px.models.forest import Forest

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "synthetic"


def shown(path: Path) -> str:
    text = StringIO()
    describe_project(path, Console(file=text, width=200))
    return text.getvalue()


def row_with(text: str, content: str) -> list[str]:
    """The cells of the one table row that has a cell of this content."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    (row,) = (row for row in rows if content in row)
    return row


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copy(SYNTHETIC / "s3_3d_mixed_uint8" / "project.ilp", tmp_path / "PV.ilp"))


def test_classes_features_lanes_and_forest_are_shown():
    text = shown(SYNTHETIC / "s3_3d_mixed_uint8" / "project.ilp")
    assert "Pixel Classification, saved by ilastik 1.4.2rc2.dev66" in text
    assert row_with(text, "rest") == ["2", "rest", "██", "600", "yes"]
    assert row_with(text, "Gaussian Smoothing") == ["Gaussian Smoothing", "2-D", "2-D", "", "", "3-D", "", ""]
    assert "trained on 1 image channel: 26 in all." in text
    assert row_with(text, "train-volume")[1:] == ["train.h5/volume", "found", "zyx", "32 × 48 × 52", "900"]
    assert "30 trees in 3 parts of 10, 2,024 nodes" in text
    assert "!" not in text


def test_moved_project_says_that_its_raw_data_is_not_needed(copy):
    text = shown(copy)
    assert row_with(text, "train-volume")[2] == "missing"
    assert "! Raw data of lane0000 not found: not needed for prediction." in text


def test_untrained_project_is_shown_with_the_way_to_train_it(copy):
    with h5py.File(copy, "r+") as file:
        del file["PixelClassification/ClassifierForests"]
    text = shown(copy)
    assert row_with(text, "rest")[-1] == "no"
    assert "no trained forest" in text
    assert "Live Update" in text


def test_class_that_nobody_drew_and_missing_labels_are_noted(copy):
    with h5py.File(copy, "r+") as file:
        training = file["PixelClassification"]
        del training["LabelNames"], training["LabelColors"], training["LabelSets"]
        training["LabelNames"] = [b"cell", b"rest", b"[bold]vessel"]
    text = shown(copy)
    assert row_with(text, "[bold]vessel")[-1] == "no"
    assert "No voxel of class 3 ([bold]vessel) was labelled" in text
    assert "No labels are stored" in text


def test_damaged_labels_do_not_hide_the_rest(copy):
    with h5py.File(copy, "r+") as file:
        file["PixelClassification/LabelSets/labels000/block0000"].attrs["blockSlice"] = "[0:1]"
    text = shown(copy)
    assert "30 trees" in text
    assert "block0000" in text


def test_damaged_project_is_refused(copy):
    copy.write_bytes(copy.read_bytes()[:5000])
    with pytest.raises(UnreadableProject, match="truncated"):
        shown(copy)


def test_refusal_is_one_sentence_on_stderr_and_exit_code_1(tmp_path, monkeypatch, capsys):
    text = tmp_path / "text.ilp"
    text.write_text("no project")
    monkeypatch.setattr(sys, "argv", ["ecc-px", "info", str(text)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    assert capsys.readouterr().err == f"Error: {text}: not an HDF5 file, so no ilastik project; pass an .ilp.\n"


def test_depth_counts_decisions():
    leaf = -1
    forest = Forest(
        feature=np.array([leaf, 0, leaf, 0, leaf, leaf], np.int32),
        threshold=np.zeros(6),
        left=np.array([-1, 2, -1, 4, -1, -1], np.int32),
        right=np.array([-1, 3, -1, 5, -1, -1], np.int32),
        fractions=np.ones((6, 1)),
        roots=np.array([0, 1], np.int32),
        part_sizes=(2,),
        labels=np.array([1], np.int32),
        n_features=1,
    )
    assert max_depth(forest) == 2
