"""A project changes whole or not at all; what we don't understand in it is kept; it does not grow without bound."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from ilp_specification import contents

from ecc_px.errors import OutputFailed, UnreadableProject
from ecc_px.features.notation import parse_features
from ecc_px.ilastik import (
    add_class,
    add_lane,
    read_labels,
    read_project,
    relink,
    remove_lane,
    rename_class,
    set_features,
    set_labels,
    store_forest,
)
from ecc_px.ilastik.editing import edited_ilp
from ecc_px.volumes import open_volume

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "synthetic" / "s1_3d_seedset"


@pytest.fixture
def path(tmp_path):
    shutil.copy(SYNTHETIC / "train.h5", tmp_path)
    return Path(shutil.copy(SYNTHETIC / "project.ilp", tmp_path / "PV.ilp"))


def store_again(path):
    project = read_project(path)
    store_forest(path, project.require_trained(), project.feature_names)


def relink_renamed(path):
    image = path.parent / "train.h5"
    shutil.copy(image, path.parent / "renamed.h5")
    relink(path, {"train.h5": path.parent / "renamed.h5"})


EDITS = {
    "rename a class": lambda path: rename_class(path, 1, "neuron", role="object"),
    "add a class": lambda path: add_class(path, "new", colour=(1, 2, 3)),
    "set features": lambda path: set_features(path, parse_features("all")),
    "set labels": lambda path: set_labels(path, 0, read_labels(read_project(path), 0)),
    "link an image": lambda path: add_lane(path, path.parent / "train.h5"),
    "copy an image": lambda path: add_lane(path, path.parent / "train.h5", store="copy"),
    "remove an image": lambda path: remove_lane(path, 0),
    "relink an image": relink_renamed,
    "store a forest": store_again,
}


def add_foreign_content(file):
    """What other applets and tools might leave in a project."""
    file.attrs["made by"] = "another tool"
    file["PixelClassification/Bookmarks/0000"].attrs["note"] = "ours"
    other = file.create_group("Object Extraction")
    other["StorageVersion"] = "0.1"
    other.create_dataset(
        "table", data=np.array([(1, 2.5)], [("id", "i4"), ("size", "f8")]), maxshape=(None,), chunks=(8,)
    )
    other.create_dataset("packed", data=np.arange(10_000), compression="gzip", shuffle=True)
    other["nothing"] = h5py.Empty("f4")
    other["opaque"] = np.void(b"\x00\x01(lp0\n.")
    other["texts"] = ["α", "β"]
    other["flags"] = np.array([True, False])
    other["table"].attrs["units"] = np.array([b"um", b"px"])
    file["a shortcut"] = h5py.SoftLink("/Object Extraction/table")
    file["elsewhere"] = h5py.ExternalLink("gone.h5", "/data")
    file["PixelClassification/unknown"] = [1.5, 2.5]
    file["Input Data/infos/lane0000/Raw Data/unknown"] = 7


FOREIGN = ("/Object Extraction", "/a shortcut", "/elsewhere", "/PixelClassification/unknown", "/Prediction Export")


def kept_of(path):
    with h5py.File(path) as file:
        return {name: item for name, item in contents(file).items() if name.startswith(FOREIGN)}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_we_do_not_understand_is_kept(edit, path):
    with h5py.File(path, "r+") as file:
        add_foreign_content(file)
    before = kept_of(path)
    assert len(before) > 10
    edit(path)
    assert kept_of(path) == before
    with h5py.File(path) as file:
        assert file.attrs["made by"] == "another tool"


@pytest.mark.parametrize(
    ("edit", "touched"),
    [
        ("rename a class", ("/PixelClassification/Label", "/PixelClassification/PmapColors", "/ecc-px")),
        ("set labels", ("/PixelClassification/LabelSets/labels000/",)),
        ("relink an image", ("/Input Data/infos/lane0000/Raw Data/filePath",)),
        ("set features", ("/FeatureSelections/", "/PixelClassification/ClassifierForests")),
        ("store a forest", ("/PixelClassification/Classifier", "/ecc-px")),
    ],
)
def test_only_what_is_meant_changes(edit, touched, path):
    with h5py.File(path) as file:
        before = contents(file)
    EDITS[edit](path)
    with h5py.File(path) as file:
        after = contents(file)

    def untouched(items):
        return {name: item for name, item in items.items() if not name.startswith(touched)}

    assert untouched(after) == untouched(before)


class Cut(Exception):
    """Stands for a crash."""


def _delete_and_fail(path):
    with edited_ilp(path) as file:
        del file["PixelClassification"]
        raise Cut


def test_an_error_in_the_middle_leaves_the_old_bytes_and_nothing_else(path):
    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(Cut):
        _delete_and_fail(path)
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == names


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_an_image_that_can_not_be_read_to_its_end_leaves_the_old_bytes(path, pieces):
    def progress(done, total):
        if done >= total * pieces / 2:
            raise Cut

    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    with open_volume(path.parent / "train.h5") as volume, pytest.raises(Cut):
        add_lane(path, volume, read_labels(read_project(path), 0), store="copy", progress=progress)
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == names


_COPY_AND_WAIT = """
import sys, time
from ecc_px.ilastik import add_lane

def progress(done, total):
    print("copying", flush=True)
    time.sleep(60)

add_lane(sys.argv[1], sys.argv[2], store="copy", progress=progress)
"""


def test_a_killed_process_leaves_the_old_project_and_the_next_change_works(path):
    before = path.read_bytes()
    command = [sys.executable, "-c", _COPY_AND_WAIT, str(path), str(path.parent / "train.h5")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"copying\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == before
    rename_class(path, 1, "neuron")
    assert read_project(path).classes[0].name == "neuron"


_EDIT_WITH_LITTLE_ROOM = """
import os, resource, sys
from ecc_px.errors import OutputFailed
from ecc_px.ilastik import add_lane

room = os.path.getsize(sys.argv[1]) + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    add_lane(sys.argv[1], sys.argv[2], store="copy")
except OutputFailed as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("room", [-1000, 0, 50_000])
def test_no_room_on_the_disk_is_one_sentence_and_the_old_project(path, room):
    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    command = [sys.executable, "-c", _EDIT_WITH_LITTLE_ROOM, str(path), str(path.parent / "train.h5"), str(room)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert f"{path}: it could not be written: the file is too large" in ended.stdout
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == names


def test_a_folder_or_project_that_may_not_be_written_is_refused():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(shutil.copy(SYNTHETIC / "project.ilp", folder / "PV.ilp"))
        before = path.read_bytes()
        for mode_of_folder, mode_of_file in [(0o555, 0o666), (0o777, 0o444)]:
            path.chmod(mode_of_file)
            folder.chmod(mode_of_folder)
            user = os.geteuid()
            if user == 0:
                os.seteuid(65534)  # root may write anywhere
            try:
                with pytest.raises(OutputFailed, match="you may not write there"):
                    rename_class(path, 1, "neuron")
            finally:
                os.seteuid(user)
            folder.chmod(0o755)
            assert path.read_bytes() == before
            assert list(folder.iterdir()) == [path]


def _edit_while_another_appends(path):
    with edited_ilp(path) as file:
        del file["PixelClassification/Bookmarks"]
        with path.open("ab") as other:
            other.write(b"more")


def test_a_project_that_another_program_changed_meanwhile_is_left_to_it(path):
    with pytest.raises(OutputFailed, match="another program changed"):
        _edit_while_another_appends(path)
    assert path.read_bytes().endswith(b"more")


_HOLD_OPEN = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"


def test_a_project_that_is_open_in_ilastik_is_refused(path):
    command = [sys.executable, "-c", _HOLD_OPEN, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ilastik:
        assert ilastik.stdout.readline() == b"open\n"
        with pytest.raises(UnreadableProject, match="another program"):
            rename_class(path, 1, "neuron")
        ilastik.stdin.close()
    rename_class(path, 1, "neuron")


def test_a_link_to_a_project_stays_a_link_and_permissions_stay(path):
    path.chmod(0o640)
    link = path.with_name("link.ilp")
    link.symlink_to(path.name)
    rename_class(link, 1, "neuron")
    assert link.is_symlink()
    assert read_project(path).classes[0].name == "neuron"
    assert path.stat().st_mode & 0o777 == 0o640


def test_storing_twenty_forests_takes_the_room_of_a_few(tmp_path):
    path = Path(shutil.copy(SYNTHETIC.parent / "s3_3d_mixed_uint8" / "project.ilp", tmp_path))
    project = read_project(path)
    sizes = []
    for _ in range(20):
        store_forest(path, project.require_trained(), project.feature_names)
        sizes.append(path.stat().st_size)
    assert max(sizes) < 3 * sizes[0]


def with_a_hole(path, size=4_000_000):
    """Leave dead space in a project, as ilastik does when it saves."""
    with h5py.File(path, "r+") as file:
        file["hole"] = np.zeros(size, np.uint8)
        file["PixelClassification/after it"] = np.arange(100)
    with h5py.File(path, "r+") as file:
        del file["hole"]
    assert path.stat().st_size > size


def test_dead_space_goes_and_nothing_else(path):
    with_a_hole(path)
    with h5py.File(path, "r+") as file:
        add_foreign_content(file)
        del file.attrs["made by"]
        before = contents(file)
        del before["/PixelClassification/LabelSets/labels000/block0000"]
    with edited_ilp(path) as file:
        del file["PixelClassification/LabelSets/labels000/block0000"]
    assert path.stat().st_size < 2_000_000
    with h5py.File(path) as file:
        assert contents(file) == before


def point_from_a_dataset(file):
    file["pointer"] = np.array([file["PixelClassification"].ref], h5py.ref_dtype)


def point_from_a_table(file):
    file["pointer"] = np.array([(file["PixelClassification"].ref,)], [("to", h5py.ref_dtype)])


def point_from_an_attribute(file):
    file["pointer"] = 1
    file["pointer"].attrs["to"] = file["PixelClassification"].ref


@pytest.mark.parametrize("point", [point_from_a_dataset, point_from_a_table, point_from_an_attribute])
def test_what_refers_to_something_else_is_rather_kept_with_the_dead_space(point, path):
    with h5py.File(path, "r+") as file:
        point(file)
    with_a_hole(path)
    rename_class(path, 1, "neuron")
    with h5py.File(path) as file:
        pointer = file["pointer"].attrs["to"] if file["pointer"].shape == () else file["pointer"][0]
        pointer = pointer if isinstance(pointer, h5py.Reference) else pointer["to"]
        assert file[pointer].name == "/PixelClassification"


def test_an_object_with_two_names_stays_one_object(path):
    with h5py.File(path, "r+") as file:
        file["second name"] = file["PixelClassification/StorageVersion"]
    with_a_hole(path)
    rename_class(path, 1, "neuron")
    with h5py.File(path) as file:
        assert file["second name"] == file["PixelClassification/StorageVersion"]
