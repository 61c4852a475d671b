"""Every writer: any order, any thread, whole or not at all."""

from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from foreign_files import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from ecc_px.errors import InvalidSetting, OutputExists, OutputFailed
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import blocks_of, whole

NAMES = ("out.h5", "out.tif", "out.ome.tif", "out.nii", "out.nii.gz", "out.ome.zarr", "out")
SHAPE = (20, 33, 41)


def layout_of(image: np.ndarray, axes: str = "zyx", **facts) -> Layout:
    extent = dict(zip("czyx", image.shape, strict=True))
    return Layout(axes, tuple(extent[a] for a in axes), image.dtype, **facts)


def write_and_fail(path: Path, image: np.ndarray, kind: type[BaseException], *, overwrite: bool = False) -> None:
    with create_volume(path, layout_of(image), overwrite=overwrite) as writer:
        writer.write(whole(SHAPE), image)
        raise kind


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("core", [(8, 16, 16), (7, 10, 13), (20, 33, 41)], ids=["chunks", "odd", "whole"])
def test_threads_write_blocks_in_any_order(name: str, core: tuple[int, int, int], tmp_path: Path) -> None:
    image = noise((2, *SHAPE), "uint16")
    blocks = list(blocks_of(SHAPE, core))
    np.random.default_rng(1).shuffle(blocks)
    layout = layout_of(image, "zyxc", chunks=(8, 16, 16, 1))
    with create_volume(tmp_path / name, layout) as writer, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda block: writer.write(block.core, image[(slice(None), *block.core)]), blocks))
    with open_volume(tmp_path / name) as volume:
        np.testing.assert_array_equal(volume.read(), image)


@settings(max_examples=25, deadline=None)
@given(
    core=st.tuples(*(st.integers(1, 20),) * 3),
    chunks=st.tuples(*(st.integers(1, 20),) * 3),
    axes=st.permutations("zyxc").map("".join),
    compression=st.sampled_from(["gzip", "lzf", "none"]),
)
def test_hdf5_holds_the_same_image_for_any_blocks_chunks_and_axes(tmp_path_factory, core, chunks, axes, compression):
    image = noise((2, 9, 14, 11), "int16")
    along = dict(zip("zyx", chunks, strict=True))
    layout = layout_of(image, axes, chunks=tuple(along.get(a, 1) for a in axes))
    path = tmp_path_factory.mktemp("any") / "out.h5"
    with create_volume(path, layout, compression=compression) as writer:
        for block in blocks_of(image.shape[1:], core):
            writer.write(block.core, image[(slice(None), *block.core)])
    with open_volume(path) as volume:
        assert volume.axes == axes
        np.testing.assert_array_equal(volume.read(), image)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_of_an_output_that_failed(name: str, tmp_path: Path) -> None:
    image = noise((1, *SHAPE), "uint8")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / name, image, ZeroDivisionError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_output_is_not_there_before_it_is_complete(name: str, tmp_path: Path) -> None:
    image = noise((1, *SHAPE), "uint8")
    with create_volume(tmp_path / name, layout_of(image)) as writer:
        writer.write(whole(SHAPE), image)
        assert not (tmp_path / name).exists()
        assert all(path.name.startswith(f".{name}.partial-") for path in tmp_path.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_failed_overwrite_keeps_the_old_output(name: str, tmp_path: Path) -> None:
    old, new = noise((1, *SHAPE), "uint8", seed=1), noise((1, *SHAPE), "uint8", seed=2)
    with create_volume(tmp_path / name, layout_of(old)) as writer:
        writer.write(whole(SHAPE), old)
    with pytest.raises(OutputExists, match="--overwrite"):
        create_volume(tmp_path / name, layout_of(new))
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(tmp_path / name, new, KeyboardInterrupt, overwrite=True)
    with open_volume(tmp_path / name) as volume:
        np.testing.assert_array_equal(volume.read(), old)
    assert [path.name for path in tmp_path.iterdir()] == [name]


_WRITE_WITH_LITTLE_ROOM = """
import resource, sys
import numpy as np
from ecc_px.errors import OutputFailed
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import blocks_of

image = np.random.default_rng(0).integers(0, 2**16, (1, 64, 128, 128), np.uint16)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    with create_volume(sys.argv[1], Layout("zyx", image.shape[1:], image.dtype)) as writer:
        for block in blocks_of(image.shape[1:], (20, 64, 64)):
            writer.write(block.core, image[(slice(None), *block.core)])
except OutputFailed as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("room", [500, 300_000])
@pytest.mark.parametrize("name", ["out.h5", "out.tif", "out.nii.gz", "out.ome.zarr"])
def test_no_room_on_the_disk_is_one_sentence_and_nothing_left(name: str, room: int, tmp_path: Path) -> None:
    # A limit on file sizes stands in for a full disk; in a process of its own, since HDF5 used to die at its end.
    command = [sys.executable, "-c", _WRITE_WITH_LITTLE_ROOM, str(tmp_path / name), str(room)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    # One output can't speak for the others of a command, which may be there already: nothing is said of what was left.
    assert ended.stdout == (
        f"{tmp_path / name}: it could not be written: the file is too large for this disk or your limits. "
        "Mend that or choose another place, and run it again.\n"
    )
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    writer = create_volume(tmp_path / "no" / name, Layout("zyx", (3, 4, 5), np.dtype("uint8")))
    with pytest.raises(OutputFailed, match=f"no/{name}: there is no folder"), writer:
        pass


def test_an_unknown_extension_or_compression_says_what_there_is(tmp_path: Path) -> None:
    layout = Layout("zyx", (3, 4, 5), np.dtype("uint8"))
    with pytest.raises(InvalidSetting, match=r"\.png: no format.*\.h5"):
        create_volume(tmp_path / "out.png", layout)
    with pytest.raises(InvalidSetting, match="no compression 'lzw', only gzip, lzf, none"):
        create_volume(tmp_path / "out.h5", layout, compression="lzw")
    with pytest.raises(InvalidSetting, match="each must be 1"):
        create_volume(tmp_path / "out.h5", Layout("yx", (4, 5), np.dtype("uint8"), chunks=(0, 5)))


def test_an_array_that_does_not_fit_its_region_is_refused(tmp_path: Path) -> None:
    layout = Layout("zyx", (3, 4, 5), np.dtype("uint8"))
    with create_volume(tmp_path / "out.h5", layout) as writer:
        for wrong in (np.zeros((3, 4, 5), "uint8"), np.zeros((1, 3, 4, 4), "uint8"), np.zeros((1, 3, 4, 5), "uint16")):
            with pytest.raises(ValueError, match="the region takes"):
                writer.write(whole((3, 4, 5)), wrong)


SAYINGS = {
    "class_labels": [3, 1],
    "rounding": "rint(float32(votes / trees) * 255), halves to even",
    "drange": [0.0, 1.0],
    "class_names": ['Zellkörper {1} <b> & "c"', "line\nand = 1"],
    "seed": 7,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("voxel_um", [None, (5.0, 2.0, 1.5)], ids=["no size", "size"])
def test_attributes_are_given_back_as_they_were(name: str, voxel_um, tmp_path: Path) -> None:
    image = noise((2, *SHAPE), "uint8")
    given_ones = SAYINGS | {"drange": (0.0, 1.0), "seed": np.int64(7)}
    with create_volume(tmp_path / name, layout_of(image, "zyxc", voxel_um=voxel_um), attributes=given_ones) as writer:
        writer.write(whole(SHAPE), image)
    with open_volume(tmp_path / name) as volume:
        assert {key: volume.attributes.get(key) for key in SAYINGS} == SAYINGS
        assert volume.voxel_um == voxel_um
        np.testing.assert_array_equal(volume.read(), image)


def test_attributes_do_not_hinder_other_readers(tmp_path: Path) -> None:
    image = noise((2, *SHAPE), "uint8")
    for name in ("out.tif", "out.ome.tif", "out.nii", "new.ome.zarr"):
        layout = layout_of(image, "zyxc", voxel_um=(5.0, 2.0, 1.5))
        with create_volume(tmp_path / name, layout, attributes=SAYINGS, ngff_version="0.5") as writer:
            writer.write(whole(SHAPE), image)
    for name in ("out.tif", "out.ome.tif"):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / name), image.transpose(1, 0, 2, 3))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert (file.imagej_metadata["spacing"], file.imagej_metadata["unit"]) == (5.0, "um")
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert 'PhysicalSizeZ="5.0"' in file.ome_metadata
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "out.nii").dataobj)[:, :, :, 0], image.transpose(3, 2, 1, 0)
    )
    group = zarr.open_group(tmp_path / "new.ome.zarr", mode="r")
    assert set(group.attrs) == {"ome", "ecc_px"}


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    image = noise((1, *SHAPE), "uint16")
    for name in ("h5", "nii.gz", "tif"):
        for stem in "ab":
            with create_volume(tmp_path / f"{stem}.{name}", layout_of(image)) as writer:
                writer.write(whole(SHAPE), image)
        assert (tmp_path / f"a.{name}").read_bytes() == (tmp_path / f"b.{name}").read_bytes(), name


@pytest.mark.parametrize("name", ["brain", "brain.ome.zarr", "brain.h5", "brain.tif"])
def test_folder_that_holds_other_things_is_never_removed(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "notes.txt").write_text("a year of work")
    (folder / "brain_z0000.tif").write_bytes(b"a plane")
    layout = Layout(axes="zyx", stored_shape=(2, 3, 4), dtype=np.dtype(np.uint8))
    with pytest.raises(OutputExists, match="holds other things"):
        create_volume(folder, layout, overwrite=True)
    assert (folder / "notes.txt").read_text() == "a year of work"
    assert {path.name for path in folder.iterdir()} == {"notes.txt", "brain_z0000.tif"}


@pytest.mark.parametrize("name", ["brain", "brain.ome.zarr"])
def test_earlier_output_that_is_a_folder_is_replaced(name, tmp_path):
    layout = Layout(axes="zyx", stored_shape=(2, 3, 4), dtype=np.dtype(np.uint8))
    for value in (1, 2):
        with create_volume(tmp_path / name, layout, overwrite=True) as writer:
            writer.write(whole((2, 3, 4)), np.full((1, 2, 3, 4), value, np.uint8))
    with open_volume(tmp_path / name) as volume:
        assert (volume.read() == 2).all()


def test_error_on_a_file_system_that_became_read_only_is_told_as_it_is(tmp_path, monkeypatch):
    layout = Layout(axes="zyx", stored_shape=(2, 3, 4), dtype=np.dtype(np.uint8))

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(ZeroDivisionError), create_volume(tmp_path / "brain.h5", layout):
        raise ZeroDivisionError
