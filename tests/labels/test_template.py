"""From a template through ITK-SNAP and back: every painted voxel is where it was painted."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from label_files import SHAPE, VOXEL_UM, drawn, paint_as_itk_snap, save_image, save_nifti

from ecc_px.errors import GridMismatch, InvalidLabels, InvalidSetting, OutputExists
from ecc_px.labels import new_classes, read_annotation
from ecc_px.labels.template import Template, parse_crop, write_template
from ecc_px.volumes import VoxelUm, open_volume

CLASSES = new_classes(["cell:object", "false:false_signal", "background:background"])
CROP = "5:17,20:90,3:70"


def make(image: Path, folder: Path, crop: str | None = CROP, **options) -> Template:
    with open_volume(image) as volume:
        region = None if crop is None else parse_crop(crop, volume.shape)
        return write_template(volume, folder, CLASSES, region=region, **options)


def oblique_nifti(path: Path) -> Path:
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.diag([0.00645, 0.00645, 0.007])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (12.5, -3, 40)
    return save_nifti(path, np.zeros(SHAPE, np.uint16), affine)


def las_nifti(path: Path) -> Path:
    return save_nifti(path, np.zeros(SHAPE, np.uint8), np.diag([-0.00645, 0.00645, 0.007, 1]))


def nifti_without_orientation(path: Path) -> Path:
    return save_nifti(path, np.zeros(SHAPE, np.uint8), np.diag([2.0, 2, 3, 1]), unit="unknown", code=0)


def image_of(kind: str, folder: Path) -> tuple[Path, VoxelUm | None]:
    """An image, and the voxel size that the user has to give."""
    match kind:
        case "hdf5":
            return save_image(folder / "brain.h5"), None
        case "hdf5 without voxel size":
            return save_image(folder / "brain.h5", voxel_um=None), None
        case "hdf5 with given voxel size":
            return save_image(folder / "brain.h5", voxel_um=None), (5.0, 2.0, 2.0)
        case "tiff":
            return save_image(folder / "brain.tif"), None
        case "our nifti":
            return save_image(folder / "brain.nii.gz"), None
        case "oblique nifti":
            return oblique_nifti(folder / "brain.nii"), None
        case "las nifti":
            return las_nifti(folder / "brain.nii.gz"), None
        case _:
            return nifti_without_orientation(folder / "brain.nii"), None


KINDS = (
    "hdf5",
    "hdf5 without voxel size",
    "hdf5 with given voxel size",
    "tiff",
    "our nifti",
    "oblique nifti",
    "las nifti",
    "nifti without orientation",
)


@pytest.mark.parametrize("crop", [CROP, None], ids=["crop", "whole"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_painted_comes_back_to_its_voxel(kind: str, crop: str | None, tmp_path: Path) -> None:
    path, voxel_um = image_of(kind, tmp_path)
    made = make(path, tmp_path / "annotate", crop, voxel_um=voxel_um)
    labels = drawn(tuple(along.stop - along.start for along in made.region))
    expected = np.zeros(SHAPE, np.uint8)
    expected[made.region] = labels
    paint_as_itk_snap(made.labels, labels)
    with open_volume(path) as image:
        for source in (made.labels, made.workspace):
            annotation = read_annotation(source, image)
            np.testing.assert_array_equal(annotation.dense()[0], expected)
            assert [c.name for c in annotation.classes] == ["cell", "false", "background"]


@pytest.mark.parametrize("kind", ["hdf5", "oblique nifti"])
def test_a_file_that_was_turned_round_comes_back_to_its_voxel_and_says_so(kind: str, tmp_path: Path) -> None:
    path, _ = image_of(kind, tmp_path)
    made = make(path, tmp_path / "annotate")
    labels = drawn(tuple(along.stop - along.start for along in made.region))
    paint_as_itk_snap(made.labels, labels)
    turned = nib.load(made.labels).as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    nib.save(turned, made.labels)
    expected = np.zeros(SHAPE, np.uint8)
    expected[made.region] = labels
    with open_volume(path) as image:
        annotation = read_annotation(made.labels, image)
    np.testing.assert_array_equal(annotation.dense()[0], expected)
    assert "turned onto the image's axes" in annotation.notes[0]
    assert "z 5:17, y 20:90, x 3:70" in annotation.notes[1]


def test_a_crop_at_the_far_end_of_a_very_long_image_is_found(tmp_path: Path) -> None:
    shape = (2, 3, 40_000)
    path = save_image(tmp_path / "long.h5", shape, (7, 0.65, 1 / 3))
    made = make(path, tmp_path / "crop", "0:2,1:3,35000:39999")
    labels = drawn((2, 2, 4_999))
    paint_as_itk_snap(made.labels, labels)
    with open_volume(path) as image:
        np.testing.assert_array_equal(read_annotation(made.labels, image).dense()[0, :, 1:, 35_000:39_999], labels)
    whole = make(path, tmp_path / "whole", None)
    assert isinstance(nib.load(whole.labels), nib.Nifti2Image)


def test_a_flat_image_is_one_plane_for_itk_snap(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "slice.tif", np.zeros((40, 50), np.uint16))
    made = make(tmp_path / "slice.tif", tmp_path / "annotate", None)
    labels = drawn((1, 40, 50))
    paint_as_itk_snap(made.labels, labels)
    with open_volume(tmp_path / "slice.tif") as image:
        np.testing.assert_array_equal(read_annotation(made.labels, image).dense()[0], labels)


def test_the_folder_holds_what_itk_snap_opens(tmp_path: Path) -> None:
    made = make(save_image(tmp_path / "brain.h5"), tmp_path / "new" / "annotate")
    assert sorted(p.name for p in made.folder.iterdir()) == [
        "annotate.itksnap", "classes.label", "image.nii.gz", "labels.nii.gz", "template.json",
    ]  # fmt: skip
    with open_volume(tmp_path / "brain.h5") as image:
        shown = nib.load(made.image)
        np.testing.assert_array_equal(np.asarray(shown.dataobj).T, image.read(made.region)[0])
        assert shown.get_data_dtype() == np.uint16
    assert shown.header.get_xyzt_units()[0] == "mm"
    assert nib.aff2axcodes(shown.affine) == ("R", "P", "I")
    np.testing.assert_allclose(shown.affine[:3, 3], [3 * 0.00645, -20 * 0.00645, -5 * 0.007], rtol=1e-6)
    np.testing.assert_array_equal(nib.load(made.labels).affine, shown.affine)
    assert not np.asarray(nib.load(made.labels).dataobj).any()


def test_uncompressed_and_one_channel_of_several(tmp_path: Path) -> None:
    stack = np.arange(6 * 2 * 8 * 9, dtype=np.uint8).reshape(6, 2, 8, 9)
    tifffile.imwrite(tmp_path / "two.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(InvalidSetting, match="2 channels: say which"):
        make(tmp_path / "two.tif", tmp_path / "annotate", None)
    with pytest.raises(InvalidSetting, match="no channel 2, only 0 to 1"):
        make(tmp_path / "two.tif", tmp_path / "annotate", None, channel=2)
    made = make(tmp_path / "two.tif", tmp_path / "annotate", None, channel=1, compress=False)
    assert made.image.name == "image.nii"
    np.testing.assert_array_equal(np.asarray(nib.load(made.image).dataobj).T, stack[:, 1])


def test_labels_of_a_crop_of_another_brain_are_refused_although_they_would_fit(tmp_path: Path) -> None:
    made = make(save_image(tmp_path / "a.h5"), tmp_path / "annotate")
    paint_as_itk_snap(made.labels, drawn((12, 70, 67)))
    other = save_image(tmp_path / "b.h5", (30, 100, 80))
    with (
        open_volume(other) as image,
        pytest.raises(GridMismatch, match=r"annotation of .*a\.h5 .*\(20, 90, 75\); the im"),
    ):
        read_annotation(made.labels, image)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    made = make(save_image(tmp_path / "brain.h5"), tmp_path / "annotate")
    (made.folder / "template.json").write_text('{"image": ')
    with (
        open_volume(tmp_path / "brain.h5") as image,
        pytest.raises(InvalidLabels, match=r"template\.json: it should say"),
    ):
        read_annotation(made.labels, image)


def test_too_large_a_crop_is_refused_with_its_size_and_one_that_fits(tmp_path: Path) -> None:
    path = save_image(tmp_path / "brain.h5")
    size_gb = 20 * 90 * 75 * 2 / 1e9
    with pytest.raises(InvalidSetting, match=r"0:20,0:90,0:75 is 0\.0 GB, more than the 0\.0001 GB") as refused:
        make(path, tmp_path / "annotate", None, max_gb=1e-4)
    proposal = str(refused.value).split("--crop ")[1].rstrip(".")
    made = make(path, tmp_path / "annotate", proposal, max_gb=1e-4)
    with open_volume(made.image) as volume:
        assert 0.8e-4 < np.prod(volume.shape) * 2 / 1e9 <= 1e-4 < size_gb
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "annotate"
    folder.mkdir()
    path = save_image(tmp_path / "brain.h5")
    made = make(path, folder)
    paint_as_itk_snap(made.labels, drawn((12, 70, 67)))
    before = made.labels.read_bytes()
    with pytest.raises(OutputExists, match="may hold labels"):
        make(path, folder)
    assert made.labels.read_bytes() == before


def test_a_voxel_size_that_contradicts_the_image_is_refused(tmp_path: Path) -> None:
    path = save_image(tmp_path / "brain.h5")
    with pytest.raises(InvalidSetting, match=r"\(7\.0, 6\.45, 6\.45\) µm \(z y x\), not \(1, 1, 1\)"):
        make(path, tmp_path / "annotate", voxel_um=(1, 1, 1))
    assert not (tmp_path / "annotate").exists()


@pytest.mark.parametrize(
    ("crop", "reason"),
    [
        ("0:5,0:5", "write z0:z1,y0:y1,x0:x1"),
        ("0:5,0:5,0", "write z0:z1,y0:y1,x0:x1"),
        ("0:5,-3:5,0:5", "'-3:5' along y is no BEGIN:END"),
        ("0:5,0:5,70:76", r"'70:76' does not lie in the image's x 0:75"),
        ("5:5,:,:", "'5:5' does not lie"),
        ("9:3,:,:", "'9:3' does not lie"),
    ],
)
def test_crops_that_are_none_are_refused(crop: str, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason):
        parse_crop(crop, SHAPE)


def test_the_record_says_what_was_cut_from_what(tmp_path: Path) -> None:
    made = make(save_image(tmp_path / "brain.h5"), tmp_path / "annotate")
    record = json.loads((made.folder / "template.json").read_text())
    assert (record["crop_zyx"], tuple(record["voxel_um_zyx"])) == (CROP, VOXEL_UM)
    assert record["class_roles"] == ["object", "false_signal", "background"]
