"""Proposed features: those that tell the classes apart, and no dearer than they must be."""

import numpy as np
import pytest

from ecc_px.classifiers import suggestion
from ecc_px.classifiers.sampling import LabelledImage
from ecc_px.classifiers.suggestion import suggest_features
from ecc_px.classifiers.training import TrainingSettings
from ecc_px.errors import InvalidSetting
from ecc_px.features import parse_features
from ecc_px.features.cost import nanoseconds_per_voxel
from ecc_px.labels import Annotation, LabelBlock, LabelClass
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

CLASSES = (LabelClass(1, "bright", (255, 0, 0)), LabelClass(2, "dark", (0, 0, 255)))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(suggestion, "TREES", 8)
    monkeypatch.setattr(suggestion, "LONGEST", 3)


def textured(tmp_path, name: str, seed: int, shape=(6, 48, 48)) -> LabelledImage:
    """Half of the image is rough, half is smooth, and brightness says nothing."""
    random = np.random.default_rng(seed)
    image = np.full(shape, 1000.0) + random.normal(0, 40, shape)
    image[:, :, shape[2] // 2 :] += random.normal(0, 400, (*shape[:2], shape[2] - shape[2] // 2))
    labels = np.zeros((1, *shape), np.uint8)
    labels[0, :, ::4, :20:4], labels[0, :, ::4, -20::4] = 2, 1
    layout = Layout(axes="zyx", stored_shape=shape, dtype=np.dtype("uint16"))
    with create_volume(tmp_path / f"{name}.h5", layout) as writer:
        writer.write(whole(shape), image.clip(0, 65535).astype(np.uint16)[None])
    return LabelledImage(
        name, open_volume(tmp_path / f"{name}.h5"), Annotation((LabelBlock((0, 0, 0, 0), labels),), labels.shape)
    )


def test_roughness_is_told_by_gradients_and_not_by_brightness(tmp_path):
    found = suggest_features([textured(tmp_path, "a", 1)], CLASSES, TrainingSettings())
    accuracy = {scored.added: scored.accuracy for scored in found.alone}
    assert accuracy["gradient@0.7"] > accuracy["gaussian@0.7"] + 0.05
    assert found.judged_by == "out of bag"
    assert found.proposed in found.curve
    assert found.proposed.accuracy >= max(s.accuracy for s in found.curve) - found.standard_error
    assert all(a.nanoseconds < b.nanoseconds for a, b in zip(found.curve, found.curve[1:], strict=False))
    assert parse_features(found.proposed.features).count() == found.proposed.columns


def test_same_seed_proposes_the_same_on_any_number_of_threads(tmp_path):
    lanes = [textured(tmp_path, "a", 1), textured(tmp_path, "b", 2)]
    one, other = (suggest_features(lanes, CLASSES, TrainingSettings(seed=4), jobs=jobs) for jobs in (1, 3))
    assert one == other
    assert one.judged_by == "lane left out"


def test_scales_that_an_image_is_too_thin_for_are_left_out(tmp_path):
    found = suggest_features([textured(tmp_path, "a", 1)], CLASSES, TrainingSettings())
    assert {float(scored.added.split("@")[1]) for scored in found.alone} == {0.3, 0.7, 1.0}
    with pytest.raises(InvalidSetting, match="too thin for any feature"):
        suggest_features([textured(tmp_path, "c", 1, (2, 48, 48))], CLASSES, TrainingSettings())


def test_more_features_cost_more_and_shared_scales_less():
    def cost(text):
        return nanoseconds_per_voxel(parse_features(text))

    assert cost("structure@1") > cost("hessian@1") > cost("gaussian@1")
    assert cost("gaussian@10") > cost("gaussian@1")
    assert cost("hessian@1;gaussian@1") < cost("hessian@1") + cost("gaussian@1")
