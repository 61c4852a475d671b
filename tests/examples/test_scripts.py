"""The example scripts run as their first lines say, on a small brain, and find its cells."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from synthetic_brain import Brain, write

from ecc_px.cells.scoring import found_positions, score, true_positions
from ecc_px.volumes import open_volume

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "tests/data/synthetic/s1_3d_seedset/project.ilp"
BRAIN = Brain(shape=(64, 80, 96), seed=11)
VOXEL_UM = [str(size) for size in BRAIN.voxel_um]


def run(script, *arguments):
    return python(ROOT / "examples" / script, *arguments)


def python(*arguments):
    """Run Python and return what it prints; what it complains about is the test's failure."""
    finished = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A small brain, its truth, and what one_brain.py makes of it."""
    folder = tmp_path_factory.mktemp("results")
    write(BRAIN, folder / "brain.h5")
    run("one_brain.py", PROJECT, folder / "brain.h5", "--voxel-um", *VOXEL_UM, "--out", folder)
    return folder


def test_one_brain_finds_most_of_the_true_cells(results):
    found = found_positions(results / "brain_cells.csv", BRAIN.voxel_um)
    result = score(found, true_positions(results / "brain_truth.csv"))
    assert result.precision > 0.7
    assert result.recall > 0.7
    assert result.median_um < 3


def test_one_brain_leaves_probabilities_table_and_picture(results):
    with open_volume(results / "brain_probabilities.h5") as probabilities:
        assert (probabilities.shape, probabilities.channels) == (BRAIN.shape, 3)
    columns = list(pd.read_csv(results / "brain_cells.csv"))
    assert columns[:7] == ["X", "Y", "Z", "deltaI", "BG", "vol", "deltaI_total"]
    assert (results / "brain_overview.png").read_bytes().startswith(b"\x89PNG")


def test_thresholds_are_compared_against_the_truth(results):
    printed = run(
        "choose_threshold.py",
        *(results / "brain_probabilities.h5", results / "brain.h5"),
        *("--voxel-um", *VOXEL_UM, "--thresholds", "0.5", "0.7", "--truth", results / "brain_truth.csv"),
    )
    header, at_half, at_seven_tenths = (line.split() for line in printed.splitlines())
    assert header == ["threshold", "cells", "median_volume_um3", "precision", "recall", "f1"]
    volume, f1 = header.index("median_volume_um3"), header.index("f1")
    assert float(at_half[volume]) > float(at_seven_tenths[volume])
    assert min(float(at_half[f1]), float(at_seven_tenths[f1])) > 0.8


def test_overview_is_drawn_with_the_truth(results, tmp_path):
    run(
        "draw_overview.py",
        *(results / "brain.h5", results / "brain_probabilities.h5", results / "brain_cells.csv"),
        *("--truth", results / "brain_truth.csv", "--out", tmp_path / "overview.png"),
    )
    assert (tmp_path / "overview.png").stat().st_size > 10_000


def test_cohort_has_a_row_for_each_brain(tmp_path):
    for name, density in (("sparse", 500), ("dense", 4000)):
        write(Brain(shape=(40, 48, 48), seed=2, cells_per_mm3=density), tmp_path / f"{name}.h5")
    python("-m", "ecc_px", "run", PROJECT, tmp_path / "sparse.h5", tmp_path / "dense.h5", "-o", tmp_path / "out")
    run("cohort.py", tmp_path / "out", "--out", tmp_path / "cohort.csv")
    cohort = pd.read_csv(tmp_path / "cohort.csv").set_index("brain")
    assert set(cohort.index) == {"sparse", "dense"}
    assert cohort.loc["dense", "cells"] == len(pd.read_csv(tmp_path / "out/dense_cells.csv"))
    assert cohort.loc["dense", "cells"] > cohort.loc["sparse", "cells"]
    imaged_mm3 = 40 * 48 * 48 * 6.5**3 * 1e-9
    assert cohort.loc["dense", "cells_per_mm3"] == pytest.approx(cohort.loc["dense", "cells"] / imaged_mm3, rel=1e-4)


def test_generator_writes_brain_and_truth(tmp_path):
    printed = run("synthetic_brain.py", "--shape", 20, 30, 40, "--seed", 5, "--out", tmp_path / "small.h5")
    assert str(tmp_path / "small_truth.csv") in printed
    with open_volume(tmp_path / "small.h5") as volume:
        assert volume.shape == (20, 30, 40)
