"""An output appears whole or not at all."""

import pytest

from ecc_px.errors import OutputExists, OutputFailed
from ecc_px.volumes.partial import appearing


def test_output_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "out.txt"
    with appearing(path, overwrite=False) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def half_written(path):
    path.write_text("half")
    raise RuntimeError("in between")


def test_error_leaves_nothing_and_what_was_there_stays(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="in between"), appearing(path, overwrite=True) as temporary:
        half_written(temporary)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("out.txt", "old")]


def test_folder_that_is_not_there_is_told_with_the_path(tmp_path):
    path = tmp_path / "none" / "out.txt"
    with pytest.raises(OutputFailed, match=r"none/out\.txt"), appearing(path, overwrite=False) as temporary:
        temporary.write_text("whole")


def test_existing_output_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(OutputExists), appearing(path, overwrite=False):
        pytest.fail("the block must not begin")
    assert path.read_text() == "old"
