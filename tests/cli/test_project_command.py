"""`ecc-px project` makes and changes projects from the command line; a mistake is one sentence and changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px.cli import main
from ecc_px.ilastik import feature_set_of, read_labels, read_project
from ecc_px.labels import Annotation, LabelBlock
from ecc_px.labels.writing import write_annotation
from ecc_px.volumes import open_volume

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "synthetic" / "s1_3d_seedset"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in `tmp_path`; returns its exit code, output, and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ecc-px", "project", *map(str, arguments)])
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code or 0, said.out, said.err

    return call


@pytest.fixture
def brain(tmp_path):
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file["data"] = np.random.default_rng(0).integers(0, 4000, (20, 30, 40), np.uint16)
    return Path("brain.h5")


@pytest.fixture
def project(run, brain):
    classes = ("--class", "cell:object", "--class", "false:false_signal", "--class", "background:background")
    assert run("create", "PV.ilp", "--features", "ecc", *classes)[0] == 0
    return Path("PV.ilp")


def write_labels(path, values):
    """A NIfTI label image on the brain's grid."""
    labels = np.zeros((1, 20, 30, 40), np.uint8)
    labels[0, 3, 4, : len(values)] = values
    with open_volume("brain.h5") as volume:
        write_annotation(path, Annotation((LabelBlock((0, 0, 0, 0), labels),), labels.shape), volume)
    return path


def test_create_says_what_it_made(project):
    found = read_project(project)
    assert [(c.label, c.name, c.role) for c in found.classes] == [
        (1, "cell", "object"),
        (2, "false", "false_signal"),
        (3, "background", "background"),
    ]
    assert feature_set_of(found.features).count() == 16


def test_create_without_anything_makes_the_classes_and_features_of_ecc(run):
    code, out, _ = run("create", "new.ilp")
    assert (code, out) == (0, "new.ilp: 16 features, classes 1 cell, 2 false, 3 background\n")


def test_an_image_is_added_with_labels_from_itk_snap(run, project, brain):
    write_labels(Path("labels.nii.gz"), [1, 1, 2, 3])
    code, out, _ = run("add", project, brain, "--labels", "labels.nii.gz", "--store", "relative")
    assert (code, out) == (0, "PV.ilp: 1: brain, labelled voxels: 2 cell, 1 false, 1 background\n")
    found = read_project(project)
    assert found.lanes[0].path == "brain.h5/data"
    assert read_labels(found, 0).dense()[0, 3, 4, :5].tolist() == [1, 1, 2, 3, 0]


def test_labels_are_replaced_and_mapped_by_name(run, project, brain):
    run("add", project, brain, "--nickname", "first")
    write_labels(Path("labels.nii.gz"), [7, 9, 9])
    code, out, _ = run("set-labels", project, "first", "labels.nii.gz", "--map", "background=7,cell=9")
    assert (code, out) == (0, "PV.ilp: 1: first, labelled voxels: 2 cell, 1 background\n")


def test_labels_come_out_as_files_that_go_in_again(run, project, brain):
    write_labels(Path("labels.nii.gz"), [1, 1, 2, 3])
    for _ in range(2):
        run("add", project, brain, "--labels", "labels.nii.gz", "--store", "copy")
    brain.rename("moved.h5")
    code, _, _ = run("labels", project, "-o", "out")
    assert code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "brain_lane0000_labels.h5",
        "brain_lane0001_labels.h5",
    ]
    with open_volume("out/brain_lane0000_labels.h5") as volume:
        assert np.array_equal(volume.read()[0], read_labels(read_project(project), 0).dense()[0])
    assert run("set-labels", project, "2", "out/brain_lane0000_labels.h5")[0] == 0


def test_classes_features_and_images_change_in_place(run, project, brain):
    run("add", project, brain)
    run("add", project, brain, "--nickname", "second")
    assert run("rename-class", project, "cell", "neuron")[1].startswith("PV.ilp: 1 neuron (object), ")
    assert run("add-class", project, "vessel:background")[1].endswith(", 4 vessel (background)\n")
    assert run("set-features", project, "gaussian@1;hessian@1.6")[1] == "PV.ilp: features changed\n"
    assert run("set-features", project, "gaussian@1;hessian@1.6")[1] == "PV.ilp: has these features already\n"
    assert run("remove-lane", project, "1")[1] == "PV.ilp: brain removed, images left: 1\n"
    assert [lane.nickname for lane in read_project(project).lanes] == ["second"]


def test_moved_images_are_relinked_and_missing_ones_told(run, project, brain, tmp_path):
    run("add", project, brain)
    (tmp_path / "archive").mkdir()
    brain.rename("archive/brain.h5")
    code, out, _ = run("relink", project, "--folder", "archive")
    assert (code, out) == (0, f"lane0000: {tmp_path}/brain.h5/data → {tmp_path}/archive/brain.h5/data\n")
    Path("archive/brain.h5").rename("renamed.h5")
    assert run("relink", project, "--image", "brain.h5=renamed.h5")[0] == 0
    with open_volume("renamed.h5") as volume:
        assert volume.shape == (20, 30, 40)
    Path("renamed.h5").unlink()
    code, _, err = run("relink", project, "--folder", "archive")
    assert (code, err.count("none of the missing images")) == (1, 1)


REFUSED = [
    (["create", "PV.ilp"], "--overwrite"),
    (["create", "new.ilp", "--features", "gaussian"], "gaussian"),
    (["create", "new.ilp", "--features", "hessian@0.3"], "0.3"),
    (["create", "new.ilp", "--class", "a:nothing"], "no role"),
    (["create", "new.ilp", "--class", "a", "--class", "A"], "called 'a'"),
    (["create", "new.ilp", *(["--class", "x"] * 2)], "own name"),
    (["create", "new.ilp", *(word for n in range(120) for word in ("--class", f"c{n}"))], "120 classes are too many"),
    (["create", "gone/new.ilp"], "no folder"),
    (["add", "PV.ilp", "gone.h5"], "gone.h5"),
    (["add", "brain.h5", "brain.h5"], "no ilastik project"),
    (["add", "PV.ilp", "brain.h5", "--labels", "gone.nii"], "gone.nii"),
    (["add", "PV.ilp", "brain.h5", "--labels", "empty.nii.gz"], "no voxel is labelled"),
    (["add", "PV.ilp", "brain.h5", "--labels", "unknown.nii.gz"], "4 (2 voxels)"),
    (["add", "PV.ilp", "brain.h5", "--labels", "unknown.nii.gz", "--map", "neuron=4"], "no class 'neuron'"),
    (["add", "PV.ilp", "brain.h5", "--labels", "unknown.nii.gz", "--map", "cell"], "NAME=VALUE"),
    (["add", "PV.ilp", "brain.h5", "--labels", "small.h5"], "(30, 30, 30)"),
    (["add", "PV.ilp", "unknown.nii.gz"], "--store copy"),
    (["add", "PV.ilp", "brain.h5", "--level", "1"], "--store copy"),
    (["add", "PV.ilp", "brain.h5", "--axes", "zy"], "axes 'zy'"),
    (["set-labels", "PV.ilp", "3", "unknown.nii.gz"], "no lane '3', only 1: brain"),
    (["labels", "PV.ilp", "-o", "out"], "none of its images has labels"),
    (["remove-lane", "PV.ilp", "x"], "no lane 'x'"),
    (["relink", "PV.ilp"], "--folder"),
    (["relink", "PV.ilp", "--image", "brain.h5"], "OLD=NEW"),
    (["relink", "PV.ilp", "--image", "x.h5=brain.h5"], "no image 'x.h5'"),
    (["rename-class", "PV.ilp", "neuron", "x"], "no class 'neuron'"),
    (["add-class", "PV.ilp", "cell"], "two classes"),
    (["set-features", "gone.ilp", "ecc"], "does not exist"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED, ids=[" ".join(words)[:60] for words, _ in REFUSED])
def test_a_mistake_is_one_sentence_and_nothing_changes_on_disk(arguments, says, run, project, brain):
    run("add", project, brain)
    write_labels(Path("unknown.nii.gz"), [4, 4])
    write_labels(Path("empty.nii.gz"), [])
    with h5py.File("small.h5", "w") as file:
        file["labels"] = np.ones((30, 30, 30), np.uint8)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    assert says in lines[0]
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
