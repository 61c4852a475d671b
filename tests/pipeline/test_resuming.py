"""A prediction that was stopped, however it was, goes on and ends in the same bytes; another one is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecc_px import predict
from ecc_px.errors import OutputExists, OutputFailed, UnfinishedWork, UnreadableVolume
from ecc_px.pipeline.journal import GroupFacts, Journal
from ecc_px.pipeline.work_folder import WorkFolder, is_at_work, read_progress, work_folders, work_path

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
SMALL: dict[str, Any] = {"block": (16, 16, 32), "jobs": 2}
"""12 block groups of the brain below."""


class Stop(BaseException):
    """Like Ctrl-C."""


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("brain") / "brain.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.random.default_rng(0).integers(0, 4000, (48, 64, 40), np.uint16)
        file.create_dataset("mask", data=np.ones((48, 64, 40), np.uint8))
    return path


def stop_after(voxels: int) -> Any:
    def progress(done: int, total: int) -> None:
        if done >= voxels:
            raise Stop

    return progress


def stopped(brain: Path, out: Path, voxels: int = 30_000, **settings: Any) -> None:
    with pytest.raises(Stop):
        predict(PROJECT, brain / "data", out, progress=stop_after(voxels), **SMALL | settings)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("file_format", ["hdf5", "ome-zarr", "tiff"])
def test_a_stopped_prediction_goes_on_to_the_same_bytes(file_format: str, brain: Path, tmp_path: Path) -> None:
    settings = SMALL | {"file_format": file_format, "exports": ("probabilities", "segmentation")}
    whole = predict(PROJECT, brain / "data", tmp_path / "whole", **settings)
    stopped(brain, tmp_path / "out", **settings)
    seen: list[int] = []
    resumed = predict(
        PROJECT, brain / "data", tmp_path / "out", progress=lambda done, total: seen.append(done), **settings
    )
    assert 30_000 <= resumed.found == seen[0] < resumed.voxels == seen[-1]
    assert all(a < b for a, b in pairwise(seen))
    for kind, path in whole.outputs.items():
        assert contents(resumed.outputs[kind]) == contents(path)
    assert names(tmp_path / "out") == names(tmp_path / "whole")


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(child for child in path.rglob("*") if child.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_other_threads_go_on_with_the_same_blocks(brain: Path, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        predict(PROJECT, brain / "data", tmp_path / "out", progress=stop_after(30_000), jobs=1, block=(16, 16, 32))
    resumed = predict(PROJECT, brain / "data", tmp_path / "out", jobs=4, block=SMALL["block"])
    whole = predict(PROJECT, brain / "data", tmp_path / "whole", **SMALL)
    assert resumed.probabilities.read_bytes() == whole.probabilities.read_bytes()


def test_receipt_tells_every_attempt(brain: Path, tmp_path: Path) -> None:
    stopped(brain, tmp_path)
    stopped(brain, tmp_path, voxels=90_000)
    predict(PROJECT, brain / "data", tmp_path, **SMALL)
    receipt = json.loads((tmp_path / "brain_probabilities.h5.receipt.json").read_text())
    found = [attempt["found_voxels"] for attempt in receipt["attempts"]]
    assert len(found) == 3
    assert found[0] == 0 < found[1] < found[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtype": "uint8"}, "the type was float32, now uint8"),
        ({"exports": ("probabilities", "features")}, "the exports was probabilities, now probabilities, features"),
        ({"classes": (1,)}, "the classes was .*cell"),
        ({"voxel_um": (2, 1, 1)}, "the voxel size was not given, now 2, 1, 1"),
        ({"compression": "lzf"}, "the compression was not given, now lzf"),
        ({"block": (48, 32, 32)}, "the block was 16, 16, 32, now 48, 32, 32"),
    ],
)
def test_other_settings_are_refused_by_name_and_nothing_is_lost(
    change: dict[str, Any], words: str, brain: Path, tmp_path: Path
) -> None:
    stopped(brain, tmp_path)
    before = (work_path(tmp_path / "brain_probabilities.h5") / "groups").read_bytes()
    with pytest.raises(UnfinishedWork, match=words + r".*--restart"):
        predict(PROJECT, brain / "data", tmp_path, **SMALL | change)
    assert (work_path(tmp_path / "brain_probabilities.h5") / "groups").read_bytes() == before
    anew = predict(PROJECT, brain / "data", tmp_path, restart=True, **SMALL | change)
    assert anew.found == 0


def test_a_changed_input_is_noticed(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 4000, (48, 64, 40), np.uint16)
    path = tmp_path / "brain.h5"
    with h5py.File(path, "w") as file:
        file["data"] = image
    with pytest.raises(Stop):
        predict(PROJECT, path, tmp_path / "out", progress=stop_after(30_000), **SMALL)
    with h5py.File(path, "r+") as file:
        file["data"][3, 3, 3] = 7
    with pytest.raises(UnfinishedWork, match=r"the input changed.*--restart"):
        predict(PROJECT, path, tmp_path / "out", **SMALL)


def test_a_disk_too_small_for_the_end_is_told_when_few_blocks_are_missing(
    brain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(brain, tmp_path)
    kept = (work_path(tmp_path / "brain_probabilities.h5") / "groups").stat().st_size
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=kept))
    with pytest.raises(OutputFailed, match=r"0\.00 GB are needed .* make room"):
        predict(PROJECT, brain / "data", tmp_path, **SMALL)
    monkeypatch.undo()
    assert predict(PROJECT, brain / "data", tmp_path, **SMALL).found > 0


def test_a_second_process_does_not_work_on_the_same_output(brain: Path, tmp_path: Path) -> None:
    with (
        WorkFolder(tmp_path / "brain_probabilities.h5"),
        pytest.raises(UnfinishedWork, match=rf"process {os.getpid()} on .* is making it"),
    ):
        predict(PROJECT, brain / "data", tmp_path, **SMALL)
    predict(PROJECT, brain / "data", tmp_path, **SMALL)


def test_an_output_that_is_there_is_not_touched_by_going_on(brain: Path, tmp_path: Path) -> None:
    stopped(brain, tmp_path)
    (tmp_path / "brain_probabilities.h5").write_bytes(b"precious")
    with pytest.raises(OutputExists):
        predict(PROJECT, brain / "data", tmp_path, **SMALL)
    assert (tmp_path / "brain_probabilities.h5").read_bytes() == b"precious"
    assert predict(PROJECT, brain / "data", tmp_path, overwrite=True, **SMALL).found > 0


def test_what_fails_before_anything_is_finished_leaves_nothing(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    with h5py.File(damaged, "w") as file:
        file.create_dataset("data", data=np.ones((20, 64, 40), np.uint16), chunks=(20, 64, 40), compression="gzip")
        offset = file["data"].id.get_chunk_info(0).byte_offset
    with damaged.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 50)
    with pytest.raises(UnreadableVolume):
        predict(PROJECT, damaged, tmp_path / "out", **SMALL)
    assert names(tmp_path / "out") == set()


def test_killed_between_two_outputs_the_same_command_replaces_its_own(brain: Path, tmp_path: Path) -> None:
    """A process that dies where the second output would appear: the first one is there, without a receipt."""
    settings = f"exports=('probabilities', 'segmentation'), block={SMALL['block']}"
    code = f"""
import os
from ecc_px import predict
from ecc_px.volumes.partial import PartialOutput
commit = PartialOutput.commit
def dies(self):
    if "segmentation" in self.path.name:
        os._exit(9)
    commit(self)
PartialOutput.commit = dies
predict({str(PROJECT)!r}, {str(brain / "data")!r}, {str(tmp_path)!r}, {settings})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert "brain_probabilities.h5" in names(tmp_path)
    assert "brain_probabilities.h5.receipt.json" not in names(tmp_path)
    made = predict(PROJECT, brain / "data", tmp_path, exports=("probabilities", "segmentation"), block=SMALL["block"])
    assert made.found == made.voxels
    expected = {f"brain_{kind}.h5{end}" for kind in made.outputs for end in ("", ".receipt.json")}
    assert names(tmp_path) == expected


FACTS = GroupFacts(voxels=10, computed=9, without_votes=1, dark=0, sha256=("ab", "cd"))


def test_a_torn_or_damaged_record_is_dropped_with_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "groups"
    journal = Journal(path)
    ends = []
    for group in (4, 0, 2):
        journal.append(group, FACTS, [[b"a" * 100, b""], [b"b" * (group + 1)]])
        ends.append(path.stat().st_size)
    journal.close()
    full = path.read_bytes()
    for length in (*range(ends[1], ends[2], 7), ends[2] - 1):
        path.write_bytes(full[:length])
        journal = Journal(path)
        assert set(journal.facts) == {4, 0}
        assert path.stat().st_size == ends[1]
        journal.close()
    for place in (ends[0] + 3, ends[0] + 12, ends[1] - 1):
        path.write_bytes(full[:place] + bytes([full[place] ^ 1]) + full[place + 1 :])
        journal = Journal(path)
        assert set(journal.facts) == {4}
        journal.append(7, FACTS, [[b"c"], [b"d"]])
        journal.close()
        journal = Journal(path)
        assert set(journal.facts) == {4, 7}
        assert journal.facts[4] == FACTS
        assert [bytes(piece) for piece in journal.pieces(4, 0)] == [b"a" * 100, b""]
        assert [bytes(piece) for piece in journal.pieces(7, 1)] == [b"d"]
        journal.close()


def test_progress_can_be_read_by_others_meanwhile(brain: Path, tmp_path: Path) -> None:
    seen = []

    def look(done: int, total: int) -> None:
        (work,) = work_folders(tmp_path)
        seen.append((is_at_work(work), read_progress(work)))

    predict(PROJECT, brain / "data", tmp_path, progress=look, **SMALL)
    assert all(alive for alive, _ in seen)
    first = seen[0][1]
    assert first is not None
    assert (first["done"], first["total"], first["process"]) == (0, 48 * 64 * 40, os.getpid())
    assert time.time() - first["told"] < 60
    assert work_folders(tmp_path) == []
