"""Label images of every kind give the labels that were drawn, or are refused with the reason."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from label_files import SHAPE, affine_mm, drawn, save_image, save_nifti

from ecc_px.errors import EccPxError, GridMismatch, InvalidLabels, InvalidSetting
from ecc_px.labels import Interpretation, new_classes, read_annotation
from ecc_px.volumes import Volume, open_volume

GOLDEN = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden" / "seeds" / "itksnap"

LABELS = drawn()


@pytest.fixture
def image(tmp_path: Path) -> Volume:
    return open_volume(save_image(tmp_path / "brain.h5"))


def read(path: Path, image: Volume, **how) -> np.ndarray:
    return read_annotation(path, image, Interpretation(**how)).dense()[0]


@pytest.mark.skipif(not GOLDEN.exists(), reason="the shared golden files are not here")
class TestGolden:
    """Variants of one annotation, made to the format by hand; see the README of the golden files."""

    @pytest.fixture
    def image(self) -> Volume:
        return open_volume(GOLDEN / "image_RPI.nii.gz")

    @pytest.mark.parametrize(
        "name",
        [
            "labels_uint16_RPI.nii.gz",
            "labels_uint8_RPI.nii.gz",
            "labels_int16_RPI.nii.gz",
            "labels_float32_RPI.nii.gz",
            "labels_slope0_RPI.nii.gz",
            "labels_slope0.1_RPI.nii",
            "labels_uint16_LAS_reoriented.nii.gz",
            "labels_uint16_axes_permuted.nii.gz",
            "project.itksnap",
        ],
    )
    def test_every_variant_gives_the_expected_labels(self, name: str, image: Volume) -> None:
        np.testing.assert_array_equal(read(GOLDEN / name, image), np.load(GOLDEN / "expected_labels_zyx.npy"))

    def test_a_header_that_contradicts_its_axes_is_refused_with_both_sides_or_read_by_shape(
        self, image: Volume
    ) -> None:
        path = GOLDEN / "labels_ecc_style_qform_only.nii.gz"
        with pytest.raises(GridMismatch, match=r"6450 × 6450 × 7000 µm, axes towards LPS.*6\.45 × 6\.45 × 7 µm.*RPI"):
            read(path, image)
        expected = np.load(GOLDEN / "expected_labels_zyx.npy")
        np.testing.assert_array_equal(read(path, image, assume_same_grid=True), expected)

    def test_names_of_descriptions_and_workspace_say_which_class_a_value_is(self, image: Volume) -> None:
        classes = new_classes(["background", "Cell", "false signal,  bright neurite"])
        expected = np.array([0, 2, 3, 1])[np.load(GOLDEN / "expected_labels_zyx.npy")]
        labels = GOLDEN / "labels_uint8_RPI.nii.gz"
        np.testing.assert_array_equal(read(GOLDEN / "project.itksnap", image, classes=classes), expected)
        for descriptions in ("labels.label", "project.itksnap"):
            found = read(labels, image, classes=classes, descriptions=GOLDEN / descriptions)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_nifti_of_every_type(dtype: str, image: Volume, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "labels.nii.gz", LABELS.astype(dtype), affine_mm())
    np.testing.assert_array_equal(read(path, image), LABELS)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint64", "float64"])
def test_tiff_hdf5_and_zarr_in_the_types_that_python_writes(dtype: str, image: Volume, tmp_path: Path) -> None:
    labels = (LABELS > 0 if dtype == "bool" else LABELS).astype(dtype)
    if dtype != "bool":  # a TIFF of bits is read elsewhere as 0 and 255
        tifffile.imwrite(tmp_path / "labels.tif", labels)
    zarr.save_array(tmp_path / "labels.zarr", labels)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["labels"] = labels
    for path in tmp_path.glob("labels.*"):
        np.testing.assert_array_equal(read(path, image), labels.astype(np.uint8))


def test_hdf5_with_channel_and_time_as_ilastik_writes_it(image: Volume, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["exported_data"] = LABELS[np.newaxis, ..., np.newaxis]
    np.testing.assert_array_equal(read(tmp_path / "labels.h5", image), LABELS)


def test_other_axes_than_the_file_says(image: Volume, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", LABELS.transpose(2, 0, 1))
    np.testing.assert_array_equal(read(tmp_path / "labels.tif", image, axes="xzy"), LABELS)


def test_labels_inside_an_ome_zarr_image(image: Volume, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "brain.zarr", mode="w")
    group.create_group("labels").create_array("cells", data=LABELS.astype("int32"), chunks=(8, 64, 64))
    np.testing.assert_array_equal(read(tmp_path / "brain.zarr" / "labels" / "cells", image), LABELS)


def test_frames_of_a_time_series_keep_their_labels(tmp_path: Path) -> None:
    movie, labels = tmp_path / "movie.h5", tmp_path / "labels.h5"
    drawn_in_frames = drawn((3, 5, 70, 30))
    for path, data in ((movie, np.zeros((3, 5, 70, 30), np.uint16)), (labels, drawn_in_frames)):
        with h5py.File(path, "w") as file:
            file["data"] = data
            for number, axis in enumerate("tzyx"):
                file["data"].dims[number].label = axis
    with open_volume(movie) as image:
        np.testing.assert_array_equal(read_annotation(labels, image).dense(), drawn_in_frames)
    with (
        open_volume(save_image(tmp_path / "still.h5", (5, 70, 30))) as still,
        pytest.raises(GridMismatch, match="3 time"),
    ):
        read_annotation(labels, still)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 150), st.integers(1, 140), st.integers(1, 70)),
    start=st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70)),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    order=st.permutations([0, 1, 2]),
    seed=st.integers(0, 5),
)
def test_any_crop_turned_in_any_way_is_found(shape, start, flips, order, seed, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("turned")
    extent = tuple(a + n + 3 for a, n in zip(start, shape, strict=True))
    expected = np.zeros(extent, np.uint8)
    place = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    expected[place] = drawn(shape, seed, share=0.001)
    affine = affine_mm()
    affine[:3, 3] = affine[:3, :3] @ start[::-1]
    crop = save_nifti(folder / "labels.nii", expected[place], affine)
    orientation = np.array([[axis, -1 if flip else 1] for axis, flip in zip(order, flips, strict=True)])
    nib.save(nib.load(crop).as_reoriented(orientation), folder / "turned.nii")
    image_affine = save_nifti(folder / "image.nii", np.zeros(extent, np.uint8), affine_mm())
    with open_volume(image_affine) as image:
        annotation = read_annotation(folder / "turned.nii", image)
    np.testing.assert_array_equal(annotation.dense()[0], expected)


def test_labels_are_kept_in_small_boxes_that_do_not_overlap(tmp_path: Path) -> None:
    shape = (70, 200, 150)
    labels = np.zeros(shape, np.uint8)
    labels[60:68, 60:66, 10] = 1
    labels[3, 190, 140] = 2
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    with open_volume(save_image(tmp_path / "brain.h5", shape)) as image:
        annotation = read_annotation(tmp_path / "labels.tif", image)
    boxes = [(block.start[1:], block.labels.shape[1:]) for block in annotation.blocks]
    assert boxes == [
        ((60, 60, 10), (4, 4, 1)),
        ((60, 64, 10), (4, 2, 1)),
        ((3, 190, 140), (1, 1, 1)),
        ((64, 60, 10), (4, 4, 1)),
        ((64, 64, 10), (4, 2, 1)),
    ]
    np.testing.assert_array_equal(annotation.dense()[0], labels)


def test_a_large_label_image_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    shape = (300, 700, 900)
    for name, dtype in (("brain.h5", "u1"), ("labels.h5", "u2")):
        with h5py.File(tmp_path / name, "w") as file:
            data = file.create_dataset("data", shape, dtype, chunks=(64, 64, 64))
            if name == "labels.h5":
                data[100:110, 200:300, 300] = 1
                data[299, 699, 899] = 2
    with open_volume(tmp_path / "brain.h5") as image:
        tracemalloc.start()
        annotation = read_annotation(tmp_path / "labels.h5", image)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert annotation.counts() == {1: 1000, 2: 1}
    assert peak < 150e6 < np.prod(shape) * 2


class TestValues:
    """Which label a value becomes."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        values = np.array([0, 5, 7, 300], np.uint16)[LABELS]
        return save_nifti(tmp_path / "labels.nii.gz", values, affine_mm())

    def test_by_table_in_the_order_given(self, path: Path, image: Volume) -> None:
        how = Interpretation(mapping={300: "cell", 5: "background", 7: "background"})
        annotation = read_annotation(path, image, how)
        np.testing.assert_array_equal(annotation.dense()[0], np.array([0, 2, 2, 1])[LABELS])
        assert [(c.label, c.name) for c in annotation.classes] == [(1, "cell"), (2, "background")]

    def test_by_table_to_the_classes_of_that_name(self, path: Path, image: Volume) -> None:
        classes = new_classes(["cell:object", "false:false_signal", "background"])
        how = Interpretation(classes, {300: "background", 5: "Cell", 7: "false"})
        annotation = read_annotation(path, image, how)
        np.testing.assert_array_equal(annotation.dense()[0], np.array([0, 1, 2, 3])[LABELS])
        assert annotation.classes == classes

    def test_a_name_that_is_no_class_is_refused(self, path: Path, image: Volume) -> None:
        with pytest.raises(InvalidSetting, match=r"no class 'vessel' to map to, only 1 \(cell\)"):
            read(path, image, classes=new_classes(["cell"]), mapping={5: "vessel"})

    def test_unmapped_values_are_refused_with_their_counts_or_dropped_on_demand(
        self, path: Path, image: Volume
    ) -> None:
        counts = np.bincount(LABELS.ravel())
        reason = rf"values without a class: 7 \({counts[2]} voxels\), 300 \({counts[3]} voxels\); with one: 5 \(cell\)"
        with pytest.raises(InvalidLabels, match=reason):
            read(path, image, mapping={5: "cell"})
        annotation = read_annotation(path, image, Interpretation(mapping={5: "cell"}, drop_unmapped=True))
        np.testing.assert_array_equal(annotation.dense()[0], LABELS == 1)
        assert "left out values without a class: 7" in annotation.notes[0]

    def test_a_value_above_255_needs_a_table(self, path: Path, image: Volume) -> None:
        with pytest.raises(InvalidLabels, match=r"values without a class: 300 .*; with one: 1 to 255"):
            read(path, image)

    def test_without_names_values_must_be_labels_of_the_classes(self, path: Path, image: Volume) -> None:
        with pytest.raises(InvalidLabels, match=r"without a class: 5 .*; with one: 1 \(cell\), 2 \(background\)"):
            read(path, image, classes=new_classes(["cell", "background"]))

    def test_a_description_without_classes_keeps_the_numbers(self, tmp_path: Path, image: Volume) -> None:
        path = save_nifti(tmp_path / "five.nii", (LABELS == 1) * np.uint8(5), affine_mm())
        (tmp_path / "names.txt").write_text('5 255 0 0 1 1 1 "cell"\n')
        annotation = read_annotation(path, image, Interpretation(descriptions=tmp_path / "names.txt"))
        assert annotation.counts().keys() == {5}
        assert [(c.label, c.name) for c in annotation.classes] == [(5, "cell")]


def _nan(labels: np.ndarray) -> np.ndarray:
    values = labels.astype(np.float32)
    values[3, 4, 5] = np.nan
    return values


REFUSED = {
    "not a number": (_nan(LABELS), "nan is no class number"),
    "infinite": (np.where(LABELS > 1, np.inf, LABELS).astype(np.float32), "inf is no class number"),
    "half a class": (LABELS * np.float32(0.5), "0.5 is no class number.*interpolated"),
    "negative": (LABELS.astype(np.int16) * -1, "-3 is no class number: they lie between 0 and 65535"),
    "a huge number": (LABELS.astype(np.int32) * 70_000, "210000 is no class number"),
    "300 classes": (
        np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.uint16) % 301,
        r"256 \(\d+ voxels\), .*263 \(\d+ voxels\), 37 more; with one: 1 to 255",
    ),
    "nothing drawn": (np.zeros(SHAPE, np.uint8), "no voxel is labelled"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_values_that_are_no_labels_are_refused(what: str, image: Volume, tmp_path: Path) -> None:
    values, reason = REFUSED[what]
    path = save_nifti(tmp_path / "labels.nii.gz", values, affine_mm())
    with pytest.raises(InvalidLabels, match=rf"labels\.nii\.gz: .*{reason}"):
        read(path, image)


def test_nothing_but_unmapped_values_is_nothing_drawn(image: Volume, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "labels.nii", LABELS, affine_mm())
    with pytest.raises(InvalidLabels, match="no voxel is labelled but values without a class: 1"):
        read(path, image, mapping={9: "cell"}, drop_unmapped=True)


def shifted(by: float) -> np.ndarray:
    affine = affine_mm()
    affine[:3, 3] = affine[:3, :3] @ (by, by, by)
    return affine


WRONG_GRIDS = {
    "half a voxel beside": (LABELS[:5], shifted(0.5)),
    "a hundredth of a voxel beside": (LABELS[:5], shifted(0.01)),
    "out of the image": (LABELS, shifted(1)),
    "before the image": (LABELS[:5], shifted(-1)),
    "other voxels": (LABELS, affine_mm((7.1, 6.45, 6.45))),
    "larger voxels": (LABELS[:5], affine_mm((14, 12.9, 12.9))),
    "µm said to be mm": (LABELS, affine_mm() * 1000),
    "oblique": (LABELS[:5], affine_mm() @ np.array([[1, 0.1, 0, 0], [-0.1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
    "the other way round": (LABELS, np.abs(affine_mm())),
    "without extent": (LABELS, np.diag([0.00645, 0, -0.007, 1])),
}


@pytest.mark.parametrize("what", WRONG_GRIDS)
def test_labels_on_another_grid_are_refused_with_both_sides(what: str, image: Volume, tmp_path: Path) -> None:
    values, affine = WRONG_GRIDS[what]
    path = tmp_path / "labels.nii"
    labels = nib.Nifti1Image(values.T, None)
    labels.set_sform(affine, 1)
    labels.header.set_xyzt_units("mm")
    nib.save(labels, path)
    with pytest.raises(GridMismatch, match=r"Labels: 75 × 90 × (5|20) voxels .*; image: 75 × 90 × 20 voxels"):
        read(path, image)
    if values.shape == SHAPE:
        np.testing.assert_array_equal(read(path, image, assume_same_grid=True), LABELS)


def test_a_header_without_orientation_needs_the_users_word(image: Volume, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "labels.nii", LABELS, affine_mm(), code=0)
    with pytest.raises(GridMismatch, match=r"does not say where its voxels lie.*--assume-same-grid"):
        read(path, image)
    np.testing.assert_array_equal(read(path, image, assume_same_grid=True), LABELS)


@pytest.mark.parametrize("name", ["labels.tif", "labels.nii"])
def test_another_shape_is_refused_with_both_even_on_the_users_word(name: str, image: Volume, tmp_path: Path) -> None:
    if name == "labels.tif":
        tifffile.imwrite(tmp_path / name, LABELS[:, :80])
    else:
        save_nifti(tmp_path / name, LABELS[:, :80], affine_mm())
    with pytest.raises(GridMismatch, match=r"is \(20, 80, 75\), that of the image .*brain\.h5 is \(20, 90, 75\)"):
        read(tmp_path / name, image, assume_same_grid=True)


def test_a_picture_of_labels_in_colour_is_refused(image: Volume, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", np.stack([LABELS] * 3, -1), photometric="rgb")
    with pytest.raises(GridMismatch, match="3 channels, a label image has one"):
        read(tmp_path / "labels.tif", image)


@pytest.mark.parametrize("name", ["labels.nii", "labels.nii.gz"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.6, 0.98])
def test_a_file_cut_short_is_refused_by_name(name: str, kept: float, image: Volume, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / name, LABELS, affine_mm())
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(EccPxError, match=r"labels\.nii"):
        read(path, image)


def test_what_is_no_image_is_refused_by_name(image: Volume, tmp_path: Path) -> None:
    (tmp_path / "labels.nii.gz").write_bytes(gzip.compress(b"not an image" * 100))
    (tmp_path / "labels.mha").write_text("ObjectType = Image\n")
    for name in ("labels.nii.gz", "labels.mha", "missing.nii.gz", "missing.itksnap"):
        with pytest.raises(EccPxError, match=name):
            read(tmp_path / name, image)


def test_a_layer_of_what_has_none_is_refused(image: Volume, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "labels.nii", LABELS, affine_mm())
    with pytest.raises(InvalidSetting, match="only an ITK-SNAP workspace has layers"):
        read(path, image, layer="1")
