"""Each format is read back by other means than those that wrote it."""

import builtins
import json
import struct
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cell_tables import HEADER, ROWS, SHAPE, VOXEL_UM, write_table

from ecc_px.cells import exports, reading
from ecc_px.cells.exports import neuroglancer
from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import CellFile
from ecc_px.errors import EccPxError, InvalidSetting, UnknownVoxelSize

GRID = Grid("cells.csv", VOXEL_UM, SHAPE)
VOXELS_XYZ = [(4, 2, 2), (0, 0, 0), (39, 29, 19), (11, 15, 5)]  # nearest voxel of each of ROWS
EXTENDED = f"{HEADER},p,id,flag,region"
TAILS = ("0.5,1,True,V1", ",2,False,", "1,3,True,7", "0.25,4,True,x")
EXTENDED_ROWS = [f"{row},{tail}" for row, tail in zip(ROWS, TAILS, strict=True)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(reading, "PIECE_BYTES", 60)


@pytest.fixture
def cells(tmp_path):
    return CellFile(write_table(tmp_path / "cells.csv"))


@pytest.fixture
def extended(tmp_path):
    return CellFile(write_table(tmp_path / "extended.csv", EXTENDED_ROWS, EXTENDED))


def test_cubic_is_eccs_columns_with_two_decimals(extended, cells, tmp_path):
    exports.write_cubic(extended, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == cells.path.read_bytes()


def brainglobe_xml(path):
    """As brainglobe-utils reads it: (type, x, y, z) of every marker."""
    found = []
    for marked in ElementTree.parse(path).getroot().find("Marker_Data").findall("Marker_Type"):
        kind = int(marked.find("Type").text)
        for marker in marked.findall("Marker"):
            found.append((kind, *(int(marker.find(f"Marker{axis}").text) for axis in "XYZ")))
    return found


def test_brainglobe_xml_has_whole_voxels_and_type_2(cells, tmp_path):
    count, warnings = exports.write_brainglobe(cells, tmp_path / "cells.xml", GRID)
    expected = [(2, *(max(1, v) for v in voxel)) for voxel in VOXELS_XYZ]
    assert brainglobe_xml(tmp_path / "cells.xml") == expected
    assert count == 4
    assert "1 cells in a first voxel" in warnings[0]
    root = ElementTree.parse(tmp_path / "cells.xml").getroot()
    assert root.find("Image_Properties/Image_Filename").text == "placeholder.tif"
    assert root.find("Marker_Data/Current_Type").text == "1"


def test_brainglobe_yaml_has_the_measures(extended, tmp_path):
    yaml = pytest.importorskip("yaml")
    exports.write_brainglobe(extended, tmp_path / "cells.yml", GRID)
    content = yaml.safe_load((tmp_path / "cells.yml").read_text())
    assert content["CellCounter_Marker_File"] is True
    assert content["num_candidates"] == 4
    first, second, *_ = content["candidate_cells"]
    assert [first[key] for key in ("x", "y", "z", "type")] == [4, 2, 2, 2]
    measures = {"deltaI": 300, "BG": 100, "vol": 818.31, "deltaI_total": 245492.1}
    assert first["metadata"] == {**measures, "p": 0.5, "id": 1, "flag": "True", "region": "V1"}
    assert second["metadata"]["p"] is None


def test_brainglobe_csv_has_its_columns_in_its_order(cells, tmp_path):
    exports.write_brainglobe(cells, tmp_path / "cells.csv.out.csv", GRID)
    table = pd.read_csv(tmp_path / "cells.csv.out.csv")
    assert list(table) == ["Unnamed: 0", "deltaI", "BG", "vol", "deltaI_total", "x", "y", "z", "type"]
    assert table["Unnamed: 0"].tolist() == [0, 1, 2, 3]
    assert table[["x", "y", "z"]].to_numpy().tolist() == [[max(1, v) for v in voxel] for voxel in VOXELS_XYZ]
    assert table["deltaI"].tolist() == [300, 50, 100, 80]


def test_brainglobe_without_cells_is_written_with_a_warning(tmp_path):
    empty = CellFile(write_table(tmp_path / "cells.csv", []))
    _, (warning,) = exports.write_brainglobe(empty, tmp_path / "cells.xml", GRID)
    assert "BrainGlobe refuses" in warning
    assert brainglobe_xml(tmp_path / "cells.xml") == []


def test_brainglobe_has_no_other_extension(cells, tmp_path):
    with pytest.raises(InvalidSetting, match=r"\.xml, \.yml, \.yaml or \.csv"):
        exports.write_brainglobe(cells, tmp_path / "cells.txt", GRID)


def test_napari_points_are_voxels_z_y_x_with_properties(extended, tmp_path):
    exports.write_napari(extended, tmp_path / "points.csv", GRID)
    table = pd.read_csv(tmp_path / "points.csv")
    assert list(table)[:4] == ["index", "axis-0", "axis-1", "axis-2"]
    assert list(table)[4:] == EXTENDED.split(",")[3:]
    assert table["index"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(table.loc[3, ["axis-0", "axis-1", "axis-2"]].astype(float), [5.1, 15.0, 10.5])
    assert table["region"].fillna("").tolist() == ["V1", "", "7", "x"]


def test_parquet_has_types_units_and_axes(extended, tmp_path):
    exports.write_parquet(extended, tmp_path / "cells.parquet", GRID)
    table = pq.read_table(tmp_path / "cells.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    others = {"id": "int64", "flag": "bool", "region": "string"}
    assert kinds == dict.fromkeys([*HEADER.split(","), "p"], "double") | others
    assert table.schema.field("vol").metadata == {b"unit": "µm³".encode()}
    about = json.loads(table.schema.metadata[b"ecc_px"])
    assert about["voxel_um_zyx"] == list(VOXEL_UM)
    assert "centre of the first voxel" in about["axes"]
    expected = pd.read_csv(extended.path)
    pd.testing.assert_frame_equal(
        table.select(["X", "Y", "Z", "vol", "p", "id", "flag"]).to_pandas(),
        expected[["X", "Y", "Z", "vol", "p", "id", "flag"]],
    )


def test_parquet_without_its_library_says_what_to_install(cells, tmp_path, monkeypatch):
    imported = builtins.__import__

    def without_pyarrow(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(EccPxError, match=r'pip install "ecc-px\[parquet\]"'):
        exports.write_parquet(cells, tmp_path / "cells.parquet", GRID)


def annotations_in(path, properties):
    """(id → place and properties) of one list of annotations."""
    content = path.read_bytes()
    (count,) = struct.unpack("<Q", content[:8])
    size = 4 * (3 + properties)
    assert len(content) == 8 + count * (size + 8)
    values = np.frombuffer(content, "<f4", count * (3 + properties), 8).reshape(count, -1)
    ids = np.frombuffer(content, "<u8", count, 8 + count * size)
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def annotation_by_id(folder, sharding, number, properties):
    """One annotation, found through the shard's index as the format's description says."""
    shard = (folder / "by_id" / "0.shard").read_bytes()
    bits = sharding["minishard_bits"]
    data = (1 << bits) * 16
    minishard = (number >> sharding["preshift_bits"]) & ((1 << bits) - 1)
    begin, end = struct.unpack_from("<QQ", shard, 16 * minishard)
    index = np.frombuffer(shard[data + begin : data + end], "<u8").reshape(3, -1)
    ids = np.cumsum(index[0])
    (k,) = np.flatnonzero(ids == number)
    start = data + int(index[1, : k + 1].sum() + index[2, :k].sum())
    return list(struct.unpack_from(f"<{3 + properties}f", shard, start))


def test_neuroglancer_folder_holds_every_cell_once_in_its_box_and_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(neuroglancer, "LIMIT", 20)
    monkeypatch.setattr(neuroglancer, "_SHARED_BITS", 5)
    rng = np.random.default_rng(0)
    places = np.round(rng.uniform(0, 1, (300, 3)) * np.multiply(SHAPE, VOXEL_UM)[::-1] * 0.97, 2)
    rows = [f"{x},{y},{z},{k},1,2,3" for k, (x, y, z) in enumerate(places)]
    folder = tmp_path / "annotations"
    exports.write_neuroglancer(CellFile(write_table(tmp_path / "cells.csv", rows)), folder, GRID)
    info = json.loads((folder / "info").read_text())
    assert info["@type"] == "neuroglancer_annotations_v1"
    assert info["dimensions"] == {"x": [6.5e-6, "m"], "y": [6.45e-6, "m"], "z": [7e-6, "m"]}
    assert (info["lower_bound"], info["upper_bound"]) == ([0, 0, 0], [40, 30, 20])
    assert [p["id"] for p in info["properties"]] == ["deltaI", "bg", "vol", "deltaI_total"]
    seen = {}
    for level in info["spatial"]:
        np.testing.assert_allclose(np.multiply(level["grid_shape"], level["chunk_size"]), [40, 30, 20])
        for file in (folder / level["key"]).iterdir():
            found = annotations_in(file, 4)
            assert len(found) <= level["limit"]
            cell = np.array([int(i) for i in file.name.split("_")])
            for number, values in found.items():
                assert number not in seen
                seen[number] = values
                assert (
                    (cell * level["chunk_size"] <= values[:3]) & (values[:3] <= (cell + 1) * level["chunk_size"])
                ).all()
    assert sorted(seen) == list(range(300))
    assert info["spatial"][0]["grid_shape"] == [1, 1, 1]
    expected = places / VOXEL_UM[::-1] + 0.5
    np.testing.assert_allclose([seen[k][:3] for k in range(300)], expected, rtol=1e-5)
    for number in (0, 31, 32, 299):
        assert annotation_by_id(folder, info["by_id"]["sharding"], number, 4) == seen[number]
        assert seen[number][3] == number


def test_neuroglancer_folder_without_cells_is_whole(tmp_path):
    exports.write_neuroglancer(CellFile(write_table(tmp_path / "cells.csv", [])), tmp_path / "none", GRID)
    info = json.loads((tmp_path / "none" / "info").read_text())
    assert [level["grid_shape"] for level in info["spatial"]] == [[1, 1, 1]]
    assert list((tmp_path / "none" / "spatial0").iterdir()) == []


def test_positions_lie_where_the_header_says(cells, tmp_path):
    assert exports.write_positions(cells, tmp_path / "p.nii.gz", GRID) == (4, 0)
    image = nib.load(tmp_path / "p.nii.gz")
    array = np.asarray(image.dataobj)
    assert array.shape == SHAPE[::-1]
    assert sorted(map(tuple, np.argwhere(array == 2).tolist())) == sorted(VOXELS_XYZ)
    assert array[5, 2, 2] == array[4, 3, 2] == array[4, 2, 1] == 1
    assert (array == 1).sum() == 6 + 3 + 3 + 6
    # A cell at X, Y, Z µm lies at (+X, −Y, −Z) / 1000 mm, to half a voxel.
    places = nib.affines.apply_affine(image.affine, [VOXELS_XYZ[3]])[0]
    np.testing.assert_allclose(places, [0.06825, -0.09675, -0.0357], atol=0.0036)
    assert nib.aff2axcodes(image.affine) == ("R", "P", "I")


def test_positions_follow_the_volumes_own_header(cells, tmp_path):
    affine = np.diag([6.5, 6.45, 7.0, 1.0])
    affine[:3, 3] = 100, 200, 300
    exports.write_positions(cells, tmp_path / "p.nii.gz", Grid("cells.csv", VOXEL_UM, SHAPE, affine))
    np.testing.assert_allclose(nib.load(tmp_path / "p.nii.gz").affine[:3] * 1000, affine[:3], rtol=1e-6)


def test_slabs_do_not_change_the_positions(cells, tmp_path, monkeypatch):
    exports.write_positions(cells, tmp_path / "whole.nii.gz", GRID)
    monkeypatch.setattr("ecc_px.cells.exports.positions._SLAB_VOXELS", 1)
    exports.write_positions(cells, tmp_path / "slabs.nii.gz", GRID)
    assert (tmp_path / "slabs.nii.gz").read_bytes() == (tmp_path / "whole.nii.gz").read_bytes()


def test_cells_outside_the_volume_are_counted_and_not_drawn(tmp_path):
    cells = CellFile(write_table(tmp_path / "cells.csv", ["-10,0,0,1,1,1,1", "0,0,0,1,1,1,1", "0,0,140,1,1,1,1"]))
    assert exports.write_positions(cells, tmp_path / "p.nii.gz", GRID) == (1, 2)
    density = exports.density_of(cells, GRID, 50)
    assert (density.inside, density.outside) == (1, 2)


def test_density_integrates_to_the_number_of_cells(tmp_path):
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 1, (500, 3)) * np.multiply(np.subtract(SHAPE, 1), VOXEL_UM)[::-1]
    rows = [f"{x:.2f},{y:.2f},{z:.2f},1,1,1,1" for x, y, z in places]
    density = exports.density_of(CellFile(write_table(tmp_path / "cells.csv", rows)), GRID, 60)
    assert density.per_mm3.shape == (3, 4, 5)
    sides = [np.diff([*range(0, int(np.ceil(e)), 60), e]) for e in np.multiply(SHAPE, VOXEL_UM)]
    volumes = sides[0][:, None, None] * sides[1][:, None] * sides[2] * 1e-9
    assert (density.per_mm3 * volumes).sum() == pytest.approx(500, rel=1e-5)


def test_density_boxes_lie_over_the_volume(cells, tmp_path):
    exports.write_density(exports.density_of(cells, GRID, 65), tmp_path / "d.nii.gz", GRID)
    image = nib.load(tmp_path / "d.nii.gz")
    assert image.header.get_zooms() == pytest.approx((0.065, 0.065, 0.065))
    # Both begin at one corner: half a box before its first centre is half a voxel before the volume's.
    corner = nib.affines.apply_affine(image.affine, [-0.5, -0.5, -0.5])
    np.testing.assert_allclose(corner * 1000, nib.affines.apply_affine(GRID.affine, [-0.5, -0.5, -0.5]), atol=1e-4)
    array = np.asarray(image.dataobj)
    assert np.argwhere(array > 0).tolist() == [[0, 0, 0], [1, 1, 0], [3, 2, 2]]


def test_what_needs_voxels_asks_for_their_size(cells, tmp_path):
    unknown = Grid("cells.csv")
    for write, name in (
        (exports.write_brainglobe, "a.xml"),
        (exports.write_napari, "a.csv"),
        (exports.write_neuroglancer, "a"),
    ):
        with pytest.raises(UnknownVoxelSize, match="--voxel-um Z Y X"):
            write(cells, tmp_path / name, unknown)
    with pytest.raises(InvalidSetting, match="--shape Z Y X"):
        exports.write_positions(cells, tmp_path / "a.nii.gz", Grid("cells.csv", VOXEL_UM))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells.csv", "cells.csv.receipt.json"]
