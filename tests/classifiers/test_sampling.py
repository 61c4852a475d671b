"""Features at labelled voxels are those of the whole image, whatever is read for them."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecc_px.classifiers import boxes, sampling
from ecc_px.classifiers.boxes import boxes_around
from ecc_px.classifiers.sampling import LabelledImage, gather_samples
from ecc_px.errors import ClassifierMismatch, GridMismatch, InvalidSetting, UnreadableVolume, VolumeTooThin
from ecc_px.features import parse_features
from ecc_px.labels import Annotation, LabelBlock, LabelClass
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

RNG = np.random.default_rng(11)
FEATURES = parse_features("gaussian@0.7;hessian@1")
CLASSES = (LabelClass(1, "cell", (255, 0, 0)), LabelClass(2, "background", (0, 0, 255)))


def image_file(path: Path, voxels: np.ndarray) -> Path:
    layout = Layout(axes="czyx", stored_shape=voxels.shape, dtype=voxels.dtype, chunks=(1, 8, 8, 8))
    with create_volume(path, layout) as writer:
        writer.write(whole(voxels.shape[1:]), voxels)
    return path


def scattered(shape: tuple[int, int, int], count: int) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels.flat[RNG.choice(labels.size, count, replace=False)] = RNG.integers(1, 3, count)
    return labels


def annotation(labels: np.ndarray, pieces: int = 1) -> Annotation:
    """The labels cut into boxes along z, in no order."""
    cuts = np.array_split(np.arange(len(labels)), pieces)
    blocks = [LabelBlock((0, int(z[0]), 0, 0), labels[None, z[0] : z[-1] + 1]) for z in cuts]
    return Annotation(tuple(reversed(blocks)), (1, *labels.shape))


@pytest.fixture
def lane(tmp_path):
    """Makes a lane of noise with the labels given."""

    def make(labels: np.ndarray, *, name: str = "lane0000", channels: int = 1, pieces: int = 1, voxels=None):
        if voxels is None:
            voxels = RNG.integers(0, 4000, (channels, *labels.shape)).astype(np.uint16)
        path = image_file(tmp_path / f"{name}.h5", voxels)
        return LabelledImage(name, open_volume(path), annotation(labels, pieces))

    return make


def at_labels(lane: LabelledImage, labels: np.ndarray) -> np.ndarray:
    """Features computed for the whole image, then picked."""
    columns = FEATURES.compute(lane.image.read())
    return columns[(slice(None), *np.nonzero(labels))].T


@pytest.mark.parametrize(("count", "channels", "pieces"), [(1, 1, 1), (9, 2, 1), (30, 1, 5), (4000, 1, 3)])
def test_features_are_bit_for_bit_those_of_the_whole_image(lane, monkeypatch, count, channels, pieces):
    monkeypatch.setattr(boxes, "OVERHEAD", 50)
    monkeypatch.setattr(sampling, "LONGEST_EDGE", 12)
    labels = scattered((20, 31, 40), count)
    drawn = lane(labels, channels=channels, pieces=pieces)
    samples = gather_samples([drawn], FEATURES, CLASSES, allow_unlabelled=True)
    assert (samples.features == at_labels(drawn, labels)).all()
    assert (samples.labels == labels[labels > 0]).all()


def test_order_does_not_depend_on_blocks_or_threads(lane):
    labels = [scattered((20, 31, 40), 300), scattered((12, 40, 20), 200)]
    whole_boxes = [lane(part, name=f"lane{k}") for k, part in enumerate(labels)]
    cut_boxes = [
        LabelledImage(one.name, one.image, annotation(part, 7)) for one, part in zip(whole_boxes, labels, strict=True)
    ]
    one = gather_samples(whole_boxes, FEATURES, CLASSES, jobs=1, max_per_class=100, seed=3)
    other = gather_samples(cut_boxes, FEATURES, CLASSES, jobs=3, max_per_class=100, seed=3)
    for name in ("features", "labels", "lanes", "drawn"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert one.lane_names == ("lane0", "lane1")
    assert one.drawn.sum(axis=1).tolist() == [300, 200]


def test_sampling_keeps_a_share_of_each_class_and_at_most_so_many(lane):
    labels = np.zeros((8, 20, 20), np.uint8)
    labels[:4] = 1
    labels[4, :2] = 2
    drawn = lane(labels)

    def kept(**options):
        return np.bincount(gather_samples([drawn], FEATURES, CLASSES, **options).labels).tolist()[1:]

    assert kept() == [1600, 40]
    assert kept(label_proportion=0.1) == [160, 4]
    assert kept(label_proportion=0.001) == [2, 1]
    assert kept(max_per_class=100) == [100, 40]
    once, again, other = (gather_samples([drawn], FEATURES, CLASSES, max_per_class=9, seed=s) for s in (1, 1, 2))
    assert once.features.tobytes() == again.features.tobytes() != other.features.tobytes()


def test_every_frame_of_a_movie_has_its_own_labels(tmp_path):
    voxels = RNG.integers(0, 255, (3, 1, 24, 28)).astype(np.uint8)  # t, z, y, x
    layout = Layout(axes="tzyx", stored_shape=voxels.shape, dtype=voxels.dtype)
    with create_volume(tmp_path / "movie.h5", layout) as writer:
        for frame in range(3):
            writer.write((slice(0, 1), slice(0, 24), slice(0, 28)), voxels[None, frame], frame=frame)
    labels = np.zeros(voxels.shape, np.uint8)
    labels[0, 0, 3, 4], labels[2, 0, 3, 4] = 1, 2
    movie = LabelledImage(
        "movie", open_volume(tmp_path / "movie.h5"), Annotation((LabelBlock((0, 0, 0, 0), labels),), labels.shape)
    )
    samples = gather_samples([movie], FEATURES, CLASSES)
    expected = [FEATURES.compute(voxels[None, frame])[:, 0, 3, 4] for frame in (0, 2)]
    assert (samples.features == expected).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 59)] * 3), min_size=1, max_size=60, unique=True),
    st.integers(0, 4),
    st.integers(1, 30),
)
def test_boxes_hold_each_point_once_and_stay_below_the_limit(points, reach, edge):
    places = np.array(points)
    found = list(boxes_around(places, (60, 60, 60), (reach,) * 3, (edge,) * 3))
    assert sorted(np.concatenate([numbers for _, numbers in found])) == list(range(len(places)))
    for block, numbers in found:
        low, high = places[numbers].min(axis=0), places[numbers].max(axis=0)
        assert [(s.start, s.stop - 1) for s in block.core] == list(zip(low, high, strict=True))
        assert max(s.stop - s.start for s in block.core) <= edge


def test_boxes_far_apart_are_read_alone_and_near_ones_together():
    corners = np.array([[0, 0, 0], [0, 0, 3], [900, 900, 900]])
    found = [numbers.tolist() for _, numbers in boxes_around(corners, (1000,) * 3, (16,) * 3, (96,) * 3)]
    assert found == [[0, 1], [2]]


def refused(error, lanes, *, features=FEATURES, classes=CLASSES, **options) -> str:
    with pytest.raises(error) as caught:
        gather_samples(lanes, features, classes, **options)
    return str(caught.value)


def test_labels_outside_of_the_image_are_refused_with_both_extents(lane):
    drawn = lane(scattered((8, 20, 20), 30))
    outside = annotation(scattered((9, 20, 20), 180 * 20))
    reason = refused(GridMismatch, [LabelledImage("lane0000", drawn.image, outside)])
    assert "(0, 8, " in reason
    assert "(1, 8, 20, 20)" in reason


def test_labels_without_class_and_classes_without_labels_are_refused_by_name(lane):
    labels = scattered((8, 20, 20), 30)
    labels[0, 0, 0] = 7
    assert "1 voxels have label 7" in refused(InvalidSetting, [lane(labels)])
    labels[labels > 0] = 1
    reason = refused(InvalidSetting, [lane(labels, name="other")])
    assert "labelled as 2 (background)" in reason
    assert "--allow-unlabelled" in reason


def test_images_that_do_not_go_together_are_refused_by_name(lane):
    labels, flat = scattered((8, 20, 20), 30), scattered((1, 20, 20), 30)
    volume, coloured, plane = lane(labels), lane(labels, name="two", channels=2), lane(flat, name="flat")
    assert "two has 2 channels and lane0000 has 1" in refused(ClassifierMismatch, [volume, coloured])
    assert "flat is a 2-D image" in refused(ClassifierMismatch, [volume, plane])
    thick = parse_features("gaussian@5")
    assert "lane0000: The volume has 8 voxels along z" in refused(VolumeTooThin, [volume], features=thick)
    assert "no image" in refused(InvalidSetting, [])
    assert "No features" in refused(InvalidSetting, [volume], features=parse_features("ecc").__class__(()))


def test_damaged_voxels_near_labels_are_refused_with_lane_feature_and_place(lane):
    labels = scattered((8, 20, 20), 300)
    voxels = RNG.random((1, *labels.shape)).astype(np.float32)
    voxels[0, 4, 10, 10] = np.nan
    reason = refused(UnreadableVolume, [lane(labels, voxels=voxels)])
    assert re.search(r"^lane0000: .*\(σ=.*\).* is no finite number at voxel \(\d, \d+, \d+\)", reason)


@pytest.mark.parametrize(
    "options", [{"label_proportion": 0.0}, {"label_proportion": 1.5}, {"max_per_class": 0}, {"label_proportion": -1}]
)
def test_settings_that_make_no_sense_are_refused(lane, options):
    (name, value) = next(iter(options.items()))
    assert f"--{name.replace('_', '-')} {value:g}" in refused(
        InvalidSetting, [lane(scattered((8, 20, 20), 30))], **options
    )
