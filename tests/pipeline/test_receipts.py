"""A receipt is a promise: it can be checked against the image, and the result made again from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecc_px import load_classifier, open_volume, predict
from ecc_px.errors import OutputExists, UnreadableReceipt
from ecc_px.pipeline.run import run
from ecc_px.pipeline.verification import rerun, verify

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
VOXEL_UM = (7.0, 6.45, 6.45)


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("brain") / "brain.h5"
    with h5py.File(path, "w") as file:
        noise = np.random.default_rng(0).integers(0, 4000, (40, 48, 40, 2), np.uint16)
        file["volume/data"] = noise[..., 0]
        file["volume/data"].dims[0].label = "z"
    return path


@pytest.fixture(scope="module")
def predicted(brain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    exports = ("probabilities", "segmentation")
    return predict(PROJECT, brain, out, exports=exports, dtype="uint8", block=(16, 16, 16), run_length=32).probabilities


def test_an_untouched_image_is_verified_and_blocks_come_out_again(predicted: Path) -> None:
    for output in (predicted, predicted.with_name("brain_segmentation.h5")):
        found = verify(output, sample=5, seed=1)
        assert found.ok
        assert (found.groups, found.blocks) == (3 * 3 * 2, 5)


def test_one_changed_voxel_is_found_and_placed(predicted: Path, tmp_path: Path) -> None:
    for path in predicted.parent.iterdir():
        shutil.copy(path, tmp_path)
    image = tmp_path / predicted.name
    with h5py.File(image, "r+") as file:
        file["exported_data"][17, 33, 5, 1] ^= 1
    found = verify(image)
    assert found.differing == ("z 16:32, y 32:48, x 0:32: not the voxels that were written",)
    receipt = json.loads((tmp_path / f"{predicted.name}.receipt.json").read_text())
    assert len(receipt["groups"]["sha256"]) == found.groups


def test_a_chunk_that_cannot_be_decoded_is_found_and_placed(predicted: Path, tmp_path: Path) -> None:
    for path in predicted.parent.iterdir():
        shutil.copy(path, tmp_path)
    image = tmp_path / predicted.name
    with h5py.File(image) as file:
        chunk = file["exported_data"].id.get_chunk_info_by_coord((16, 32, 0, 1))
    with image.open("r+b") as damaged:
        damaged.seek(chunk.byte_offset)
        damaged.write(bytes(chunk.size))
    found = verify(image, sample=5)
    assert found.differing == ("z 16:32, y 32:48, x 0:32: can't be read any more",)


@pytest.mark.parametrize("file_format", ["hdf5", "ome-zarr", "tiff", "ecc"])
def test_rerun_gives_the_same_bytes(file_format: str, brain: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {} if file_format == "ecc" else {"dtype": "uint16", "classes": (3, 1)}
    first = predict(
        PROJECT, brain, tmp_path / "a", file_format=file_format, voxel_um=VOXEL_UM, block=(16, 32, 32), **settings
    ).probabilities
    assert verify(first, sample=3).ok
    again = rerun(first.with_name(first.name + ".receipt.json"), tmp_path / "b")
    files = [first] if first.is_file() else [path for path in first.rglob("*") if path.is_file()]
    for path in files:
        assert (again / path.relative_to(first)).read_bytes() == path.read_bytes()


def test_a_changed_input_or_classifier_is_not_taken_for_the_old_one(brain: Path, tmp_path: Path) -> None:
    volume, project = shutil.copy(brain, tmp_path / "brain.h5"), shutil.copy(PROJECT, tmp_path / "PV.ilp")
    made = predict(project, volume, tmp_path / "out").probabilities
    with h5py.File(volume, "r+") as file:
        file["volume/data"][...] = 7
    with pytest.raises(UnreadableReceipt, match=r"brain\.h5: the input was changed"):
        verify(made, sample=1)
    assert verify(made).ok
    volume.unlink()
    with pytest.raises(UnreadableReceipt, match=r"brain\.h5: the input .* can't be read"):
        rerun(made, tmp_path / "again")
    project.unlink()
    with pytest.raises(UnreadableReceipt, match=r"PV\.ilp: the classifier .* can't be read"):
        rerun(made, tmp_path / "again")


def test_without_a_receipt_nothing_is_promised(tmp_path: Path) -> None:
    (tmp_path / "image.h5").write_bytes(b"")
    with pytest.raises(UnreadableReceipt, match="no receipt"):
        verify(tmp_path / "image.h5")
    (tmp_path / "image.h5.receipt.json").write_text('{"outp')
    with pytest.raises(UnreadableReceipt, match="damaged"):
        verify(tmp_path / "image.h5")
    with pytest.raises(UnreadableReceipt, match="folder without a receipt; name one of the results"):
        verify(tmp_path)


class Stop(BaseException):
    """Like Ctrl-C."""


def stops(*_: Any) -> None:
    raise Stop


def test_a_run_stopped_after_its_prediction_goes_on_and_its_table_comes_out_again(brain: Path, tmp_path: Path) -> None:
    classifier, out = load_classifier(PROJECT), tmp_path / "out"
    picture = out / "brain_overview.png"

    def once(**more: Any) -> Any:
        with open_volume(brain) as volume:
            return run(classifier, volume, out, voxel_um=VOXEL_UM, also_written=[picture], **more)

    with pytest.raises(Stop):
        once(finish=stops)
    before = (out / "brain_probabilities.h5").stat()
    table = (out / "brain_cells.csv").read_bytes()
    once(finish=lambda brain, replace: picture.write_bytes(b"picture"))
    assert (out / "brain_probabilities.h5").stat().st_mtime_ns == before.st_mtime_ns
    assert (out / "brain_cells.csv").read_bytes() == table
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    with pytest.raises(OutputExists):
        once()
    assert rerun(out / "brain_cells.csv.receipt.json", tmp_path / "again").read_bytes() == table


def test_a_table_is_verified_and_a_changed_source_of_it_refused(brain: Path, tmp_path: Path) -> None:
    volume = shutil.copy(brain, tmp_path / "brain.h5")
    with open_volume(volume) as opened:
        made = run(load_classifier(PROJECT), opened, tmp_path / "out", voxel_um=VOXEL_UM)
    table = made.cells.path
    assert verify(table).ok
    found = verify(table, sample=1)
    assert (found.ok, found.blocks) == (True, 1)
    text = table.read_bytes()
    table.write_bytes(text + b"\n")
    assert verify(table).differing == ("not the bytes that were written",)
    table.write_bytes(text)
    with h5py.File(volume, "r+") as file:
        file["volume/data"][...] = 7
    with pytest.raises(UnreadableReceipt, match=r"brain\.h5: the input was changed"):
        rerun(table, tmp_path / "again")
    with pytest.raises(UnreadableReceipt, match=r"brain\.h5: the input was changed"):
        verify(table, sample=1)
    assert verify(table).ok
    table.unlink()
    with pytest.raises(UnreadableReceipt, match="it is gone"):
        verify(table)


def test_a_changed_mask_is_refused(brain: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.h5"
    with h5py.File(mask, "w") as file:
        file["data"] = np.ones((40, 48, 40), np.uint8)
    made = predict(PROJECT, brain, tmp_path / "out", mask=mask).probabilities
    assert verify(made, sample=1).ok
    with h5py.File(mask, "r+") as file:
        file["data"][0] = 0
    with pytest.raises(UnreadableReceipt, match=r"mask\.h5: the input was changed"):
        verify(made, sample=1)


def test_run_takes_a_finished_prediction_of_the_same_but_no_other(brain: Path, tmp_path: Path) -> None:
    classifier = load_classifier(PROJECT)
    with open_volume(brain) as volume:
        made = predict(classifier, volume, tmp_path, voxel_um=VOXEL_UM).probabilities
        time = made.stat().st_mtime_ns
        with pytest.raises(OutputExists):
            run(classifier, volume, tmp_path, voxel_um=VOXEL_UM, prediction={"dtype": "uint8"})
        run(classifier, volume, tmp_path, voxel_um=VOXEL_UM)
        assert made.stat().st_mtime_ns == time


def test_receipt_compares_the_forecast_with_what_it_took(brain: Path, tmp_path: Path) -> None:
    forecasts: list[Any] = []
    made = predict(PROJECT, brain, tmp_path, block=(16, 16, 16), announce=forecasts.append)
    receipt = json.loads(made.probabilities.with_name("brain_probabilities.h5.receipt.json").read_text())
    (forecast,) = forecasts
    assert receipt["forecast"]["seconds"] == forecast.seconds > 0
    assert receipt["actual"]["seconds"] > 0
    assert receipt["actual"]["memory_bytes"] > 50e6
    assert receipt["input"]["fingerprint"].startswith("sha256:")
    # Noise is the same everywhere, so that the blocks tried are like all others.
    assert receipt["actual"]["disk_bytes"] == pytest.approx(forecast.disk_bytes, rel=0.5)
