"""`ecc-px cells find` on real files."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from ecc_px.cells import COLUMNS, find_cells
from ecc_px.cells.table import FURTHER_COLUMNS
from ecc_px.cli import app
from ecc_px.errors import EccPxError, UnreadableVolume
from ecc_px.pipeline.cells import write_cells


@pytest.fixture
def brain(tmp_path, blobs):
    """brain.h5 and brain_probabilities.h5 as ilastik writes it: float32, axes zyxc, three classes."""
    probabilities, raw = blobs
    first = probabilities.astype(np.float32) / 255
    exported = np.stack([first, (1 - first) / 2, (1 - first) / 2], axis=-1)
    with h5py.File(tmp_path / "brain_probabilities.h5", "w") as file:
        dataset = file.create_dataset("exported_data", data=exported, chunks=(9, 16, 16, 3))
        tags = [{"key": axis, "typeFlags": 2, "resolution": 0, "description": ""} for axis in "zyxc"]
        dataset.attrs["axistags"] = json.dumps({"axes": tags})
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file.create_dataset("data", data=raw)
    return tmp_path


def find(brain, *options):
    arguments = ["cells", "find", brain / "brain_probabilities.h5", "--raw", brain / "brain.h5", "-o", brain / "out"]
    return CliRunner().invoke(app, [str(a) for a in (*arguments, *options)])


def test_the_table_is_that_of_the_library(brain, tmp_path):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--min-volume", 3, "-j", 2)
    assert done.exit_code == 0, done.output
    cells = find_cells(brain / "brain_probabilities.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), min_volume=3)
    expected = cells.write_csv(tmp_path / "expected.csv").read_bytes()
    assert (brain / "out" / "brain_cells.csv").read_bytes() == expected
    assert f"{len(cells)} cells" in done.stdout
    assert f"{cells.summary.too_small_or_faint} parts of objects too small or too faint" in done.stdout


def test_one_cell_is_told_of_in_the_singular(brain):
    with h5py.File(brain / "brain_probabilities.h5", "r+") as file:
        file["exported_data"][..., 0] = 0
        file["exported_data"][3:6, 3:6, 3:6, 0] = 1
    with h5py.File(brain / "brain.h5", "r+") as file:
        file["data"][3:6, 3:6, 3:6] = 200
    done = find(brain, "--voxel-um", 7, 6.45, 6.5)
    assert re.search(r"1 cell of \d+\.\d µm in 1 object$", done.stdout.strip()), done.output


def test_the_receipt_holds_the_settings_that_nobody_gave(brain):
    assert find(brain, "--voxel-um", 7, 6.45, 6.5, "--min-volume", 3, "--exclude", brain / "brain.h5").exit_code == 0
    receipt = json.loads((brain / "out" / "brain_cells.csv.receipt.json").read_text())
    write_cells(
        brain / "brain_probabilities.h5",
        brain / "brain.h5",
        brain / "library",
        voxel_um=(7, 6.45, 6.5),
        min_volume=np.int64(3),
        exclude=brain / "brain.h5",
    )
    same = json.loads((brain / "library" / "brain_cells.csv.receipt.json").read_text())
    assert receipt["settings"] == same["settings"]
    expected = {"threshold": 0.5, "split": "auto", "connectivity": 26, "min_volume": 3, "max_volume": None}
    assert receipt["settings"] | expected == receipt["settings"]
    assert receipt["settings"]["exclude"] == str(brain / "brain.h5")


def test_the_receipt_of_an_earlier_table_never_stands_beside_a_new_one(brain, monkeypatch):
    def write():
        write_cells(
            brain / "brain_probabilities.h5", brain / "brain.h5", brain / "out", voxel_um=(7, 6.45, 6.5), overwrite=True
        )

    write()
    receipt = brain / "out" / "brain_cells.csv.receipt.json"
    assert receipt.exists()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["ecc_px.pipeline.cells"], "write_receipt", stopped)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert (brain / "out" / "brain_cells.csv").exists()
    assert not receipt.exists()


def test_no_cell_is_a_header_a_warning_and_success(brain):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--threshold", 0.99)
    assert done.exit_code == 0
    assert (brain / "out" / "brain_cells.csv").read_text().splitlines() == [",".join(COLUMNS + FURTHER_COLUMNS)]
    assert "Warning: " in done.stderr
    assert re.search(r": 0 cells($|\n| \(left out)", done.stdout)  # of no diameter


def test_ecc_probability_dataset_is_read(brain, blobs):
    with h5py.File(brain / "prob_image.h5", "w") as file:
        file.create_dataset("probability", data=blobs[0][..., None], chunks=(9, 16, 16, 1))
    cells = find_cells(brain / "prob_image.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), like="ecc")
    same = find_cells(brain / "brain_probabilities.h5", brain / "brain.h5", voxel_um=(7, 6.45, 6.5), like="ecc")
    assert cells.table.equals(same.table)
    assert len(cells) > 10


def test_an_existing_table_is_refused_before_the_work(brain):
    assert find(brain, "--voxel-um", 7, 6.45, 6.5).exit_code == 0
    with h5py.File(brain / "brain.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((2, 3, 4), np.uint16))  # would be refused by the work
    refused = find(brain, "--voxel-um", 7, 6.45, 6.5)
    assert isinstance(refused.exception, EccPxError)
    assert "--overwrite" in str(refused.exception)


def test_a_missing_voxel_size_is_one_sentence_and_no_output(brain):
    done = subprocess.run(
        [sys.executable, "-m", "ecc_px", "cells", "find", "brain_probabilities.h5", "--raw", "brain.h5", "-o", "out"],
        cwd=brain,
        capture_output=True,
        text=True,
        env=os.environ | {"TERM": "dumb"},
        check=False,
    )
    assert done.returncode == 1
    assert "--voxel-um Z Y X" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (brain / "out").exists()


def test_a_corrupt_chunk_is_named_and_there_is_no_table(brain):
    with h5py.File(brain / "damaged.h5", "w") as file:
        data = file.create_dataset("probability", (27, 30, 36), np.uint8, chunks=(9, 15, 18), compression="gzip")
        data[:] = 0
        data.id.write_direct_chunk((9, 15, 0), b"no gzip at all")
    done = CliRunner().invoke(
        app,
        [str(a) for a in ("cells", "find", brain / "damaged.h5", "--raw", brain / "brain.h5", "-o", brain / "out",
                          "--voxel-um", 7, 6.45, 6.5, "-j", 2)],
    )  # fmt: skip
    assert isinstance(done.exception, EccPxError)
    assert re.search(
        r"damaged\.h5: .*chunk 1/1/0 counted from 0, 14 bytes from byte [\d,]+ of the", str(done.exception)
    )
    assert not (brain / "out").exists() or list((brain / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--threshold", 1.5], "threshold"),
        (["--threshold", "nan"], "threshold"),
        (["--exclude", "small.h5"], "small.h5: the excluded region has 5 × 6 × 7 voxels"),
        (["--raw", "small.h5"], "small.h5: the raw volume has 5 × 6 × 7 voxels"),
    ],
)
def test_what_can_make_no_table_is_refused_in_a_sentence(brain, monkeypatch, options, says):
    monkeypatch.chdir(brain)
    with h5py.File("small.h5", "w") as file:
        file["data"] = np.zeros((5, 6, 7), np.uint16)
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, *options)
    assert isinstance(done.exception, EccPxError)
    assert says in str(done.exception)
    assert not (brain / "out" / "brain_cells.csv").exists()


def test_nan_among_the_probabilities_is_refused(brain):
    with h5py.File(brain / "brain_probabilities.h5", "r+") as file:
        file["exported_data"][3, 4, 5, 0] = np.nan
    done = find(brain, "--voxel-um", 7, 6.45, 6.5)
    assert isinstance(done.exception, UnreadableVolume)
    assert "NaN among the probabilities" in str(done.exception)
    assert not (brain / "out" / "brain_cells.csv").exists()


def test_like_ecc_is_the_seven_columns_and_options_are_recorded(brain):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--like", "ecc", "--min-volume", 2, "--max-volume", 64)
    assert done.exit_code == 0, done.output
    header = (brain / "out" / "brain_cells.csv").read_text().splitlines()[0]
    assert header == "X,Y,Z,deltaI,BG,vol,deltaI_total"
    receipt = json.loads(next((brain / "out").glob("*.json")).read_text())
    assert receipt["columns"] == header.split(",")
    assert set(receipt["units"]) == set(header.split(","))
    assert receipt["settings"]["like"] == "ecc"


@pytest.mark.parametrize("diameter", ["12", "auto"])
def test_the_diameter_is_told(brain, diameter):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--diameter-um", diameter)
    assert done.exit_code == 0, done.output
    receipt = json.loads(next((brain / "out").glob("*.json")).read_text())
    used = receipt["summary"]["diameter_um"]
    assert used == 12 if diameter == "12" else used > 0
    assert f"of {used:.1f} µm" in done.stdout


def test_a_diameter_that_is_no_number_is_refused(brain):
    done = find(brain, "--voxel-um", 7, 6.45, 6.5, "--diameter-um", "big")
    assert isinstance(done.exception, EccPxError)
    assert "--diameter-um big" in str(done.exception)


def test_processes_make_the_same_table_as_threads(brain):
    for name in ("threads", "processes"):
        done = find(brain, "--voxel-um", 7, 6.45, 6.5, "-j", 2, "--executor", name, "--overwrite")
        assert done.exit_code == 0, done.output
        (brain / "out" / "brain_cells.csv").rename(brain / f"{name}.csv")
    assert (brain / "threads.csv").read_bytes() == (brain / "processes.csv").read_bytes()


def test_a_killed_process_ends_the_command_with_a_sentence_and_no_table(brain):
    arguments = [brain / "brain_probabilities.h5", "--raw", brain / "brain.h5", "-o", brain / "out"]
    command = [sys.executable, "-m", "ecc_px", "cells", "find", *map(str, arguments), "--voxel-um", "7", "6.45", "6.5"]
    running = subprocess.Popen([*command, "--executor", "processes", "-j", "2"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (workers := workers_of(running.pid)):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(workers[0], signal.SIGKILL)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "was killed" in said
    assert "--jobs" in said
    assert "Traceback" not in said
    assert not (brain / "out" / "brain_cells.csv").exists()


def workers_of(process):
    """The processes of its pool; what else multiprocessing starts is none."""
    children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
