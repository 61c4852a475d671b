"""A fingerprint recognises an image, not its dates, its place or the clutter around it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from foreign_files import bigdataviewer_files

from ecc_px.completeness import fingerprint
from ecc_px.errors import UnreadableVolume

PLANE_BYTES = 40_000


@pytest.fixture
def planes(tmp_path: Path) -> Path:
    folder = tmp_path / "brain"
    folder.mkdir()
    for number in range(6):
        (folder / f"z{number:04}.tif").write_bytes(np.random.default_rng(number).bytes(PLANE_BYTES))
    return folder


def test_a_copy_with_other_dates_and_another_name_has_the_same_fingerprint(planes: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name"
    shutil.copytree(planes, copy, copy_function=shutil.copyfile)
    os.utime(copy / "z0003.tif", (1, 1))
    assert fingerprint(copy) == fingerprint(planes)
    shutil.copyfile(planes / "z0000.tif", tmp_path / "alone.tif")
    assert fingerprint(tmp_path / "alone.tif") == fingerprint(planes / "z0000.tif")


def test_clutter_notes_and_unfinished_copies_do_not_count(planes: Path) -> None:
    before = fingerprint(planes)
    for name in (
        ".DS_Store",
        "._z0001.tif",
        "Thumbs.db",
        "notes.txt",
        "z0006.tif.part",
        ".z0006.tif.Xy12",
        "z0006.tif~",
    ):
        (planes / name).write_bytes(b"something")
    (planes / "@eaDir").mkdir()
    (planes / "@eaDir" / "z0001.tif").touch()
    assert fingerprint(planes) == before


@pytest.mark.parametrize("change", ["renamed", "longer", "gone", "one more", "first bytes", "last bytes", "zero tail"])
def test_any_change_that_a_copy_may_make_is_noticed(change: str, planes: Path) -> None:
    before, plane = fingerprint(planes), planes / "z0002.tif"
    match change:
        case "renamed":
            plane.rename(planes / "z0009.tif")
        case "longer":
            plane.write_bytes(plane.read_bytes() + b"\0")
        case "gone":
            plane.unlink()
        case "one more":
            shutil.copyfile(plane, planes / "z0006.tif")
        case "first bytes":
            plane.write_bytes(b"?" + plane.read_bytes()[1:])
        case "last bytes":
            plane.write_bytes(plane.read_bytes()[:-1] + b"?")
        case "zero tail":
            plane.write_bytes(plane.read_bytes()[: PLANE_BYTES // 3] + bytes(PLANE_BYTES - PLANE_BYTES // 3))
    assert fingerprint(planes) != before


def test_a_zarr_folder_is_recognised_with_its_metadata_and_chunks(tmp_path: Path) -> None:
    path = tmp_path / "brain.zarr"
    array = zarr.create_array(path, shape=(8, 8, 8), chunks=(4, 4, 4), dtype="uint16", zarr_format=2)
    array[:] = np.arange(512).reshape(8, 8, 8)
    seen = [fingerprint(path)]
    chunk = path / "1.1.1"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    seen.append(fingerprint(path))
    metadata = path / ".zarray"
    metadata.write_text(metadata.read_text().replace("8", "9"))
    seen.append(fingerprint(path))
    assert len(set(seen)) == 3


def test_links_are_followed_and_those_that_lead_back_are_not(planes: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(planes)
    linked = tmp_path / "of links"
    linked.mkdir()
    for plane in planes.iterdir():
        (linked / plane.name).symlink_to(plane)
    assert fingerprint(tmp_path / "link") == fingerprint(linked) == fingerprint(planes)
    chunks = tmp_path / "brain.zarr"
    chunks.mkdir()
    (chunks / "0.0.0").write_bytes(b"chunk")
    before = fingerprint(chunks)
    (chunks / "again").symlink_to(chunks)
    assert fingerprint(chunks) == before


def test_the_path_inside_a_container_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "brain.h5").write_bytes(b"\x89HDF")
    inside = {fingerprint(tmp_path / "brain.h5" / name) for name in ("volume/data", "volume/other")}
    assert len(inside | {fingerprint(tmp_path / "brain.h5")}) == 3


def test_what_is_not_there_is_refused_by_name(planes: Path) -> None:
    with pytest.raises(UnreadableVolume, match="there is no such file"):
        fingerprint(planes / "z0100.tif")
    (planes / "z0003.tif").unlink()
    (planes / "z0003.tif").symlink_to(planes / "nowhere.tif")
    with pytest.raises(UnreadableVolume, match="z0003"):
        fingerprint(planes)


def test_many_files_cost_little(tmp_path: Path) -> None:
    """1,000 planes of 8 MB, a third of a brain: 0.1 s of this process where nobody else uses the processors."""
    for number in range(1000):
        with (tmp_path / f"z{number:04}.tif").open("wb") as file:
            file.truncate(8_000_000)
    began = time.process_time()
    fingerprint(tmp_path)
    assert time.process_time() - began < 1


def test_bigdataviewers_xml_stands_for_its_images(tmp_path: Path) -> None:
    image = np.arange(2 * 6 * 20 * 20, dtype=np.uint16).reshape(1, 2, 6, 20, 20)
    path = bigdataviewer_files(tmp_path / "brain.h5", image, ("Cells", "Nuclei"))
    before = fingerprint(path)
    with (tmp_path / "brain.h5").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    assert fingerprint(path) != before


def test_images_that_bigdataviewer_divided_are_all_in_it(tmp_path: Path) -> None:
    path = tmp_path / "brain.xml"
    path.write_text(
        "<SpimData><ImageLoader><hdf5>brain.h5</hdf5><partition><path>brain-00.h5</path></partition></ImageLoader>"
        "</SpimData>"
    )
    seen = {fingerprint(path)}
    for name in ("brain.h5", "brain-00.h5"):
        (tmp_path / name).write_bytes(b"voxels")
        seen.add(fingerprint(path))
    assert len(seen) == 3
