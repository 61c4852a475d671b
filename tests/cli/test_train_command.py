"""`ecc-px train` and `ecc-px classifiers`: from labels to a classifier that every command takes."""

import json
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px import load_classifier
from ecc_px.classifiers import suggestion
from ecc_px.classifiers.bundle import read_bundle
from ecc_px.cli import main
from ecc_px.ilastik import read_labels, read_project
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "synthetic"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a project and its image, labels of it as files of their own, and an empty registry."""
    for name in ("project.ilp", "train.h5", "unseen.h5"):
        shutil.copy(SYNTHETIC / "s1_3d_seedset" / name, tmp_path / name)
    drawn = read_labels(read_project(tmp_path / "project.ilp"), 0)
    with open_volume(tmp_path / "train.h5") as image:
        labels = drawn.dense((1, *image.shape))
    half = np.where(np.arange(labels.shape[3]) < labels.shape[3] // 2, labels, 0).astype(np.uint8)
    write_labels(tmp_path / "labels.h5", labels)
    write_labels(tmp_path / "half.h5", half)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECC_PX_CLASSIFIERS", str(tmp_path / "registry"))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def write_labels(path: Path, labels: np.ndarray) -> None:
    layout = Layout(axes="zyx", stored_shape=labels.shape[1:], dtype=labels.dtype)
    with create_volume(path, layout) as writer:
        writer.write(whole(labels.shape[1:]), labels)


@pytest.fixture
def run(monkeypatch, capsys):
    """Type a command: its exit code, what it printed, and its error."""

    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ecc-px", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return typed


BUNDLE = ("train", "PV.pxc", "--image", "train.h5", "--labels", "labels.h5", "--trees", "10")


def test_project_is_trained_in_place_with_a_report_beside_it(desk, run):
    code, out, _ = run("train", "project.ilp", "--trees", "10")
    assert code == 0
    assert "Out-of-bag error" in out
    assert load_classifier("project.ilp").forest.n_trees == 10
    report = json.loads((desk / "project_training.json").read_text())
    assert report["classes"] == ["cell", "false signal", "background"]
    assert report["settings"]["trees"] == 10
    assert report["seconds"].keys() == {"features", "forest", "lanes left out"}
    assert "Importance" in (desk / "project_training.txt").read_text()
    assert (desk / "project_training.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("train", "project.ilp", "--trees", "10")
    assert "nothing changed" in out


def test_options_reach_the_forest(desk, run):
    run("train", "project.ilp", "--trees", "5", "--seed", "3", "--label-proportion", "0.5", "--balanced")
    report = json.loads((desk / "project_training.json").read_text())
    assert report["used"] == [150, 100, 200]
    assert report["settings"] == {
        "features": "gaussian@0.3,0.7;gradient@0.7;dog@0.7,1,1.6,3.5;hessian@1,1.6,3.5",
        "trees": 5,
        "seed": 3,
        "label_proportion": 0.5,
        "max_per_class": None,
        "class_weight": "balanced",
        "allow_unlabelled": False,
    }
    run("train", "project.ilp", "--trees", "5", "--max-per-class", "90", "--class-weight", "cell=2")
    report = json.loads((desk / "project_training.json").read_text())
    assert report["used"] == [90, 90, 90]
    assert report["settings"]["class_weight"] == "1=2.0"


def test_classifier_file_is_taken_by_info_predict_and_run(desk, run):
    code, _, _ = run(*BUNDLE, "--class", "cell:object", "--class", "false:false_signal", "--class", "background")
    assert code == 0
    assert [c.role for c in read_bundle("PV.pxc").classes] == ["object", "false_signal", None]
    code, out, _ = run("info", "PV.pxc")
    assert code == 0
    assert "10 trees" in out
    assert "false_signal" in out
    code, _, error = run("run", "PV.pxc", "unseen.h5", "-o", "out", "--voxel-um", "1", "1", "1")
    assert code == 0, error
    table = (desk / "out" / "unseen_cells.csv").read_bytes()
    code, _, error = run("run", "PV.pxc", "unseen.h5", "-o", "same", "--voxel-um", "1", "--executor", "processes")
    assert code == 0, error
    assert (desk / "same" / "unseen_cells.csv").read_bytes() == table
    run("predict", "PV.pxc", "unseen.h5", "-o", "other")
    with h5py.File("other/unseen_probabilities.h5") as file:
        assert file["exported_data"].shape[-1] == 3


def test_several_images_are_left_out_in_turn(desk, run):
    shutil.copy("train.h5", "second.h5")
    code, out, _ = run(*BUNDLE, "--image", "second.h5", "--labels", "half.h5", "--features", "gaussian@0.7;hessian@1")
    assert code == 0
    assert "By lane left out" in out
    report = json.loads((desk / "PV_training.json").read_text())
    assert [lane["lane"] for lane in report["lanes_left_out"]] == ["train", "second"]
    assert report["left_out_accuracy"] > 0.9
    assert len(report["features"]) == 4


def test_values_are_mapped_to_classes_by_the_table_given(desk, run):
    run(*BUNDLE, "--map", "cell=1,other=2,other=3", "--class", "other", "--class", "cell")
    assert json.loads((desk / "PV_training.json").read_text())["used"] == [600, 300]


def test_a_saved_classifier_stands_for_its_file(desk, run):
    run(*BUNDLE)
    code, out, _ = run("classifiers", "save", "PV-2x", "PV.pxc", "--stain", "PV", "--voxel-um", "2", "1", "1")
    assert code == 0
    code, out, _ = run("classifiers", "list")
    assert "PV-2x" in out
    assert "2 × 1 × 1 µm" in out
    code, out, _ = run("classifiers", "show", "PV-2x")
    assert re.search(r"stain +PV\n", out)
    code, out, _ = run("predict", "PV-2x", "unseen.h5", "-o", "out")
    assert code == 0
    assert run("classifiers", "save", "PV-2x", "PV.pxc")[0] == 1
    assert run("classifiers", "remove", "PV")[0] == 1
    assert run("classifiers", "remove", "PV-2x")[0] == 0
    assert "No classifier is saved" in run("classifiers", "list")[1]


def test_proposed_features_are_good_and_the_same_each_time(desk, run, monkeypatch):
    monkeypatch.setattr(suggestion, "LONGEST", 3)
    monkeypatch.setattr(suggestion, "TREES", 8)
    code, out, _ = run("train", "project.ilp", "--suggest-features", "--max-per-class", "150")
    assert code == 0
    assert "← proposed" in out
    proposed = re.search(r"--features '(.*)'", out)[1]
    again = run("train", "project.ilp", "--suggest-features", "--max-per-class", "150", "-j", "1")[1]
    assert again == out
    code, out, _ = run("train", "project.ilp", "--features", proposed)
    assert code == 0
    report = json.loads((desk / "project_training.json").read_text())
    assert report["out_of_bag_error"] < 0.1
    assert report["settings"]["features"] == proposed


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("train", "missing.ilp"), "missing.ilp"),
        (("train", "train.h5"), "an ilastik project (.ilp) or a file of our own (.pxc)"),
        (("train", "project.ilp", "--image", "train.h5"), "has its own images"),
        (("train", "project.ilp", "--features", "sobel@1"), "no filter 'sobel'"),
        (("train", "project.ilp", "--features", "hessian@0.3"), "only Gaussian Smoothing"),
        (("train", "project.ilp", "--features", "hessian@30"), "lane0000"),
        (("train", "project.ilp", "--balanced", "--class-weight", "cell=2"), "choose one"),
        (("train", "project.ilp", "--class-weight", "cat=2"), "no class 'cat'"),
        (("train", "project.ilp", "--suggest-features", "--features", "ecc"), "choose one"),
        (("train", "project.ilp", "--trees", "0"), "0 trees"),
        (("train", "PV.pxc"), "0 --image and 0 --labels"),
        (("train", "PV.pxc", "--image", "train.h5"), "1 --image and 0 --labels"),
        (("train", "PV.pxc", "--image", "missing.h5", "--labels", "labels.h5"), "missing.h5"),
        (("train", "PV.pxc", "--image", "unseen.h5", "--labels", "labels.h5"), "labels.h5"),
        (("train", "PV.pxc", "--image", "train.h5", "--labels", "train.h5"), "train.h5"),
        ((*BUNDLE, "--class", "cell"), "without a class"),
        ((*BUNDLE, "--class", "cell:nothing"), "no role 'nothing'"),
        ((*BUNDLE, *(word for k in range(4) for word in ("--class", f"c{k}"))), "labelled as 4 (c3)"),
        ((*BUNDLE, "--map", "cell=one"), "--map"),
        (("classifiers", "save", "../x", "project.ilp"), "can't name a classifier"),
        (("classifiers", "save", "x", "train.h5"), "train.h5"),
        (("classifiers", "show", "x"), "No classifier is called 'x'"),
        (("predict", "x", "train.h5", "-o", "out"), "No classifier is called 'x'"),
    ],
)
def test_bad_orders_are_one_sentence_and_change_nothing(desk, run, words, reason):
    before = {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()}
    code, _, error = run(*words)
    assert code == 1
    assert error.strip().startswith("Error: ")
    assert len(error.strip().splitlines()) == 1
    assert reason in error
    assert {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()} == before
