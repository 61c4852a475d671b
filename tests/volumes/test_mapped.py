"""Files that are written through a map take little memory, however large they are, and lose nothing by it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ecc_px import open_volume
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import blocks_of

SHAPE, BLOCK = (256, 512, 1024), (64, 64, 256)
"""134 MB of uint8, in 128 blocks."""


def resident_in_files() -> int:
    """Bytes of mapped files that count as this process's memory."""
    found = re.search(r"^RssFile:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("name", ["large.tif", "large.nii"])
def test_a_large_file_is_written_in_little_memory(name: str, tmp_path: Path) -> None:
    layout = Layout(axes="zyx", stored_shape=SHAPE, dtype=np.dtype(np.uint8))
    before, most = resident_in_files(), 0
    with create_volume(tmp_path / name, layout) as writer:
        for number, block in enumerate(blocks_of(SHAPE, BLOCK)):
            writer.write(block.core, np.full((1, *BLOCK), number, np.uint8))
            most = max(most, resident_in_files())
    assert most - before < 64 * 2**20
    with open_volume(tmp_path / name) as volume:
        for number, block in enumerate(blocks_of(SHAPE, BLOCK)):
            corner = tuple(slice(part.stop - 2, part.stop) for part in block.core)
            assert (volume.read(corner) == number).all()
