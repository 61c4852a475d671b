"""`ecc-px cells filter|plot|export|pair|score` as they are typed."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ecc_px.cli import app
from ecc_px.errors import EccPxError
from ecc_px.volumes import Layout, create_volume

HEADER = "X,Y,Z,deltaI,BG,vol,deltaI_total"
ROWS = (
    "26.00,12.90,14.00,300.00,100.00,818.31,245492.10",
    "0.00,0.00,0.00,50.00,0.00,292.25,14612.62",
    "253.50,187.05,133.00,100.00,100.00,584.51,58450.50",
)


def run(*arguments):
    result = CliRunner().invoke(app, ["cells", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments, says):
    result = CliRunner().invoke(app, ["cells", *map(str, arguments)])
    assert isinstance(result.exception, EccPxError), result.output
    assert says in str(result.exception)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "brain_cells.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    receipt = {
        "voxel_um_zyx": [7.0, 6.45, 6.5],
        "raw": {"path": "/elsewhere/brain.h5", "axes": "zyx", "shape": [20, 30, 40]},
    }
    (tmp_path / "brain_cells.csv.receipt.json").write_text(json.dumps(receipt))
    return path


def test_filter_says_what_was_kept_and_why_not(table, tmp_path):
    printed = run("filter", table, "--sbr", "2", "--min", "deltaI=100", "--max", "vol=1000").stdout
    assert "kept 1 of 3 cells" in printed
    assert "1 not signal to background > 2; 1 not deltaI ≥ 100; 0 not vol ≤ 1000" in printed
    assert (tmp_path / "brain_cells_filtered.csv").read_text().splitlines() == [HEADER, ROWS[0]]


def test_filter_that_leaves_nothing_warns(table, tmp_path):
    result = run("filter", table, "--min", "vol=1e9", "-o", tmp_path / "out" / "none.csv")
    assert "no cell is left" in result.stderr
    assert (tmp_path / "out" / "none.csv").read_text() == HEADER + "\n"


def test_filter_needs_a_rule_and_a_column(table):
    refused("filter", table, says="There is no rule")
    refused("filter", table, "--min", "size=3", says="no column size")
    refused("filter", table, "--min", "size", says="COLUMN=NUMBER")


def test_plot_writes_pictures_tables_and_maps(table, tmp_path):
    out = tmp_path / "plots"
    printed = run("plot", table, "-o", out, "--box-um", "65").stdout.split()
    names = ["profiles.csv", "profiles.png", "density.nii.gz", "density.png", "positions.nii.gz", "plots.receipt.json"]
    assert printed == [str(out / f"brain_cells_{name}") for name in names]
    assert sorted(p.name for p in out.iterdir()) == sorted(f"brain_cells_{name}" for name in names)
    assert np.asarray(nib.load(out / "brain_cells_positions.nii.gz").dataobj)[4, 2, 2] == 2
    assert pd.read_csv(out / "brain_cells_profiles.csv")["cells"].sum() > 0
    refused("plot", table, "-o", out, says="--overwrite")
    receipt = json.loads((out / "brain_cells_plots.receipt.json").read_text())
    assert [str(out / name) for name in (*receipt["outputs"], "brain_cells_plots.receipt.json")] == printed
    assert receipt["settings"] == {"box_um": 65.0, "positions": True}
    assert receipt["table"] == str(table)


def test_plot_of_an_empty_table_is_no_crash(table, tmp_path):
    table.write_text(HEADER + "\n")
    run("plot", table, "-o", tmp_path / "plots", "--no-positions")
    assert not (tmp_path / "plots" / "brain_cells_positions.nii.gz").exists()


def test_plot_without_a_receipt_asks_for_voxel_size_and_shape(table, tmp_path):
    (tmp_path / "brain_cells.csv.receipt.json").unlink()
    refused("plot", table, says="--voxel-um Z Y X")
    refused("plot", table, "--voxel-um", 7, 6.45, 6.5, says="--shape Z Y X")
    run("plot", table, "--voxel-um", 7, 6.45, 6.5, "--shape", 20, 30, 40, "--no-positions")


def test_export_writes_the_format_that_is_asked_for(table, tmp_path):
    assert "brain_cells.xml: 3 cells" in run("export", table, "--to", "brainglobe").stdout
    run("export", table, "--to", "brainglobe", "-o", tmp_path / "x.yml")
    assert (tmp_path / "x.yml").read_text().startswith("brainglobe_utils_version")
    refused("export", table, "--to", "brainglobe", says="--overwrite")
    run("export", table, "--to", "brainglobe", "--overwrite")


def test_pair_without_a_pair_is_a_header_and_a_warning(table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "\n")
    result = run("pair", table, other, "--max-distance-um", 10)
    assert "no cell of" in result.stderr
    assert "0 pairs" in result.stdout
    assert (tmp_path / "brain_cells_pairs.csv").read_text().count("\n") == 1


def test_pair_moves_b_on_each_side_of_the_midline(table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(f"{HEADER}\n20,12.90,14,1,1,1,1\n253.5,187.05,143,1,1,1,1\n")
    sides = ("--midline", 130, "--shift-left", 0, 0, 6, "--shift-right", -10, 0, 0)
    assert "2 pairs" in run("pair", table, other, "--max-distance-um", 1, *sides).stdout
    pairs = pd.read_csv(tmp_path / "brain_cells_pairs.csv")
    assert pairs["distance_um"].tolist() == [0, 0]
    assert pairs["b_X"].tolist() == [20, 253.5]


def test_pair_refuses_shifts_that_contradict(table):
    near = ("pair", table, table, "--max-distance-um", 5)
    refused(*near, "--shift-left", 0, 0, 1, says="need --midline")
    refused(*near, "--midline", 5, says="--midline needs")
    refused(*near, "--midline", 5, "--shift-left", 0, 0, 1, "--shift", 0, 0, 1, says="in one way")
    refused(*near, "--crop", "0:1,0:1,0:1", says="--shift-from")


def test_score_prints_a_sentence_or_json(table, tmp_path):
    truth = tmp_path / "truth.csv"
    truth.write_text("z_um,y_um,x_um\n17.5,16.125,29.25\n300,300,300\n")
    assert (
        "1 of 2 true cells were found, among 3 detections" in run("score", table, truth, "--max-distance-um", 5).stdout
    )
    numbers = json.loads(run("score", table, truth, "--max-distance-um", 5, "--json").stdout)
    assert (numbers["matched"], numbers["precision"], numbers["recall"]) == (1, pytest.approx(1 / 3), 0.5)
    assert numbers["median_um"] == pytest.approx(0, abs=1e-9)
    truth.write_text("z_um,y_um,x_um\n")
    numbers = json.loads(run("score", table, truth, "--max-distance-um", 5, "--json").stdout)
    assert (numbers["matched"], numbers["median_um"], numbers["f1"]) == (0, None, 0)


def test_pair_estimates_the_shift_from_the_raw_volumes(table, tmp_path):
    texture = np.random.default_rng(0).integers(0, 2000, (20, 30, 40)).astype(np.uint16)
    raw = []
    for name, array in (("a.h5", texture), ("b.h5", np.roll(texture, 2, axis=1))):
        raw.append(tmp_path / name)
        with create_volume(raw[-1], Layout("zyx", array.shape, array.dtype, (7.0, 6.45, 6.5))) as out:
            out.write(tuple(slice(0, n) for n in array.shape), array[None])
    other = tmp_path / "other.csv"
    other.write_text(f"{HEADER}\n26.00,25.80,14.00,1,1,1,1\n")
    printed = run("pair", table, other, "--max-distance-um", 2, "--shift-from", *raw).stdout
    assert "1 pairs" in printed
    assert "shift in 0:20,0:30,0:40: " in printed
    receipt = json.loads((tmp_path / "brain_cells_pairs.csv.receipt.json").read_text())
    assert receipt["settings"]["shift_um_zyx_of_b"]["left"] == pytest.approx([0, -12.9, 0], abs=0.5)
