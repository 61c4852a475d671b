"""A file or folder of our own appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecc_px.errors import OutputExists, OutputFailed
from ecc_px.volumes.partial import written_whole


def write(path: Path, text: str, *, overwrite: bool = False, error: BaseException | None = None) -> None:
    with written_whole(path, overwrite=overwrite) as temporary:
        temporary.write_text(text)
        assert not path.exists() or overwrite
        if error is not None:
            raise error


def test_a_file_appears_under_its_name_when_the_block_ends(tmp_path: Path) -> None:
    write(tmp_path / "table.csv", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("table.csv", "new")]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()], ids=["bug", "Ctrl-C"])
def test_whatever_ends_the_block_the_old_file_stays_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path / "table.csv", "old")
    with pytest.raises(type(error)):
        write(tmp_path / "table.csv", "half", overwrite=True, error=error)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("table.csv", "old")]


def test_a_file_that_is_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write(tmp_path / "table.csv", "old")
    with pytest.raises(OutputExists, match="--overwrite"):
        write(tmp_path / "table.csv", "new")
    assert (tmp_path / "table.csv").read_text() == "old"


def test_what_the_system_says_is_a_sentence_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match=r"no/table\.csv: it could not be written: .*No such file") as failed:
        write(tmp_path / "no" / "table.csv", "new")
    assert "left behind" not in str(failed.value)
