"""What the README shows works when it is typed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_brain import Brain, write

from ecc_px.volumes import convert

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path):
    """A folder with the files that the README speaks of."""
    shutil.copy(ROOT / "tests/data/synthetic/s1_3d_seedset/project.ilp", tmp_path / "PV.ilp")
    write(Brain(shape=(36, 40, 44)), tmp_path / "brain.h5")
    return tmp_path


def run(*command, cwd):
    finished = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{shlex.join(command)}\n{finished.stderr}"


def test_commands_of_the_tour_run_in_their_order(desk):
    shutil.copy(desk / "brain.h5", desk / "brain1.h5")
    for other in ("brain2", "brain3.ome.zarr"):
        convert(desk / "brain.h5", desk / other)
    lines = [line for block in code_blocks("") for line in block.splitlines() if line.startswith("ecc-px")]
    assert len(lines) >= 5
    for line in lines:
        run("-m", "ecc_px", *shlex.split(line, comments=True)[1:], cwd=desk)
    tables = {path.name for path in (desk / "out").glob("*_cells.csv")}
    assert tables == {"brain_cells.csv", "brain1_cells.csv", "brain2_cells.csv", "brain3_cells.csv"}


def test_python_example_runs(desk):
    (example,) = code_blocks("python")
    run("-c", example, cwd=desk)
    assert (desk / "out/brain_cells.csv").read_text().startswith("X,Y,Z,deltaI,BG,vol,deltaI_total")


def test_scripts_and_pages_that_it_names_exist():
    scripts = re.findall(r"bash (scripts/\S+)", README)
    assert {"scripts/demo.sh", "scripts/test.sh"} <= set(scripts)
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK)
    for page in re.findall(r"\]\(([^):]+)\)", README):
        assert (ROOT / page).exists(), page
