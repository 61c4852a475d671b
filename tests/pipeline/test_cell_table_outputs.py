"""What is made from a table of cells knows the volume that it came from, and says so in its own receipt."""

import json

import numpy as np
import pytest

from ecc_px.cells.filtering import Limit
from ecc_px.cells.reading import CellFile
from ecc_px.errors import InvalidSetting, OutputExists, UnknownVoxelSize
from ecc_px.pipeline.cell_tables import grid_of, shift_between, write_export, write_filtered, write_pairs
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.nifti_writer import NiftiWriter
from ecc_px.volumes.orientation import affine_um_of

VOXEL_UM, SHAPE = (7.0, 6.45, 6.5), (20, 30, 40)
HEADER, ROW = "X,Y,Z,deltaI,BG,vol,deltaI_total\n", "26.00,12.90,14.00,300.00,100.00,818.31,245492.10\n"


@pytest.fixture
def table(tmp_path):
    def write(name="cells.csv", raw="/elsewhere/brain.h5", axes="czyx", shape=(2, *SHAPE)):
        path = tmp_path / name
        path.write_text(HEADER + ROW)
        receipt = {"voxel_um_zyx": VOXEL_UM, "raw": {"path": str(raw), "axes": axes, "shape": shape}}
        path.with_name(f"{name}.receipt.json").write_text(json.dumps(receipt))
        return CellFile(path)

    return write


def receipt_of(path):
    return json.loads(path.with_name(path.name + ".receipt.json").read_text())


def test_voxel_size_and_shape_come_from_the_receipt(table):
    grid = grid_of(table())
    assert (grid.voxel_um, grid.shape, grid.affine_um) == (VOXEL_UM, SHAPE, None)


def test_what_the_user_says_wins(table):
    grid = grid_of(table(), voxel_um=(1, 2, 3), shape=(4, 5, 6))
    assert (grid.voxel_um, grid.shape) == ((1, 2, 3), (4, 5, 6))


def test_without_a_receipt_nothing_is_known_and_nothing_is_guessed(tmp_path):
    (tmp_path / "cells.csv").write_text(HEADER + ROW)
    grid = grid_of(CellFile(tmp_path / "cells.csv"))
    assert (grid.voxel_um, grid.shape) == (None, None)
    with pytest.raises(UnknownVoxelSize, match="no receipt"):
        grid.affine  # noqa: B018


@pytest.mark.parametrize(
    "damage", ["{", '{"voxel_um_zyx": [1, 2]}', '{"raw": {"axes": "zyx"}}', '{"shape_zyx": ["a", 1, 1]}']
)
def test_damaged_receipt_is_told(table, damage):
    cells = table()
    path = cells.path.with_name("cells.csv.receipt.json")
    path.write_text(damage)
    with pytest.raises(InvalidSetting, match=r"receipt\.json: it is damaged"):
        grid_of(cells)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (-1, 1, 1), (np.inf, 1, 1)])
def test_impossible_voxel_size_is_refused(table, sizes):
    with pytest.raises(InvalidSetting, match="--voxel-um"):
        grid_of(table(), voxel_um=sizes)


def test_a_niftis_own_header_places_the_cells(table, tmp_path):
    affine = affine_um_of(VOXEL_UM, start=(3, 4, 5))
    layout = Layout("zyx", SHAPE, np.dtype(np.uint8), VOXEL_UM)
    with NiftiWriter(tmp_path / "brain.nii", layout, affine_um=affine):
        pass
    grid = grid_of(table(raw=tmp_path / "brain.nii", axes="xyz", shape=SHAPE[::-1]))
    np.testing.assert_allclose(grid.affine, affine, rtol=1e-5)


def test_filtered_table_knows_its_volume_and_its_rules(table, tmp_path):
    cells = table()
    result = write_filtered(cells, tmp_path / "new" / "f.csv", [Limit("vol", low=1)], grid_of(cells))
    assert result.kept == 1
    again = grid_of(CellFile(tmp_path / "new" / "f.csv"))
    assert (again.voxel_um, again.shape) == (VOXEL_UM, SHAPE)
    receipt = receipt_of(tmp_path / "new" / "f.csv")
    assert receipt["settings"]["rules"] == ["vol ≥ 1"]
    assert receipt["units"]["vol"] == "µm³"
    assert receipt["table"] == str(cells.path)


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("cubic", "cells_cubic.csv"),
        ("brainglobe", "cells.xml"),
        ("napari", "cells_napari.csv"),
        ("parquet", "cells.parquet"),
        ("neuroglancer", "cells_neuroglancer"),
    ],
)
def test_export_lies_beside_the_table_and_says_its_units_and_axes(table, tmp_path, to, name):
    cells = table()
    exported = write_export(cells, to, grid_of(cells))
    assert (exported.path, exported.cells) == (tmp_path / name, 1)
    receipt = receipt_of(exported.path)
    assert receipt["units"]["X"].startswith("µm")
    assert "voxel" in receipt["positions"]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputExists):
        write_export(cells, to, grid_of(cells))
    assert sorted(tmp_path.rglob("*")) == before
    write_export(cells, to, grid_of(cells), overwrite=True)


def test_pairs_say_their_settings(table, tmp_path):
    a, b = table("a.csv"), table("b.csv")
    pairs = write_pairs(a, b, tmp_path / "p.csv", 5.0, grid_of(a), method="assignment")
    assert len(pairs) == 1
    receipt = receipt_of(tmp_path / "p.csv")
    assert receipt["settings"] == {"max_distance_um": 5.0, "method": "assignment", "shift_um_zyx_of_b": None}
    assert receipt["other"] == str(b.path)


@pytest.fixture
def channels(tmp_path):
    """Two channels of one texture, the second moved by other amounts left and right of x = 40."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 2000, (24, 40, 100)).astype(np.uint16)
    left, right = (np.roll(texture, shift, (0, 1)) for shift in ((-1, 2), (0, -3)))
    moved = np.concatenate([left[..., :40], right[..., 40:]], axis=2)
    paths = []
    for name, array in (("a.h5", texture), ("b.h5", moved)):
        paths.append(tmp_path / name)
        with create_volume(paths[-1], Layout("zyx", array.shape, array.dtype, (2.0, 1.0, 1.0))) as out:
            out.write(tuple(slice(0, n) for n in array.shape), array[None])
    return paths


def test_shift_is_estimated_on_each_side_of_the_midline(table, channels):
    shift, estimates = shift_between(*channels, grid_of(table(), voxel_um=(2.0, 1.0, 1.0)), midline_um=39.5)
    assert shift.left == pytest.approx((2, -2, 0), abs=0.1)
    assert shift.right == pytest.approx((0, 3, 0), abs=0.1)
    assert [region[2] for region, _ in estimates] == [slice(0, 40), slice(40, 100)]


def test_crop_says_where_to_look(table, channels):
    grid = grid_of(table(), voxel_um=(2.0, 1.0, 1.0))
    shift, _ = shift_between(*channels, grid, crops=["0:24,0:40,50:100"])
    assert shift.left == pytest.approx((0, 3, 0), abs=0.1)
    with pytest.raises(InvalidSetting, match="at most one"):
        shift_between(*channels, grid, crops=["0:24,0:40,50:100", "0:24,0:40,0:50"])


def test_midline_outside_the_volume_is_refused(table, channels):
    with pytest.raises(InvalidSetting, match="100 µm wide"):
        shift_between(*channels, grid_of(table(), voxel_um=(2.0, 1.0, 1.0)), midline_um=500)
