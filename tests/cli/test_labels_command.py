"""`ecc-px labels`, as a user runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from ecc_px.cli import main
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import whole

SHAPE = (24, 80, 90)
CROP = (slice(4, 20), slice(10, 70), slice(20, 80))
PROJECT = Path(__file__).resolve().parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Ended]


@pytest.fixture
def ecc_px(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`ecc-px labels …` in this process: each new one would load the libraries again."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ecc-px", "labels", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def brain(tmp_path: Path) -> Path:
    path = tmp_path / "brain.h5"
    with create_volume(path, Layout("zyx", SHAPE, np.dtype("uint16"), (7, 6.5, 6.5))) as writer:
        writer.write(whole(SHAPE), np.zeros((1, *SHAPE), np.uint16))
    return path


def paint(labels: Path, values: tuple[int, int, int] = (1, 2, 3)) -> np.ndarray:
    """Paint into a template as ITK-SNAP saves it; returns what belongs on the whole image, as 1, 2, 3."""
    empty = nib.load(labels)
    painted = np.zeros(empty.shape[::-1], np.uint8)
    painted[2, 3:40, 4], painted[10:16, 50, 59], painted[:, 20, 20:30] = 1, 2, 3
    saved = nib.Nifti1Image(np.array((0, *values), np.uint16)[painted].T, empty.affine)
    saved.header.set_xyzt_units("mm", "sec")
    nib.save(saved, labels)
    expected = np.zeros(SHAPE, np.uint8)
    expected[CROP] = painted
    return expected


def test_template_paint_check_import_export(ecc_px: Command, brain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotate"
    made = ecc_px("template", brain, "--crop", "4:20,10:70,20:80", "-o", f"{folder}/")
    assert made.returncode == 0, made.stderr
    expected = paint(folder / "labels.nii.gz")

    checked = ecc_px("check", folder / "labels.nii.gz", "--image", brain)
    assert checked.returncode == 0, checked.stderr
    assert "1 cell: 37 voxels in 1 brick of 64³, 1 place; z 6:7 (4%), y 13:50 (46%), x 24:25 (1%)" in checked.stdout
    assert "Warning: Class 2 (false) has only 6 voxels, fewer than 100." in checked.stdout
    assert "taken as the part z 4:20, y 10:70, x 20:80" in checked.stderr

    imported = ecc_px("import", folder / "annotate.itksnap", "--image", brain, "-o", tmp_path / "labels.h5")
    assert imported.returncode == 0, imported.stderr
    with h5py.File(tmp_path / "labels.h5") as file:
        np.testing.assert_array_equal(file["labels"][:], expected)

    for name in ("again.nii.gz", "again.tif", "again.ome.zarr"):
        exported = ecc_px("export", tmp_path / "labels.h5", "--image", brain, "-o", tmp_path / name)
        assert exported.returncode == 0, exported.stderr
        assert "1 cell: 37, 2 false: 6, 3 background: 160" in exported.stdout
    again = ecc_px("import", tmp_path / "again.nii.gz", "--image", brain, "-o", tmp_path / "labels.h5")
    assert again.returncode == 1
    assert "labels.h5 is already there: pass --overwrite" in again.stderr


def test_values_are_mapped_by_table_and_what_has_none_is_refused(ecc_px: Command, brain: Path, tmp_path: Path) -> None:
    assert ecc_px("template", brain, "--crop", "4:20,10:70,20:80", "-o", tmp_path / "a").returncode == 0
    labels, output = tmp_path / "a" / "labels.nii.gz", tmp_path / "labels.h5"
    expected = paint(labels, (9, 4, 300))
    refused = ecc_px("import", labels, "--image", brain, "--map", "cell=9,false=4", "-o", output)
    assert refused.returncode == 1
    assert "values without a class: 300 (160 voxels); with one: 9 (cell), 4 (false)" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not output.exists()
    table = "cell=9,false=4,background=300"
    assert ecc_px("import", labels, "--image", brain, "--map", table, "-o", output).returncode == 0
    with h5py.File(output) as file:
        np.testing.assert_array_equal(file["labels"][:], expected)
    turned = ["--class", "background", "--class", "cell:object", "--class", "false:false_signal"]
    ended = ecc_px("import", labels, "--image", brain, "--map", table, *turned, "-o", output, "--overwrite")
    assert "1 background: 160, 2 cell: 37, 3 false: 6" in ended.stdout
    gap = ecc_px(
        "import", labels, "--image", brain, "--map", "a=4,b=7,c=300", "-o", output, "--drop-unmapped", "--overwrite"
    )
    assert "Label 2 is not drawn: ilastik's Labels > Import will propose to renumber" in gap.stderr


def test_check_of_a_project_as_json(ecc_px: Command, tmp_path: Path) -> None:
    checked = ecc_px("check", PROJECT, "--json")
    assert checked.returncode == 0, checked.stderr
    found = json.loads(checked.stdout)
    assert found["trainable"]
    assert [c["name"] for c in found["classes"]] == ["cell", "false signal", "background"]
    assert [entry["voxels"] for entry in found["sources"][0]["labels"]] == [300, 200, 400]
    assert "ecc's authors advise more than 5,000" in found["hints"][0]


def test_check_ends_with_1_where_training_is_impossible(ecc_px: Command, brain: Path, tmp_path: Path) -> None:
    classes = ["cell", "false signal", "background", "vessel"]
    checked = ecc_px("check", PROJECT, *(part for name in classes for part in ("--class", name)))
    assert checked.returncode == 1
    assert "Problem: Class 4 (vessel) has no voxel." in checked.stdout
    assert ecc_px("template", brain, "-o", tmp_path / "a").returncode == 0
    empty = ecc_px("check", tmp_path / "a" / "labels.nii.gz", "--image", brain)
    assert empty.returncode == 1
    assert "labels.nii.gz: no voxel is labelled." in empty.stderr


def test_check_wants_an_image_for_each_file(ecc_px: Command, brain: Path) -> None:
    refused = ecc_px("check", "a.nii.gz", "b.nii.gz", "--image", brain)
    assert refused.returncode == 1
    assert "2 label files and 1 images: give one --image for each" in refused.stderr


def test_import_writes_hdf5_only(ecc_px: Command, brain: Path, tmp_path: Path) -> None:
    refused = ecc_px("import", PROJECT, "-o", tmp_path / "labels.tif")
    assert refused.returncode == 1
    assert "import writes HDF5 (.h5). Use `ecc-px labels export`" in refused.stderr
    assert ecc_px("export", PROJECT, "-o", tmp_path / "labels.tif").returncode == 0


def test_the_same_name_is_the_same_class_in_every_file(ecc_px: Command, brain: Path, tmp_path: Path) -> None:
    arguments: list[object] = []
    for name, classes in (("a", ("cell", "rest")), ("b", ("rest", "cell"))):
        folder = tmp_path / name
        template = ("template", brain, "--crop", "4:20,10:70,20:80", "-o", folder)
        assert ecc_px(*template, "--class", classes[0], "--class", classes[1]).returncode == 0
        paint(folder / "labels.nii.gz", (1, 2, 2))
        arguments += [folder / "labels.nii.gz", "--image", brain]
    checked = ecc_px("check", *arguments, "--json")
    assert checked.returncode == 0, checked.stderr
    found = json.loads(checked.stdout)
    voxels = [{entry["label"]: entry["voxels"] for entry in source["labels"]} for source in found["sources"]]
    assert voxels == [{1: 37, 2: 166}, {1: 166, 2: 37}]
