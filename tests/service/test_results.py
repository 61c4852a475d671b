"""Results of another content, classifier or settings never mix with those before, which are kept."""

import pytest

from ecc_px.service.results import (
    CARD,
    EARLIER,
    LOG,
    REASON,
    card_of,
    make_way,
    remove_reason,
    write_card,
    write_reason,
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "PV" / "m1"
    write_card(folder, {"identity": "first", "begun": 1_800_000_000})
    (folder / "m1_cells.csv").write_text("cells of the first")
    (folder / LOG).write_text("what happened\n")
    return folder


def test_results_of_the_same_identity_stay_for_the_next_try(folder):
    assert make_way(folder, "first") is None
    assert (folder / "m1_cells.csv").exists()


def test_results_of_another_identity_are_kept_whole_and_out_of_the_way(folder):
    aside = make_way(folder, "second")
    assert aside.parent == folder.parent / EARLIER
    assert (aside / "m1_cells.csv").read_text() == "cells of the first"
    assert [path.name for path in folder.iterdir()] == [LOG]
    write_card(folder, {"identity": "second", "begun": 1_800_000_000})
    assert make_way(folder, "third") != aside
    assert len(list((folder.parent / EARLIER).iterdir())) == 2


def test_folder_that_was_emptied_by_a_kill_in_between_is_taken_as_new(folder):
    make_way(folder, "second")
    assert card_of(folder) == {}
    assert make_way(folder, "second") is None


def test_damaged_card_is_none(folder):
    (folder / CARD).write_text("{half of it")
    assert card_of(folder) == {}


def test_reason_file_says_why_and_what_to_do_and_goes_again(folder, tmp_path):
    reason = "Z0011.tif is cut short. Copy it again."
    write_reason(folder, "PV/m1", "/data/m1", reason, [reason, "Z0012.tif is missing."], tmp_path / "facility.toml")
    text = (folder / REASON).read_text()
    for part in (reason, "Z0012.tif is missing.", "/data/m1", "ecc-px service retry 'PV/m1'", "facility.toml"):
        assert part in text
    remove_reason(folder)
    remove_reason(folder)
    assert not (folder / REASON).exists()
