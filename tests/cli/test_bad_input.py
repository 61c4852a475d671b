"""Bad input gives exit code 1, one sentence, no traceback and no half-written output."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

DATA = Path(__file__).parents[1] / "data" / "synthetic"
SEED_SET, TWO_CHANNELS = DATA / "s1_3d_seedset", DATA / "s2_2d_2channel"
VOLUME = np.random.default_rng(0).integers(0, 4000, (20, 30, 30), np.uint16)


def ecc_px(*arguments, cwd=None):
    command = [sys.executable, "-m", "ecc_px", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def refused(*arguments, says):
    """The command fails with one sentence that says what is wanted of it."""
    finished = ecc_px(*arguments)
    lines = [line for line in finished.stderr.splitlines() if line.strip()]
    assert finished.returncode == 1, finished
    assert len(lines) == 1, finished.stderr
    assert lines[0].startswith("Error: ")
    for words in [says] if isinstance(says, str) else says:
        assert words in lines[0]


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "brain.h5"
    with h5py.File(path, "w") as file:
        file["data"] = VOLUME
    return path


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    yield folder
    if folder.exists():
        assert list(folder.iterdir()) == []  # nothing half-written


def project(tmp_path, change):
    path = tmp_path / "changed.ilp"
    shutil.copy(SEED_SET / "project.ilp", path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_not_an_ilp(tmp_path, volume, out):
    (tmp_path / "notes.ilp").write_text("trained last Tuesday")
    refused("predict", tmp_path / "notes.ilp", volume, "-o", out, says="not an HDF5 file, so no ilastik project")


def test_missing_project(tmp_path, volume, out):
    refused("predict", tmp_path / "no.ilp", volume, "-o", out, says="does not exist")


def test_project_without_a_forest_says_how_to_train(tmp_path, volume, out):
    def untrain(file):
        del file["PixelClassification/ClassifierForests"]

    refused("predict", project(tmp_path, untrain), volume, "-o", out, says=["no trained forest", "Live Update"])


def test_project_of_another_workflow(tmp_path, volume, out):
    def rename(file):
        del file["workflowName"]
        file["workflowName"] = "Tracking"

    refused("predict", project(tmp_path, rename), volume, "-o", out, says="'Tracking'")


@pytest.mark.skipif(not (DATA.parents[3] / "shared/golden").exists(), reason="../shared/golden is not there")
def test_two_stage_autocontext_is_refused_for_now(volume, out):
    folder = DATA.parents[3] / "shared/golden/ilastik/f_autocontext_v141"
    refused("predict", folder / "project.ilp", volume, "-o", out, says=["autocontext", "for now"])


def test_another_number_of_channels(volume, out):
    refused("predict", TWO_CHANNELS / "project.ilp", volume, "-o", out, says=["1 channel,", "images with 2"])


def test_thinner_than_a_filter_needs(tmp_path, out):
    with h5py.File(tmp_path / "thin.h5", "w") as file:
        file["data"] = VOLUME[:13]
    refused(
        "predict", SEED_SET / "project.ilp", tmp_path / "thin.h5", "-o", out, says=["13 voxels along z", "needs 14"]
    )


def test_empty_file(tmp_path, out):
    (tmp_path / "empty.h5").touch()
    refused("predict", SEED_SET / "project.ilp", tmp_path / "empty.h5", "-o", out, says="the file is empty")


def test_truncated_hdf5(volume, out):
    whole = volume.read_bytes()
    volume.write_bytes(whole[: len(whole) // 2])
    refused("predict", SEED_SET / "project.ilp", volume, "-o", out, says="was cut short")


def test_missing_plane_is_named(tmp_path, out):
    folder = tmp_path / "planes"
    folder.mkdir()
    for z, plane in enumerate(VOLUME):
        if z != 7:
            tifffile.imwrite(folder / f"brain Z{z:04d}.tif", plane)
    refused("predict", SEED_SET / "project.ilp", folder, "-o", out, says="plane brain Z0007.tif is missing")


def test_project_in_the_place_of_a_volume(out):
    refused("predict", SEED_SET / "project.ilp", SEED_SET / "project.ilp", "-o", out, says="project is no image")


def test_existing_output_is_kept(volume, tmp_path):
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / "brain_probabilities.h5"
    kept.write_bytes(b"precious")
    refused("predict", SEED_SET / "project.ilp", volume, "-o", kept.parent, says=["already there", "--overwrite"])
    assert kept.read_bytes() == b"precious"


def test_file_where_the_output_folder_should_be(volume, tmp_path):
    (tmp_path / "taken").write_text("a file")
    refused("predict", SEED_SET / "project.ilp", volume, "-o", tmp_path / "taken", says="there is a file, not a folder")


def test_full_disk(tmp_path, volume):
    """On a file system of its own that is too small, where we may mount one; else with a quota on file sizes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", disk], capture_output=True).returncode == 0
    )
    command = [sys.executable, "-m", "ecc_px", "predict", SEED_SET / "project.ilp", volume, "-o", disk]
    command += ["--compression", "none"]
    limit = "" if mounted else "ulimit -f 100; "
    try:
        finished = subprocess.run(
            ["bash", "-c", f'{limit}exec "$@"', "bash", *map(str, command)], capture_output=True, text=True, check=False
        )
        assert finished.returncode == 1
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr
        assert ("full" if mounted else "too large") in finished.stderr
        assert list(disk.iterdir()) == []
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)


def test_unknown_voxel_size_is_told_before_any_work(volume, out):
    refused("run", SEED_SET / "project.ilp", volume, "-o", out, says=["how large its voxels are", "--voxel-um Z Y X"])


def test_two_inputs_of_one_name(volume, tmp_path, out):
    (tmp_path / "other").mkdir()
    shutil.copy(volume, tmp_path / "other" / "brain.h5")
    refused(
        "predict",
        SEED_SET / "project.ilp",
        volume,
        tmp_path / "other" / "brain.h5",
        "-o",
        out,
        says="Several inputs are called brain",
    )


def test_bad_brain_does_not_stop_the_others(volume, tmp_path):
    finished = ecc_px(
        "run",
        SEED_SET / "project.ilp",
        tmp_path / "gone.h5",
        volume,
        "-o",
        tmp_path / "out",
        "--voxel-um",
        7,
        6.45,
        6.45,
    )
    assert finished.returncode == 1
    assert "gone.h5: there is no such file" in finished.stderr
    assert "1 of 2 inputs failed" in finished.stderr
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"brain_probabilities.h5", "brain_cells.csv", "brain_overview.png", "brain_report.html"} <= made
    receipt = json.loads((tmp_path / "out" / "brain_cells.csv.receipt.json").read_text())
    assert receipt["voxel_um_zyx"] == [7, 6.45, 6.45]


def test_help_of_every_command_says_in_which_order_voxel_sizes_come():
    for command in (["predict"], ["run"], ["cells", "find"], ["convert"]):
        finished = ecc_px(*command, "--help")
        assert finished.returncode == 0
        assert "z y x" in " ".join(finished.stdout.split()).lower().replace("│ │", "")
