"""Formats that keep channels and chunks apart in their own ways are looked through like the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damaged_inputs import blank, brain, cut, hdf5
from foreign_files import bigdataviewer_files, imaris_file, write_n5, write_n5_blosc

from ecc_px.completeness import check_input, scanning
from ecc_px.volumes import open_volume


@pytest.mark.parametrize("write", [imaris_file, bigdataviewer_files], ids=["Imaris", "BigDataViewer"])
def test_a_blank_plane_of_one_channel_is_found(write, tmp_path: Path) -> None:
    image = np.stack([brain(), blank(brain(seed=1), 8)])[None]
    path = write(tmp_path / ("brain.ims" if write is imaris_file else "brain.h5"), image, ("Cells", "Nuclei"))
    (finding,) = check_input(path, jobs=2).findings
    assert (finding.kind, finding.where) == ("blank", "channel 1, plane 8")
    assert check_input(path, channel="cells", jobs=2).ok


def blocks_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != "attributes.json")


def test_a_block_that_n5_does_not_have_is_missing(tmp_path: Path) -> None:
    path = write_n5(tmp_path, brain())
    assert check_input(path, jobs=2).ok
    blocks = blocks_of(path)
    blocks[len(blocks) // 2].unlink()
    (finding,) = check_input(path, jobs=2).findings
    assert finding.kind == "missing chunk"


def test_a_block_of_n5_that_was_cut_short_is_never_decoded_to_something(tmp_path: Path) -> None:
    path = write_n5_blosc(tmp_path, brain())
    cut(blocks_of(path)[3])
    (finding,) = check_input(path, jobs=2).findings
    assert finding.kind == "unreadable"
    assert "cut short" in finding.sentence


def test_the_order_on_disk_decides_how_much_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in which x is slowest is read in slabs of x: plane by plane, it would be read once for each plane."""
    path = hdf5(tmp_path, brain().transpose(2, 1, 0))
    with open_volume(path, axes="xyz") as volume:
        z, y, _ = volume.shape
        monkeypatch.setattr(scanning, "BLOCK_BYTES", z * y * 2 * 10)
        assert scanning._block_of(volume, scanning._piece_of(volume)) == (z, y, 10)
    assert check_input(path, axes="xyz", jobs=2).ok
