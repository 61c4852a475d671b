"""Images into a project, out of it, and found again; their voxels come back through the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ilp_specification import missing_items

from ecc_px.errors import GridMismatch, InvalidSetting, UnreadableProject, UnreadableVolume, UnsupportedProject
from ecc_px.features import ECC
from ecc_px.features.notation import parse_features
from ecc_px.ilastik import (
    add_lane,
    create_project,
    open_lane,
    read_labels,
    read_project,
    relink,
    remove_lane,
    set_features,
    set_labels,
)
from ecc_px.labels import Annotation, LabelBlock, new_classes
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.axistags import axistags_json
from ecc_px.volumes.blocks import whole

REPO = Path(__file__).resolve().parents[2]
SYNTHETIC = REPO / "tests" / "data" / "synthetic"
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
VOXELS = np.random.default_rng(1).integers(0, 4000, (30, 40, 50), np.uint16)
EMPTY = Annotation((), None)


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "lab" / "PV.ilp"
    path.parent.mkdir()
    create_project(path, features=ECC, classes=new_classes(["cell:object", "rest"]))
    return path


def written(path, voxels=VOXELS, axes="zyx", voxel_um=None):
    layout = Layout(axes, voxels.shape, voxels.dtype, voxel_um=voxel_um)
    with create_volume(path, layout) as writer:
        writer.write(whole(layout.shape), layout.to_canonical(voxels))
    return path


@pytest.fixture
def brain(project):
    return written(project.parent / "brain.h5")


def drawn(shape, places):
    """One label each at (t, z, y, x), in one block of the size of the image."""
    labels = np.zeros(shape, np.uint8)
    for place, label in places.items():
        labels[place] = label
    return Annotation((LabelBlock((0, 0, 0, 0), labels),), shape)


@pytest.mark.parametrize(
    ("store", "kind", "stored"),
    [("link", "absolute", "{folder}/brain.h5/exported_data"), ("relative", "relative", "brain.h5/exported_data")],
)
def test_a_linked_image_is_found_where_it_lies(store, kind, stored, project, brain):
    assert add_lane(project, brain, store=store) == 0
    found = read_project(project)
    (lane,) = found.lanes
    assert (lane.path_kind, lane.path) == (kind, stored.format(folder=project.parent))
    assert (lane.nickname, lane.axes, lane.shape) == ("brain", "zyx", (30, 40, 50))
    with open_lane(found, 0) as volume:
        assert np.array_equal(volume.read()[0], VOXELS)


@pytest.mark.parametrize("name", ["brain.nii", "brain.ome.zarr", "planes", "brain.tif", "other.h5"])
def test_a_copied_image_needs_no_file_beside_the_project(name, project, tmp_path):
    image = written(tmp_path / name, voxel_um=(5.0, 2.0, 2.0))
    add_lane(project, image, store="copy")
    shutil.rmtree(image) if image.is_dir() else image.unlink()
    found = read_project(project)
    assert found.lanes[0].path_kind == "internal"
    with open_lane(found, 0) as volume:
        assert np.array_equal(volume.read()[0], VOXELS)
        assert volume.voxel_um == pytest.approx((5.0, 2.0, 2.0))
    with h5py.File(project) as file:
        assert missing_items(file) == []


@pytest.mark.parametrize(
    ("axes", "shape"), [("xyz", (30, 20, 10)), ("cyx", (2, 20, 30)), ("tzyxc", (3, 4, 5, 6, 2)), ("yx", (20, 30))]
)
@pytest.mark.parametrize("store", ["relative", "copy"])
def test_any_order_of_axes_comes_back(store, axes, shape, project):
    image = project.parent / "image.h5"
    with h5py.File(image, "w") as file:
        file["data"] = np.random.default_rng(2).integers(0, 255, shape, np.uint8)
        file["data"].attrs["axistags"] = axistags_json(axes)
    add_lane(project, image, store=store)
    with open_lane(read_project(project), 0) as volume, open_volume(image) as original:
        assert volume.frames == original.frames
        for frame in range(original.frames):
            assert np.array_equal(volume.read(frame=frame), original.read(frame=frame))


def test_axes_that_the_project_says_override_those_of_the_file(project):
    with h5py.File(project.parent / "raw.h5", "w") as file:
        file["data"] = VOXELS[:20, :20, :20]
    add_lane(project, project.parent / "raw.h5", store="relative")
    with h5py.File(project, "r+") as file:
        raw = file["Input Data/infos/lane0000/Raw Data"]
        tags = raw["axistags"][()].decode()
        del raw["axistags"]
        raw["axistags"] = tags.replace('"z"', '"?"').replace('"x"', '"z"').replace('"?"', '"x"').encode()
    with open_lane(read_project(project), 0) as volume:
        assert volume.axes == "xyz"
        assert np.array_equal(volume.read()[0], VOXELS[:20, :20, :20].T)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")
@pytest.mark.parametrize(
    "folder", ["a_brain3d_uint16", "b_2d3c_gap_mask", "c_3d_uint8_mixed2d_internal", "e_pc_v140b11"]
)
def test_images_of_real_projects_open_whatever_way_they_are_kept(folder):
    found = read_project(GOLDEN / folder / "project.ilp")
    for number, lane in enumerate(found.lanes):
        with open_lane(found, number) as volume:
            assert volume.layout.stored_shape == lane.shape
            assert volume.read().max() > 0


def test_a_stack_of_planes_opens_as_their_folder(project):
    planes = project.parent / "planes"
    planes.mkdir()
    for z, plane in enumerate(VOXELS):
        tifffile.imwrite(planes / f"Z{z:04d}.tif", plane)
    add_lane(project, written(project.parent / "brain.h5"), store="relative")
    for stack in ("planes/*.tif", ":".join(f"planes/Z{z:04d}.tif" for z in range(30))):
        with h5py.File(project, "r+") as file:
            del file["Input Data/infos/lane0000/Raw Data/filePath"]
            file["Input Data/infos/lane0000/Raw Data/filePath"] = stack.encode()
        with open_lane(read_project(project), 0) as volume:
            assert np.array_equal(volume.read()[0], VOXELS)
    shutil.copy(planes / "Z0029.tif", planes / "Z0030.tif")
    with pytest.raises(UnreadableVolume, match="not all of one folder"):
        open_lane(read_project(project), 0)


def test_labels_lie_on_their_voxels_and_several_lanes_keep_theirs_apart(project, brain):
    first = drawn((1, 30, 40, 50), {(0, 0, 0, 0): 1, (0, 29, 39, 49): 2})
    second = drawn((1, 30, 40, 50), {(0, 10, 20, 30): 2})
    add_lane(project, brain, first, store="relative")
    add_lane(project, brain)
    add_lane(project, brain, second)
    set_labels(project, 1, second)
    set_labels(project, 2, EMPTY)
    found = read_project(project)
    assert np.array_equal(read_labels(found, 0).dense(), first.dense())
    assert np.array_equal(read_labels(found, 1).dense(), second.dense())
    assert read_labels(found, 2).counts() == {}
    with h5py.File(project) as file:
        assert missing_items(file) == []


def test_large_labels_are_cut_into_boxes_and_come_back_whole(tmp_path):
    path = tmp_path / "PV.ilp"
    create_project(path, features=ECC, classes=new_classes(["cell", "rest"]))
    image = written(tmp_path / "brain.h5", np.zeros((70, 140, 150), np.uint8))
    labels = np.random.default_rng(3).integers(0, 3, (1, 60, 130, 140), np.uint8)
    add_lane(path, image, Annotation((LabelBlock((0, 5, 7, 9), labels),), (1, 70, 140, 150)))
    dense = read_labels(read_project(path), 0).dense()
    assert np.array_equal(dense[:, 5:65, 7:137, 9:149], labels)
    assert dense.sum() == labels.sum()
    with h5py.File(path) as file:
        assert missing_items(file) == []
        assert max(max(block.shape) for block in file["PixelClassification/LabelSets/labels000"].values()) <= 64


PROJECTS = [
    *sorted(SYNTHETIC.glob("*/project.ilp")),
    *(path for path in sorted(GOLDEN.glob("*/project.ilp")) if "autocontext" not in str(path)),
]


@pytest.mark.parametrize("source", PROJECTS, ids=lambda path: path.parent.name)
def test_labels_of_ilastik_are_the_same_after_we_stored_them(source, tmp_path):
    shutil.copytree(source.parent, tmp_path / "copy")
    path = tmp_path / "copy" / "project.ilp"
    before = read_project(path)
    for lane in range(len(before.lanes)):
        with open_lane(before, lane) as volume:
            extent = (volume.frames, *volume.shape)
        labels = read_labels(before, lane)
        set_labels(path, lane, labels)
        again = read_labels(read_project(path), lane)
        assert np.array_equal(again.dense(extent), labels.dense(extent))


def test_removing_an_image_leaves_the_others_theirs(project, brain):
    for number in range(3):
        add_lane(project, brain, drawn((1, 30, 40, 50), {(0, number, 0, 0): 1}), store="copy", nickname=f"n{number}")
    remove_lane(project, 1)
    found = read_project(project)
    assert [lane.nickname for lane in found.lanes] == ["n0", "n2"]
    assert [read_labels(found, lane).dense()[0, :3, 0, 0].tolist() for lane in (0, 1)] == [[1, 0, 0], [0, 0, 1]]
    assert add_lane(project, brain, nickname="n3") == 2
    with h5py.File(project) as file:
        assert missing_items(file) == []
        assert list(file["PixelClassification/LabelSets"]) == ["labels000", "labels001", "labels002"]
        assert list(file["PixelClassification/Bookmarks"]) == ["0000", "0001", "0002"]
        assert len(file["Input Data/local_data"]) == 2


def refuses(error, says, project, work):
    before, names = project.read_bytes(), sorted(project.parent.iterdir())
    with pytest.raises(error, match=says) as caught:
        work()
    assert "\n" not in str(caught.value)
    assert project.read_bytes() == before
    assert sorted(project.parent.iterdir()) == names


@pytest.mark.parametrize(
    ("annotation", "error", "says"),
    [
        (drawn((1, 30, 40, 51), {}), GridMismatch, r"\(1, 30, 40, 51\).*\(1, 30, 40, 50\)"),
        (Annotation((LabelBlock((0, 0, 0, 45), np.ones((1, 1, 1, 6), np.uint8)),), None), GridMismatch, "reach"),
        (drawn((1, 30, 40, 50), {(0, 0, 0, 0): 3}), InvalidSetting, r"value 3, but .*2 classes \(1 cell, 2 rest\)"),
    ],
)
def test_labels_that_do_not_belong_to_the_image_or_the_classes_are_refused(annotation, error, says, project, brain):
    refuses(error, says, project, lambda: add_lane(project, brain, annotation))
    add_lane(project, brain)
    refuses(error, says, project, lambda: set_labels(project, 0, annotation))


@pytest.mark.parametrize("name", ["brain.nii.gz", "brain.ome.zarr", "planes"])
def test_a_format_that_ilastik_does_not_read_must_be_copied(name, project, tmp_path):
    image = written(tmp_path / name)
    refuses(InvalidSetting, "--store copy", project, lambda: add_lane(project, image))


def test_an_image_above_the_project_has_no_relative_path(project, tmp_path):
    image = written(tmp_path / "brain.h5")
    refuses(InvalidSetting, "--store link", project, lambda: add_lane(project, image, store="relative"))


def test_a_path_that_ilastik_would_take_for_a_list_is_refused(project):
    image = written(project.parent / "a:b.h5")
    refuses(InvalidSetting, "list of files", project, lambda: add_lane(project, image))


def test_images_that_can_not_have_the_same_features_are_refused(project, brain):
    add_lane(project, brain)
    two = written(project.parent / "two.h5", np.zeros((30, 40, 50, 2), np.uint8), "zyxc")
    flat = written(project.parent / "flat.h5", np.zeros((40, 50), np.uint8), "yx")
    refuses(GridMismatch, "2 channels, but brain .* has 1", project, lambda: add_lane(project, two))
    refuses(GridMismatch, "2-D image", project, lambda: add_lane(project, flat))


def test_a_lane_that_is_not_there_is_named_with_those_that_are(project, brain):
    add_lane(project, brain)
    refuses(InvalidSetting, "no lane '2', only 1: brain", project, lambda: open_lane(read_project(project), 1))
    refuses(InvalidSetting, "no lane '2', only 1: brain", project, lambda: set_labels(project, 1, EMPTY))
    refuses(InvalidSetting, "no lane '0', only 1: brain", project, lambda: remove_lane(project, -1))


def test_what_is_no_project_or_image_is_refused(project, brain):
    refuses(UnreadableVolume, "no such file", project, lambda: add_lane(project, project.parent / "gone.h5"))
    refuses(UnreadableProject, "does not exist", project, lambda: add_lane(project.parent / "gone.ilp", brain))
    refuses(UnreadableProject, "no ilastik project", project, lambda: add_lane(brain, brain))
    refuses(UnreadableProject, "no ilastik project", project, lambda: set_labels(brain, 0, EMPTY))


def test_projects_of_other_workflows_and_of_very_old_ilastiks_get_no_images(project, brain):
    with h5py.File(project, "r+") as file:
        del file["workflowName"]
        file["workflowName"] = b"Object Classification (from pixel classification)"
    refuses(UnsupportedProject, "do it in ilastik", project, lambda: add_lane(project, brain))
    with h5py.File(project, "r+") as file:
        del file["workflowName"]
        del file["Input Data/Role Names"]
    refuses(UnsupportedProject, "very old", project, lambda: add_lane(project, brain))


def test_a_missing_image_says_how_to_relink_and_then_is_found(project, brain, tmp_path):
    add_lane(project, brain, store="relative")
    moved = tmp_path / "archive" / "2024" / "brain.h5"
    moved.parent.mkdir(parents=True)
    brain.rename(moved)
    with pytest.raises(UnreadableVolume, match=r"lane0000 \(brain\) is not at .*brain\.h5: run `ecc-px project relink"):
        open_lane(read_project(project), 0)
    result = relink(project, folder=tmp_path)
    assert [(m.old, m.new) for m in result.moved] == [("brain.h5/exported_data", f"{moved}/exported_data")]
    assert result.missing == ()
    found = read_project(project)
    assert found.lanes[0].path_kind == "absolute"
    with h5py.File(project) as file:
        assert file["Input Data/infos/lane0000/Raw Data/__class__"][()] == b"FilesystemDatasetInfo"
    with open_lane(found, 0) as volume:
        assert np.array_equal(volume.read()[0], VOXELS)
    moved.rename(project.parent / "new name.h5")
    assert relink(project, {"brain.h5": project.parent / "new name.h5"}).missing == ()
    assert read_project(project).lanes[0].path == f"{project.parent}/new name.h5/exported_data"


def test_relinking_finds_the_image_that_fits_among_those_of_its_name(project, brain, tmp_path):
    add_lane(project, brain, store="relative")
    for name, voxels in {"a": VOXELS[:10], "b": VOXELS}.items():
        (tmp_path / name).mkdir()
        written(tmp_path / name / "brain.h5", voxels)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "brain.h5").write_bytes(b"no image")
    brain.unlink()
    (moved,) = relink(project, folder=tmp_path).moved
    assert moved.new == f"{tmp_path}/b/brain.h5/exported_data"
    (tmp_path / "b" / "brain.h5").rename(tmp_path / "b" / "old.h5")
    (tmp_path / "d").mkdir()
    for folder in ("b", "d"):
        written(tmp_path / folder / "brain.h5")
    (tmp_path / "b" / "brain.h5").rename(tmp_path / "a" / "brain.h5")
    refuses(InvalidSetting, "could both be", project, lambda: relink(project, folder=tmp_path))


def test_relinking_to_what_is_not_there_or_another_image_is_refused(project, brain, tmp_path):
    add_lane(project, brain)
    other = written(tmp_path / "other.h5", VOXELS[:10])
    (tmp_path / "empty").mkdir()
    refuses(InvalidSetting, "no image 'x.h5', only .*brain.h5", project, lambda: relink(project, {"x.h5": other}))
    refuses(UnreadableVolume, "no such file", project, lambda: relink(project, {"brain.h5": tmp_path / "gone.h5"}))
    refuses(GridMismatch, "z 30.* z 10", project, lambda: relink(project, {"brain.h5": other}))
    refuses(InvalidSetting, "no dataset", project, lambda: relink(project, {"brain.h5": f"{brain}/nothing"}))
    brain.unlink()
    refuses(UnreadableVolume, "none of the missing", project, lambda: relink(project, folder=tmp_path / "empty"))


def test_a_mask_that_moved_is_found_too_and_what_is_not_found_is_told(tmp_path):
    path = Path(shutil.copy(SYNTHETIC / "s1_3d_seedset" / "project.ilp", tmp_path / "PV.ilp"))
    with h5py.File(path, "r+") as file:
        file["Input Data/infos/lane0000/Prediction Mask/filePath"] = b"/mnt/old/mask.h5/data"
    (tmp_path / "here").mkdir()
    with h5py.File(tmp_path / "here" / "mask.h5", "w") as file:
        file["data"] = np.ones((4, 5, 6), np.uint8)
    result = relink(path, folder=tmp_path / "here")
    assert [m.new for m in result.moved] == [f"{tmp_path}/here/mask.h5/data"]
    assert result.missing == ("train.h5/volume",)
    assert read_project(path).lanes[0].mask == f"{tmp_path}/here/mask.h5/data"


def test_a_name_that_several_images_have_must_be_said_in_full(project, tmp_path):
    for folder in ("one", "two"):
        (project.parent / folder).mkdir()
        add_lane(project, written(project.parent / folder / "brain.h5"), store="relative")
    refuses(
        InvalidSetting,
        r"could be one/brain\.h5 or two/brain\.h5",
        project,
        lambda: relink(project, {"brain.h5": project.parent / "one" / "brain.h5"}),
    )
    (project.parent / "two" / "brain.h5").rename(tmp_path / "moved.h5")
    relink(project, {"two/brain.h5": tmp_path / "moved.h5"})
    assert [lane.path for lane in read_project(project).lanes] == [
        "one/brain.h5/exported_data",
        f"{tmp_path}/moved.h5/exported_data",
    ]


def test_an_image_from_windows_is_found_by_its_name(project, brain):
    add_lane(project, brain)
    with h5py.File(project, "r+") as file:
        raw = file["Input Data/infos/lane0000/Raw Data"]
        del raw["filePath"]
        raw["filePath"] = rb"D:\lab\brain.h5/exported_data"
    (moved,) = relink(project, folder=project.parent).moved
    assert moved.new == f"{brain}/exported_data"


@pytest.mark.parametrize("step", ["Input Data", "FeatureSelections", "PixelClassification"])
def test_a_project_without_a_step_is_not_changed(step, project):
    with h5py.File(project, "r+") as file:
        del file[step]["StorageVersion"]
    refuses(UnsupportedProject, f"no '{step}'", project, lambda: set_features(project, parse_features("all")))
