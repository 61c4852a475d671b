"""Saved classifiers: a name stands for a file, and for nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from ecc_px.classifiers import load_classifier
from ecc_px.classifiers.registry import (
    registered_path,
    registry_folder,
    remove_classifier,
    saved_classifier,
    saved_classifiers,
)
from ecc_px.classifiers.saving import save_classifier
from ecc_px.errors import InvalidSetting, OutputExists, OutputFailed, UnreadableClassifier, UnreadableProject

PROJECT = Path(__file__).resolve().parents[1] / "data" / "synthetic" / "s2_2d_2channel" / "project.ilp"


@pytest.fixture(autouse=True)
def registry(tmp_path, monkeypatch):
    """An empty registry, and a working folder without files."""
    monkeypatch.setenv("ECC_PX_CLASSIFIERS", str(tmp_path / "registry"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "registry"


def test_saved_classifier_is_found_by_its_name(registry):
    saved = save_classifier("TH", PROJECT, stain="tyrosine hydroxylase", voxel_um=(2, 1, 1))
    assert saved_classifiers() == [saved] == [saved_classifier("TH")]
    assert saved.path == registry / "TH" / "TH.ilp"
    by_name, by_path = load_classifier("TH"), load_classifier(PROJECT)
    assert by_name.sha256 == by_path.sha256 == saved.sha256
    assert (saved.stain, saved.voxel_um, saved.source) == ("tyrosine hydroxylase", (2.0, 1.0, 1.0), str(PROJECT))
    assert saved.classes == tuple(c.name for c in by_path.classes)


def test_a_classifier_for_impossible_voxels_is_not_saved():
    with pytest.raises(InvalidSetting, match="voxel size -1 2 3: three lengths"):
        save_classifier("TH", PROJECT, voxel_um=(-1, 2, 3))
    assert saved_classifiers() == []


def test_a_file_wins_over_a_saved_classifier():
    save_classifier("TH", PROJECT)
    shutil.copy(PROJECT, "TH")
    assert registered_path("TH") == Path("TH")


def test_a_name_is_replaced_only_when_asked(registry):
    save_classifier("TH", PROJECT, stain="a")
    with pytest.raises(OutputExists, match="--overwrite"):
        save_classifier("TH", PROJECT, stain="b")
    assert saved_classifier("TH").stain == "a"
    save_classifier("TH", PROJECT, stain="b", overwrite=True)
    assert saved_classifier("TH").stain == "b"
    assert [child.name for child in registry.iterdir()] == ["TH"]


def test_removal_needs_the_exact_name(registry):
    save_classifier("TH", PROJECT)
    for name in ("th", "T", "TH2"):
        with pytest.raises(UnreadableClassifier, match="saved are: TH"):
            remove_classifier(name)
    remove_classifier("TH")
    assert list(registry.iterdir()) == []


def test_what_else_somebody_put_into_the_folder_is_never_removed(registry):
    save_classifier("TH", PROJECT)
    (registry / "TH" / "notes.txt").write_text("mine")
    with pytest.raises(OutputFailed, match="holds other things"):
        remove_classifier("TH")
    with pytest.raises(OutputExists):
        save_classifier("TH", PROJECT, overwrite=True)
    assert (registry / "TH" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "-x", "a b", "ü", "x" * 101, "a\n"])
def test_names_that_could_be_anything_else_are_refused(registry, name):
    for act in (lambda: save_classifier(name, PROJECT), lambda: remove_classifier(name)):
        with pytest.raises(InvalidSetting, match="can't name a classifier"):
            act()
    assert not registry.exists()


def test_unknown_names_are_refused_with_the_known_ones():
    save_classifier("TH", PROJECT)
    with pytest.raises(UnreadableClassifier, match="'GFP'; saved are: TH"):
        load_classifier("GFP")
    with pytest.raises(UnreadableProject, match="does not exist"):
        load_classifier("missing.ilp")


def test_only_classifiers_are_saved(registry, tmp_path):
    (tmp_path / "x.ilp").write_text("nonsense")
    with pytest.raises(UnreadableProject):
        save_classifier("x", tmp_path / "x.ilp")
    with pytest.raises(UnreadableProject):
        save_classifier("x", tmp_path / "missing.ilp")
    assert not registry.exists()


def test_a_file_that_was_changed_since_is_refused():
    saved = save_classifier("TH", PROJECT)
    with saved.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(UnreadableClassifier, match="missing or was changed"):
        load_classifier("TH")
    saved.path.unlink()
    with pytest.raises(UnreadableClassifier, match="missing or was changed"):
        load_classifier("TH")


@pytest.mark.parametrize("facts", ["", "{", "[]", "{}", '{"name": 1}'])
def test_damaged_facts_are_refused_by_name(registry, facts):
    save_classifier("TH", PROJECT)
    (registry / "TH" / "facts.json").write_text(facts)
    with pytest.raises(UnreadableClassifier, match=r"TH/facts\.json"):
        load_classifier("TH")


def test_facts_never_lead_out_of_the_folder(registry):
    save_classifier("TH", PROJECT)
    facts = json.loads((registry / "TH" / "facts.json").read_text())
    (registry / "TH" / "facts.json").write_text(json.dumps({**facts, "file": "../../secret"}))
    with pytest.raises(UnreadableClassifier, match="another classifier"):
        load_classifier("TH")


def test_registry_lies_where_the_platform_keeps_data(monkeypatch):
    monkeypatch.delenv("ECC_PX_CLASSIFIERS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr("sys.platform", "linux")
    assert registry_folder() == Path("/data/ecc-px/classifiers")
