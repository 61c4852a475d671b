"""Whatever is wrong with a file, the person is told in one sentence; nothing crashes, hangs or is guessed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px.errors import EccPxError, UnreadableProject, UnsupportedProject
from ecc_px.ilastik import read_labels, read_project

REPO = Path(__file__).resolve().parents[2]
SOURCE = REPO / "tests" / "data" / "synthetic" / "s2_2d_2channel" / "project.ilp"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"


def assert_refused(path, words, error=UnreadableProject):
    with pytest.raises(error, match=words) as caught:
        read_project(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_missing_file_and_folder_are_refused(tmp_path):
    assert_refused(tmp_path / "none.ilp", "does not exist")
    assert_refused(tmp_path, "is a folder")


def test_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.ilp"
    path.touch()
    assert_refused(path, "empty")


def test_file_that_is_not_hdf5_is_refused(tmp_path):
    path = tmp_path / "text.ilp"
    path.write_text("once upon a time there was a classifier")
    assert_refused(path, "not an HDF5 file")


def test_hdf5_file_that_is_no_project_is_refused():
    assert_refused(SOURCE.with_name("train.h5"), "no ilastik project")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_project_is_refused(tmp_path, share):
    path = tmp_path / "truncated.ilp"
    whole = SOURCE.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert_refused(path, "truncated")


def test_project_that_another_program_writes_is_refused(edited):
    path = edited(lambda file: None)
    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        assert_refused(path, "another program")
        holder.stdin.close()
    assert read_project(path).forest is not None


@pytest.mark.parametrize(
    ("workflow", "words"),
    [
        ("AutocontextTwoStage", "autocontext.*for now"),
        ("Carving", "workflow 'Carving'"),
        ("Object Classification (from prediction image)", "from prediction image"),
    ],
)
def test_other_workflow_is_refused_by_its_name(edited, workflow, words):
    def edit(file):
        file["workflowName"][()] = workflow

    assert_refused(edited(edit), words, UnsupportedProject)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")
def test_real_autocontext_project_is_refused():
    assert_refused(GOLDEN / "f_autocontext_v141" / "project.ilp", "autocontext.*for now", UnsupportedProject)


def test_pickled_classifier_is_refused_and_not_loaded(edited, tmp_path):
    trap = tmp_path / "trap"

    def edit(file):
        forests = file["PixelClassification/ClassifierForests"]
        payload = f"cos\nsystem\n(S'touch {trap}'\ntR.".encode()
        forests["pickled_classifier"] = np.void(payload)
        forests["pickled_type"][()] = (
            "clazyflow.classifiers.sklearnLazyflowClassifier\nSklearnLazyflowClassifier\np0\n."
        )

    assert_refused(edited(edit), "SklearnLazyflowClassifier", UnsupportedProject)
    assert not trap.exists()


def test_features_from_an_external_file_are_refused(edited):
    def edit(file):
        file["FeatureSelections/FeatureListFilename"] = [b"features.txt"]

    assert_refused(edited(edit), "external file", UnsupportedProject)


def test_project_of_ilastik_0_5_is_refused(tmp_path):
    path = tmp_path / "old.ilp"
    with h5py.File(path, "w") as file:
        file.create_group("DataSets")
        file.create_group("Project")
    assert_refused(path, "ilastik 0.5", UnsupportedProject)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FeatureSelections/Scales", np.array([0.7, -1.0, 1.6, 3.5, 5.0, 10.0, 20.0])),
        ("FeatureSelections/Scales", np.array([0.7, 1.0])),
        ("FeatureSelections/ComputeIn2d", np.array([True])),
        ("FeatureSelections/SelectionMatrix", np.array([b"text"])),
        ("Input Data/infos/lane0000/Raw Data/shape", np.array([72, 80])),
        ("Input Data/infos/lane0000/Raw Data/axistags", b"{}"),
        ("Input Data/infos/lane0000/Raw Data/axistags", b'{"axes": [{"key": "y"}, {"key": "y"}, {"key": "q"}]}'),
        ("workflowName", np.array([b"a", b"b"])),
    ],
)
def test_fact_that_can_not_be_is_refused_with_its_place(edited, name, value):
    def edit(file):
        del file[name]
        file[name] = value

    assert_refused(edited(edit), f"damaged at /{name.rpartition('/')[0]}")


def flipped(data: bytes, rng: np.random.Generator, n: int) -> bytes:
    damaged = bytearray(data)
    for at, value in zip(rng.integers(0, len(data), n), rng.integers(0, 256, n), strict=True):
        damaged[at] = value
    return bytes(damaged)


def test_random_damage_ends_in_a_project_or_in_one_of_our_errors(tmp_path):
    source = SOURCE.read_bytes()
    rng = np.random.default_rng(7)
    path = tmp_path / "damaged.ilp"
    refusals = []
    for n_bytes in [0, 1, 8, 200] * 50:
        path.write_bytes(flipped(source, rng, n_bytes) if n_bytes else source[: rng.integers(len(source))])
        try:
            project = read_project(path)
            for lane in range(len(project.lanes)):
                read_labels(project, lane)
        except EccPxError as error:
            refusals.append(str(error))
    assert all(sentence.startswith(str(path)) for sentence in refusals)
    assert 100 < len(refusals) < 200  # a byte flipped in unused space does no harm


def test_damaged_text_heap_is_refused_instead_of_hanging(tmp_path):
    # libhdf5 2.0 loops for ever on the first of these and crashes on some of the others.
    source = SOURCE.read_bytes()
    heaps = [at for at in range(0, len(source), 8) if source[at : at + 5] == b"GCOL\x01"]
    assert heaps
    path = tmp_path / "heap.ilp"
    for heap in heaps:
        for length in (161, 2**63, 2**64 - 16, 2**64 - 1):
            damaged = bytearray(source)
            damaged[heap + 24 : heap + 32] = length.to_bytes(8, "little")
            path.write_bytes(damaged)
            assert_refused(path, "texts are damaged|leads nowhere")
