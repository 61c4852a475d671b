"""Labels that were written come back, and other programs read them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
from label_files import SHAPE, VOXEL_UM, drawn, save_image, save_nifti

from ecc_px.errors import GridMismatch, InvalidSetting, OutputExists
from ecc_px.labels import Annotation, LabelBlock, new_classes, read_annotation
from ecc_px.labels.writing import import_warning, write_annotation
from ecc_px.volumes import open_volume

CLASSES = new_classes(["cell:object", "false:false_signal", "background:background"])


def annotation_of(labels: np.ndarray) -> Annotation:
    """As a project would have it: boxes that end anywhere."""
    blocks = (
        LabelBlock((0, 0, 0, 0), labels[np.newaxis, :7]),
        LabelBlock((0, 7, 0, 0), labels[np.newaxis, 7:, :33]),
        LabelBlock((0, 7, 33, 0), labels[np.newaxis, 7:, 33:]),
    )
    return Annotation(blocks, (1, *labels.shape), CLASSES)


@pytest.mark.parametrize(
    "name", ["labels.h5", "labels.nii", "labels.nii.gz", "labels.tif", "labels.ome.zarr", "labels"]
)
@pytest.mark.parametrize("voxel_um", [VOXEL_UM, None], ids=["voxel size", "no voxel size"])
def test_what_is_written_is_read_again(name: str, voxel_um, tmp_path: Path) -> None:
    labels = drawn()
    with open_volume(save_image(tmp_path / "brain.h5", voxel_um=voxel_um)) as image:
        write_annotation(tmp_path / name, annotation_of(labels), image)
        found = read_annotation(tmp_path / name, image)
    np.testing.assert_array_equal(found.dense()[0], labels)
    assert found.classes == (CLASSES if name == "labels.h5" else ())


def test_hdf5_is_what_ilastik_imports(tmp_path: Path) -> None:
    labels = drawn()
    with open_volume(save_image(tmp_path / "brain.h5")) as image:
        write_annotation(tmp_path / "labels.h5", annotation_of(labels), image)
    with h5py.File(tmp_path / "labels.h5") as file:
        dataset = file["labels"]
        np.testing.assert_array_equal(dataset[:], labels)
        assert (dataset.dtype, dataset.chunks, dataset.compression) == (np.uint8, (20, 64, 64), "gzip")
        assert [axis["key"] for axis in json.loads(dataset.attrs["axistags"])["axes"]] == ["z", "y", "x"]
        assert list(dataset.attrs["class_names"]) == ["cell", "false", "background"]


def test_nifti_has_the_grid_of_a_nifti_image(tmp_path: Path) -> None:
    affine = np.array([[0, 0.002, 0, 1], [-0.002, 0, 0, 5], [0, 0, 0.005, -3], [0, 0, 0, 1.0]])
    with open_volume(save_nifti(tmp_path / "image.nii", np.zeros(SHAPE, np.uint8), affine)) as image:
        write_annotation(tmp_path / "labels.nii.gz", annotation_of(drawn()), image)
    written = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(written.affine, affine, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, drawn())


def test_without_the_image_the_size_must_be_known(tmp_path: Path) -> None:
    labels = drawn()
    write_annotation(tmp_path / "labels.tif", annotation_of(labels))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    with pytest.raises(InvalidSetting, match="how large the labelled image is"):
        write_annotation(tmp_path / "other.tif", Annotation(annotation_of(labels).blocks, None))


def test_labels_outside_of_the_image_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with (
        open_volume(save_image(tmp_path / "brain.h5", (20, 90, 74))) as image,
        pytest.raises(GridMismatch, match="reach"),
    ):
        write_annotation(tmp_path / "labels.h5", annotation_of(drawn()), image)
    assert [path.name for path in tmp_path.iterdir()] == ["brain.h5"]


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "labels.h5").write_text("mine")
    with pytest.raises(OutputExists):
        write_annotation(tmp_path / "labels.h5", annotation_of(drawn()))
    assert (tmp_path / "labels.h5").read_text() == "mine"
    write_annotation(tmp_path / "labels.h5", annotation_of(drawn()), overwrite=True)


def test_frames_are_written_one_by_one(tmp_path: Path) -> None:
    labels = drawn((2, 4, 9, 8))
    write_annotation(tmp_path / "labels.h5", Annotation((LabelBlock((0, 0, 0, 0), labels),), labels.shape))
    with h5py.File(tmp_path / "labels.h5") as file:
        np.testing.assert_array_equal(file["labels"][:], labels)


def test_a_number_that_is_not_drawn_is_told_because_ilastik_renumbers() -> None:
    labels = drawn()
    assert import_warning(annotation_of(labels)) is None
    gap = import_warning(annotation_of(np.where(labels == 2, 0, labels).astype(np.uint8)))
    assert gap is not None
    assert "Label 2 is not drawn" in gap
