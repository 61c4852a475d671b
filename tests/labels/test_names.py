"""Names of labels: classes on the command line, label descriptions, workspaces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from label_files import affine_mm, drawn, save_image, save_nifti

from ecc_px.errors import EccPxError, InvalidLabels, InvalidSetting
from ecc_px.labels import Interpretation, LabelClass, new_classes, parse_mapping, read_annotation
from ecc_px.labels.classes import class_attributes, classes_in_attributes
from ecc_px.labels.descriptions import descriptions_text, read_descriptions
from ecc_px.labels.workspace import read_workspace, workspace_text
from ecc_px.volumes import open_volume

CLASSES = (
    LabelClass(1, "cell", (255, 0, 0)),
    LabelClass(2, "false signal, bright neurite", (0, 255, 0)),
    LabelClass(7, 'Übergang <1> & "2"', (1, 2, 3)),
)


def test_classes_have_numbers_in_order_roles_and_different_colours() -> None:
    classes = new_classes(["cell:object", "false : false_signal", "vessel"])
    assert [(c.label, c.name, c.role) for c in classes] == [
        (1, "cell", "object"),
        (2, "false", "false_signal"),
        (3, "vessel", None),
    ]
    assert len({c.colour for c in classes}) == 3


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], "0 classes: there must be 1 to 255"),
        ([f"c{n}" for n in range(256)], "256 classes"),
        (["cell", "Cell "], "Two classes are called 'cell'"),
        ([":object"], "':object' has no name"),
        (["cell:objekt"], "no role 'objekt', only object, false_signal, background"),
    ],
)
def test_classes_that_are_none_are_refused(texts: list[str], reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason):
        new_classes(texts)


def test_a_table_says_which_value_is_which_class() -> None:
    assert parse_mapping("cell=1, false signal = 5,cell=3") == {1: "cell", 5: "false signal", 3: "cell"}


@pytest.mark.parametrize("text", ["", "cell", "cell=", "=1", "cell=0", "cell=65536", "cell=1.5", "cell=-1", "cell=1,"])
def test_a_table_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="is no NAME=VALUE with a value from 1 to 65535"):
        parse_mapping(text)


def test_a_value_of_two_classes_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="the value 1 is given to two classes"):
        parse_mapping("cell=1,false=1")


def test_descriptions_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "classes.label"
    path.write_text(descriptions_text(CLASSES), "utf-8")
    found = read_descriptions(path)
    assert [(c.label, c.colour) for c in found] == [(c.label, c.colour) for c in CLASSES]
    assert [c.name for c in found] == ["cell", "false signal, bright neurite", "Übergang <1> & '2'"]


def test_descriptions_as_people_edit_them(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(
        '\ufeff# mine\r\n\r\n0 0 0 0 0 0 0 "Clear Label"\r\n\t9 1 2 3 0.50 1 1 "b"\r\n4 4 5 6 1 0 0 "a"\r\n'.encode()
    )
    assert [(c.label, c.name) for c in read_descriptions(path)] == [(4, "a"), (9, "b")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('1 255 0 0 1 1 1 "a"\n2 0 0 cell\n', "line 2 is no label description: '2 0 0 cell'"),
        ('1 256 0 0 1 1 1 "a"\n', "line 1 has a colour above 255"),
        ('1 0 0 0 1 1 1 "a"\n1 0 0 0 1 1 1 "b"\n', "line 2 has label 1 for the second time"),
        ("# nothing\n", "it describes no label"),
        ("\x89PNG\r\n\x1a\n\0\0", "line 1 is no label description"),
    ],
)
def test_descriptions_that_are_damaged_are_refused_with_the_line(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "names.label").write_text(text, "latin-1")
    with pytest.raises(InvalidLabels, match=rf"names\.label: {reason}"):
        read_descriptions(tmp_path / "names.label")


def test_no_descriptions_where_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidLabels, match=r"names\.label: the label descriptions can't be read"):
        read_descriptions(tmp_path / "names.label")


def test_a_workspace_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.itksnap"
    path.write_text(workspace_text(tmp_path, "image.nii.gz", "labels.nii.gz", CLASSES), "utf-8")
    workspace = read_workspace(path)
    assert workspace.descriptions == CLASSES
    assert workspace.segmentation().path == tmp_path / "labels.nii.gz"
    assert [layer.role for layer in workspace.layers] == ["MainRole", "SegmentationRole"]


def test_a_workspace_that_was_moved_with_its_images_finds_them(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new place"
    image = save_image(tmp_path / "brain.h5")
    old.mkdir()
    save_nifti(old / "labels.nii", drawn(), affine_mm())
    (old / "a.itksnap").write_text(workspace_text(old, "image.nii", "labels.nii", CLASSES), "utf-8")
    shutil.copytree(old, new)
    assert read_workspace(new / "a.itksnap").segmentation().path == new / "labels.nii"
    (new / "labels.nii").unlink()
    assert read_workspace(new / "a.itksnap").segmentation().path == old / "labels.nii"
    shutil.rmtree(old)
    with (
        open_volume(image) as volume,
        pytest.raises(InvalidLabels, match=r"its segmentation .*labels\.nii is not there"),
    ):
        read_annotation(new / "a.itksnap", volume)


def test_a_workspace_from_windows_finds_images_beside_it(tmp_path: Path) -> None:
    save_nifti(tmp_path / "labels.nii", drawn(), affine_mm())
    text = workspace_text(Path("/old"), "image.nii", "labels.nii", CLASSES)
    (tmp_path / "a.itksnap").write_text(text.replace("/old", "C:\\lab\\annotate"), "utf-8")
    assert read_workspace(tmp_path / "a.itksnap").segmentation().path == tmp_path / "labels.nii"


def test_of_several_segmentations_the_user_says_which(tmp_path: Path) -> None:
    text = workspace_text(tmp_path, "image.nii", "first.nii", CLASSES)
    layer = text[text.index('    <folder key="Layer[001]">') : text.index("  </folder>\n</registry>")]
    second = layer.replace("[001]", "[002]").replace("first.nii", "second.nii")
    second = second.replace(
        "    </folder>\n", '<folder key="LayerMetaData"><entry key="CustomNickName" value="GFP"/></folder></folder>'
    )
    path = tmp_path / "a.itksnap"
    path.write_text(text.replace(layer, layer + second), "utf-8")
    workspace = read_workspace(path)
    with pytest.raises(
        InvalidLabels, match=r"2 segmentations: say which by --layer \(1: first\.nii, 2: second\.nii \(GFP\)\)"
    ):
        workspace.segmentation()
    for wanted in ("2", "GFP", "second.nii"):
        assert workspace.segmentation(wanted).path.name == "second.nii"
    with pytest.raises(InvalidLabels, match="no segmentation 'third'"):
        workspace.segmentation("third")
    save_nifti(tmp_path / "second.nii", drawn(), affine_mm())
    with open_volume(save_image(tmp_path / "brain.h5")) as image:
        found = read_annotation(path, image, Interpretation(layer="GFP", mapping=parse_mapping("a=1,b=2,c=3")))
    assert [c.name for c in found.classes] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no ITK-SNAP workspace, or is damaged"),
        ("<registry><folder key='Layers'>", "no ITK-SNAP workspace, or is damaged"),
        ("<?xml version='1.0' encoding='UTF-9'?><registry/>", "no ITK-SNAP workspace, or is damaged"),
        ("<html><body/></html>", "it lists no images"),
        ("<registry><folder key='Layers'><folder key='Layer[000]'><entry key='AbsolutePath' value='/a.nii'/>"
         "<entry key='Role' value='MainRole'/></folder></folder></registry>", "has no segmentation"),
    ],
)  # fmt: skip
def test_workspaces_that_are_damaged_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.itksnap").write_text(text)
    with pytest.raises(InvalidLabels, match=rf"a\.itksnap: .*{reason}"):
        read_workspace(tmp_path / "a.itksnap").segmentation()


def test_a_damaged_label_table_is_refused(tmp_path: Path) -> None:
    text = workspace_text(tmp_path, "image.nii", "labels.nii", CLASSES).replace('"255 0 0"', '"red"')
    (tmp_path / "a.itksnap").write_text(text, "utf-8")
    with pytest.raises(EccPxError, match="its label table is damaged"):
        read_workspace(tmp_path / "a.itksnap")


def test_classes_come_back_from_attributes() -> None:
    classes = new_classes(["cell:object", "vessel"])
    assert classes_in_attributes(class_attributes(classes)) == classes
    assert classes_in_attributes({"class_labels": [1], "class_names": ["cell"]})[0].name == "cell"
    assert classes_in_attributes({"class_labels": [1, 2], "class_names": ["cell"]}) == ()
    assert classes_in_attributes(class_attributes(())) == ()
