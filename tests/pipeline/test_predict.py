"""Prediction of whole files: equal to ilastik's exports, to itself in other blocks, and whole or not there at all."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecc_px import load_classifier, open_volume, predict
from ecc_px.errors import (
    ClassifierMismatch,
    GridMismatch,
    InvalidSetting,
    OutputExists,
    UnreadableVolume,
    VolumeTooThin,
)
from ecc_px.pipeline.block_groups import Computation
from ecc_px.pipeline.block_plan import ALL_FEATURE_BYTES, FEATURE_BYTES, RUN_LENGTH, block_shape_for, plan_blocks
from ecc_px.pipeline.exports import plan_exports, quantise, segmentation, uncertainty
from ecc_px.pipeline.memory import memory_needed, parse_bytes

DATA = Path(__file__).parents[1] / "data" / "synthetic"
SEED_SET, TWO_CHANNELS, MIXED = (DATA / n for n in ("s1_3d_seedset", "s2_2d_2channel", "s3_3d_mixed_uint8"))
PROJECT, VOLUME = SEED_SET / "project.ilp", SEED_SET / "unseen.h5"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Every export of one volume, predicted in one block."""
    folder = tmp_path_factory.mktemp("reference")
    return predict(
        PROJECT,
        VOLUME,
        folder,
        exports=("probabilities", "segmentation", "uncertainty", "features"),
        block=(999, 999, 999),
        jobs=1,
    )


def read(path):
    with open_volume(path) as volume:
        return volume.read()


def save(path, image, axes="zyx", **attributes):
    image = np.asarray(image)
    with h5py.File(path, "w") as file:
        file["data"] = image
        tags = [{"key": a, "typeFlags": 1 if a == "c" else 2, "resolution": 0, "description": ""} for a in axes]
        file["data"].attrs["axistags"] = json.dumps({"axes": tags})
    return path


@pytest.mark.parametrize("folder", [SEED_SET, TWO_CHANNELS, MIXED], ids=lambda folder: folder.name)
def test_file_has_the_shape_axes_and_numbers_of_ilastiks_export(folder, tmp_path):
    ours = predict(folder / "project.ilp", folder / "unseen.h5", tmp_path).probabilities
    assert ours == tmp_path / "unseen_probabilities.h5"
    with h5py.File(ours) as a, h5py.File(folder / "unseen_probabilities.h5") as b:
        a, b = a["exported_data"], b["exported_data"]
        assert (a.shape, a.dtype, a.attrs["axistags"]) == (b.shape, b.dtype, b.attrs["axistags"])
        assert (np.abs(a[...] - b[...]) > 1e-6).any(axis=-1).mean() < 1e-3


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block=st.tuples(st.integers(5, 40), st.integers(5, 70), st.integers(5, 60)), jobs=st.integers(1, 4))
def test_blocks_and_threads_do_not_change_a_bit(block, jobs, reference, tmp_path):
    again = predict(PROJECT, VOLUME, tmp_path, exports=tuple(reference.outputs), block=block, jobs=jobs, overwrite=True)
    for kind, path in reference.outputs.items():
        np.testing.assert_array_equal(read(again.outputs[kind]), read(path), err_msg=kind)


def test_same_command_gives_the_same_bytes(tmp_path):
    made = [predict(PROJECT, VOLUME, tmp_path / str(i), jobs=2).probabilities.read_bytes() for i in range(2)]
    assert made[0] == made[1]


def test_integers_are_rounded_as_the_file_says(reference, tmp_path):
    exact = read(reference.probabilities)
    for dtype, certain in (("uint8", 255), ("uint16", 65535)):
        path = predict(PROJECT, VOLUME, tmp_path, dtype=dtype, overwrite=True).probabilities
        np.testing.assert_array_equal(read(path), np.rint(exact * np.float32(certain)).astype(dtype))
        with h5py.File(path) as file:
            attributes = file["exported_data"].attrs
            assert attributes["rounding"] == f"rint(float32(mean of the trees' votes) * {certain}), halves to even"
            assert list(attributes["drange"]) == [0, certain]


def test_segmentation_and_uncertainty_follow_from_the_probabilities(reference):
    exact = read(reference.probabilities)
    np.testing.assert_array_equal(read(reference.outputs["segmentation"]), segmentation(exact))
    np.testing.assert_array_equal(read(reference.outputs["uncertainty"]), uncertainty(exact))


def test_equal_probabilities_give_the_lowest_class_and_full_uncertainty():
    tied = np.array([0.4, 0.4, 0.2], np.float32).reshape(3, 1, 1, 1)
    assert segmentation(tied).item() == 1
    assert uncertainty(tied).item() == 1
    assert uncertainty(np.array([0.9, 0.05, 0.05], np.float32).reshape(3, 1, 1, 1)).item() == pytest.approx(0.15)


def test_halves_round_to_even():
    assert quantise(np.array([0.5, 1.0, 0.0], np.float32), np.dtype(np.uint8)).tolist() == [128, 255, 0]


def test_features_are_written_with_their_names(reference):
    classifier = load_classifier(PROJECT)
    with open_volume(reference.outputs["features"]) as features, open_volume(VOLUME) as volume:
        assert features.layout.channel_names == tuple(classifier.features.names())
        np.testing.assert_array_equal(features.read(), classifier.features.compute(volume.read()))


def test_classes_by_number_and_name(reference, tmp_path):
    path = predict(PROJECT, VOLUME, tmp_path, classes=(3, "cell")).probabilities
    np.testing.assert_array_equal(read(path), read(reference.probabilities)[[2, 0]])
    with open_volume(path) as volume:
        assert volume.layout.channel_names == ("background", "cell")
    with pytest.raises(InvalidSetting, match=r"no class 'vessel'.*1 \(cell\)"):
        predict(PROJECT, VOLUME, tmp_path / "b", classes=("vessel",))


def test_eccs_format_is_label_one_as_uint8_in_a_dataset_called_probability(reference, tmp_path):
    path = predict(PROJECT, VOLUME, tmp_path, file_format="ecc").probabilities
    with h5py.File(path) as file:
        assert list(file) == ["probability"]
        stored = file["probability"][...]
    assert stored.dtype == np.uint8
    expected = np.rint(read(reference.probabilities)[0] * np.float32(255))
    np.testing.assert_array_equal(stored[..., 0], expected)


@pytest.mark.parametrize(("file_format", "extension"), [("ome-zarr", ".ome.zarr"), ("tiff", ".tif")])
def test_other_formats_hold_the_same_numbers(file_format, extension, reference, tmp_path):
    path = predict(PROJECT, VOLUME, tmp_path, file_format=file_format).probabilities
    assert path == tmp_path / f"unseen_probabilities{extension}"
    np.testing.assert_array_equal(read(path), read(reference.probabilities))


def test_outside_of_the_mask_everything_is_zero_and_inside_nothing_changes(reference, tmp_path):
    with open_volume(VOLUME) as volume:
        inside = np.zeros(volume.shape, np.uint8)
    inside[5:30, 10:40, 8:30] = 7
    mask = save(tmp_path / "mask.h5", inside)
    exports = ("probabilities", "segmentation", "uncertainty")
    masked = predict(PROJECT, VOLUME, tmp_path, mask=mask, exports=exports, block=(16, 16, 16))
    for kind in exports:
        expected = read(reference.outputs[kind]) * (inside > 0)
        np.testing.assert_array_equal(read(masked.outputs[kind]), expected, err_msg=kind)


def test_what_is_dark_as_far_as_features_reach_is_zero_for_any_cut_and_all_else_is_as_ever(tmp_path):
    shape, (around, _, _) = (48, 64, 70), load_classifier(PROJECT).features.halo(flat=False)
    image = np.random.default_rng(0).integers(0, 100, shape, np.uint16)
    image[4, 5, 6] = image[40, 50, 3] = 4000
    volume = save(tmp_path / "dark.h5", image)
    seen = np.zeros(shape, bool)
    for z, y, x in ((4, 5, 6), (40, 50, 3)):
        seen[tuple(slice(max(0, at - around), at + around + 1) for at in (z, y, x))] = True
    assert 0.05 < seen.mean() < 0.8
    exports = ("probabilities", "segmentation", "uncertainty", "features")
    plain = predict(PROJECT, volume, tmp_path / "plain", exports=exports)
    for block in ((16, 16, 16), (48, 32, 70), (999, 999, 999)):
        made = predict(PROJECT, volume, tmp_path / "out", exports=exports, skip_below=100, block=block, overwrite=True)
        for kind in exports:
            np.testing.assert_array_equal(read(made.outputs[kind]), read(plain.outputs[kind]) * seen, err_msg=kind)
        assert f"{(~seen).sum():,} voxels" in made.warnings[-1]


def test_memory_bound_makes_smaller_blocks_or_fewer_threads_and_is_refused_with_what_is_needed(tmp_path):
    with open_volume(VOLUME) as volume:
        plans = plan_exports(load_classifier(PROJECT), ("features",), "float32", None, 1, flat=False)
        large = Computation(load_classifier(PROJECT), ArrayLike((4000, 4000, 4000), volume), None, tuple(plans))
        usual, jobs = plan_blocks(large, 8, 64 * 10**9)
        assert (usual.block, usual.run_length, jobs) == (block_shape_for((4000, 4000, 4000), 16, 8), RUN_LENGTH, 8)
        for bound in (2.5e9, 1.5e9, 0.8e9):
            cut, jobs = plan_blocks(large, 8, int(bound))
            assert memory_needed(large, cut.block, cut.run_length, jobs) <= bound
    with pytest.raises(InvalidSetting, match=r"--memory 0\.10 GB is not enough.*0\.\d+ GB is needed"):
        predict(PROJECT, VOLUME, tmp_path / "out", memory=10**8)


class ArrayLike:
    """The facts of a large volume, of which nothing is read."""

    def __init__(self, shape, like):
        self.shape, self.channels, self.dtype, self.path = shape, like.channels, like.dtype, like.path
        self.layout = like.layout


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4e9), ("1.5 GiB", 1.5 * 2**30), ("800M", 8e8), ("2000", 2000), ("3 kb", 3000)]
)
def test_amounts_of_memory_are_read_as_people_write_them(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "4 bananas", "-1GB"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(InvalidSetting, match="4GB"):
        parse_bytes(text)


def test_mask_on_another_grid_is_refused_with_both_shapes(tmp_path):
    mask = save(tmp_path / "mask.h5", np.ones((3, 4, 5), np.uint8))
    with pytest.raises(GridMismatch, match=r"\(3, 4, 5\).*\(36, 60, 48\)"):
        predict(PROJECT, VOLUME, tmp_path / "out", mask=mask)


def test_axis_order_of_the_file_is_kept_and_does_not_matter(reference, tmp_path):
    turned = save(tmp_path / "turned.h5", read(VOLUME)[0].transpose(2, 1, 0), axes="xyz")
    path = predict(PROJECT, turned, tmp_path).probabilities
    with h5py.File(path) as file:
        assert file["exported_data"].shape == (48, 60, 36, 3)
    np.testing.assert_array_equal(read(path), read(reference.probabilities))


def test_frames_of_a_movie_are_predicted_one_by_one(tmp_path):
    image = read(VOLUME)[0][:20, :30, :30]
    movie = save(tmp_path / "movie.h5", np.stack([image, image[::-1]]), axes="tzyx")
    path = predict(PROJECT, movie, tmp_path).probabilities
    with open_volume(path) as volume:
        assert (volume.axes, volume.frames) == ("tzyxc", 2)
        np.testing.assert_allclose(volume.read(frame=1), volume.read(frame=0)[:, ::-1], atol=0.05)


def test_receipt_says_what_was_made_from_what(tmp_path):
    made = predict(PROJECT, VOLUME, tmp_path, dtype="uint8", voxel_um=(7, 6.45, 6.45))
    receipt = json.loads((tmp_path / "unseen_probabilities.h5.receipt.json").read_text())
    assert receipt["input"]["path"] == str(VOLUME.resolve())
    assert receipt["classifier"]["sha256"] == load_classifier(PROJECT).sha256
    assert receipt["classifier"]["classes"] == {"1": "cell", "2": "false signal", "3": "background"}
    assert receipt["voxel_um_zyx"] == [7, 6.45, 6.45]
    assert receipt["versions"]["ecc-px"]
    assert receipt["settings"]["dtype"] == "uint8"
    with open_volume(made.probabilities) as volume:
        assert volume.voxel_um == (7, 6.45, 6.45)


def test_existing_output_is_kept_unless_told_otherwise(tmp_path):
    (tmp_path / "unseen_probabilities.h5").write_bytes(b"precious")
    with pytest.raises(OutputExists, match="--overwrite"):
        predict(PROJECT, VOLUME, tmp_path)
    assert (tmp_path / "unseen_probabilities.h5").read_bytes() == b"precious"
    predict(PROJECT, VOLUME, tmp_path, overwrite=True)
    assert read(tmp_path / "unseen_probabilities.h5").shape == (3, 36, 60, 48)


def test_error_in_a_block_leaves_nothing_behind(tmp_path):
    damaged = tmp_path / "damaged.h5"
    with h5py.File(damaged, "w") as file:
        noise = np.random.default_rng(0).integers(0, 999, (64, 64, 64), np.uint16)
        file.create_dataset("data", data=noise, chunks=(32, 32, 32), compression="gzip")
        offset = file["data"].id.get_chunk_info(7).byte_offset
    with damaged.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 200)
    with pytest.raises(UnreadableVolume, match=r"damaged\.h5"):
        predict(PROJECT, damaged, tmp_path / "out", block=(32, 32, 32))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("project", "image", "axes", "error", "words"),
    [
        (PROJECT, np.zeros((2, 20, 20, 20), np.uint16), "czyx", ClassifierMismatch, "2 channels.*with 1"),
        (TWO_CHANNELS / "project.ilp", np.zeros((40, 40), np.uint8), "yx", ClassifierMismatch, "1 channel.*with 2"),
        (PROJECT, np.zeros((40, 40), np.uint16), "yx", ClassifierMismatch, "2-D image.*trained on a volume"),
        (PROJECT, np.zeros((8, 40, 40), np.uint16), "zyx", VolumeTooThin, "8 voxels along z"),
    ],
    ids=["too many channels", "too few channels", "flat", "thin"],
)
def test_volume_that_does_not_fit_the_classifier_is_refused(project, image, axes, error, words, tmp_path):
    volume = save(tmp_path / "image.h5", image, axes)
    with pytest.raises(error, match=words):
        predict(project, volume, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": "int32"},
        {"exports": ()},
        {"exports": ("magic",)},
        {"jobs": 0},
        {"file_format": "png"},
        {"block": (0, 1, 1)},
        {"file_format": "ecc", "dtype": "uint16"},
        {"file_format": "ecc", "exports": ("segmentation",)},
    ],
)
def test_impossible_settings_are_refused(wrong, tmp_path):
    with pytest.raises(InvalidSetting):
        predict(PROJECT, VOLUME, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_blocks_shrink_until_their_features_fit():
    assert block_shape_for((500, 500, 500), 16) == (64, 64, 256)
    for features in (16, 49, 200, 1000):
        for shape in ((500, 500, 500), (1, 5000, 5000)):
            block = block_shape_for(shape, features)
            assert np.prod(block) * features * 4 <= FEATURE_BYTES


def test_threads_and_many_blocks_give_the_same_bytes(tmp_path):
    made = [
        predict(PROJECT, VOLUME, tmp_path / str(i), block=(8, 16, 16), jobs=jobs).probabilities.read_bytes()
        for i, jobs in enumerate((1, 4, 4))
    ]
    assert made[0] == made[1] == made[2]


def test_voxels_that_are_no_numbers_have_no_votes_and_no_class_and_are_told(tmp_path):
    shape, halo = (40, 40, 40), 14
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    image[20, 20, 20] = np.nan
    reached = np.zeros(shape, bool)
    reached[20 - halo : 21 + halo, 20 - halo : 21 + halo, 20 - halo : 21 + halo] = True
    made = predict(
        PROJECT,
        save(tmp_path / "nan.h5", image),
        tmp_path,
        exports=("probabilities", "segmentation"),
        block=(16, 64, 64),
    )
    total = read(made.probabilities).sum(axis=0)
    np.testing.assert_allclose(total, ~reached, atol=1e-6)
    np.testing.assert_array_equal(read(made.outputs["segmentation"])[0] == 0, reached)
    (warning,) = made.warnings
    assert f"{reached.sum():,} voxels have no votes" in warning
    receipt = json.loads((tmp_path / "nan_probabilities.h5.receipt.json").read_text())
    assert receipt["warnings"] == [warning]


def test_outside_of_the_mask_even_what_is_no_number_is_zero(tmp_path):
    image = np.random.default_rng(0).random((30, 40, 40)).astype(np.float32)
    image[5, 5, 5] = np.nan
    inside = np.zeros(image.shape, np.uint8)
    inside[:, 25:] = 1
    volume, mask = save(tmp_path / "nan.h5", image), save(tmp_path / "mask.h5", inside)
    made = predict(PROJECT, volume, tmp_path, mask=mask, exports=("features", "uncertainty"))
    for kind in made.outputs:
        stored = read(made.outputs[kind])
        assert np.isfinite(stored).all()
        assert (stored[:, inside == 0] == 0).all()


def test_receipt_of_an_earlier_output_never_stands_beside_a_new_one(tmp_path, monkeypatch):
    predict(PROJECT, VOLUME, tmp_path)
    receipt = tmp_path / "unseen_probabilities.h5.receipt.json"
    assert receipt.exists()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["ecc_px.pipeline.predict"], "write_receipt", stopped)
    with pytest.raises(KeyboardInterrupt):
        predict(PROJECT, VOLUME, tmp_path, dtype="uint8", overwrite=True)
    assert read(tmp_path / "unseen_probabilities.h5").dtype == np.uint8
    assert not receipt.exists()


def test_blocks_of_many_threads_share_the_memory(tmp_path):
    for jobs in (1, 2, 8, 64):
        block = block_shape_for((500, 500, 500), 16, jobs)
        assert np.prod(block) * 16 * 4 * jobs <= max(ALL_FEATURE_BYTES, jobs * 64**3 * 16 * 4)
    assert block_shape_for((500, 500, 500), 16, 64) == (64, 64, 64)
