"""The report on a training: text, JSON and picture say the same, for one lane or many, few classes or many."""

import json

import pytest
from matplotlib.image import imread

from ecc_px.classifiers.evaluation import LaneLeftOut, TrainingReport
from ecc_px.report.training import training_picture
from ecc_px.report.training_text import write_training_json, write_training_text

SECONDS = {"features": 1.0, "forest": 2.5}


def report(lanes: int, classes: int, features: int) -> TrainingReport:
    left_out = [LaneLeftOut(f"lane{k}", 100, None if k == 1 else 0.9) for k in range(lanes)]
    return TrainingReport(
        classes=tuple(f"a class with a rather long name, number {k}" for k in range(classes)),
        lanes=tuple(f"lane{k}" for k in range(lanes)),
        labelled=tuple((100,) * classes for _ in range(lanes)),
        used=(90 * lanes,) * classes,
        features=tuple(f"Hessian of Gaussian Eigenvalues (σ=1.6) [{k}]" for k in range(features)),
        importance=(1 / features,) * features,
        out_of_bag_error=None if lanes == 1 else 0.125,
        confusion=tuple(tuple(80 if a == b else 1 for b in range(classes)) for a in range(classes)),
        lanes_left_out=tuple(left_out) if lanes > 1 else (),
        trees=100,
        nodes=123_456,
    )


@pytest.mark.parametrize(("lanes", "classes", "features"), [(1, 2, 3), (3, 3, 16), (40, 12, 61)])
def test_report_is_drawn_and_written_for_any_number_of_lanes_classes_and_features(tmp_path, lanes, classes, features):
    made = report(lanes, classes, features)
    picture = imread(training_picture(made, tmp_path / "r.png"))
    assert picture.std() > 0.05
    text = write_training_text(made, SECONDS, tmp_path / "r.txt").read_text()
    assert "123,456 nodes" in text
    assert ("12.50% of voxels" in text) == (lanes > 1)
    stored = json.loads(write_training_json(made, SECONDS, tmp_path / "r.json").read_text())
    assert stored["seconds"] == SECONDS
    assert stored["left_out_accuracy"] == (pytest.approx(0.9) if lanes > 1 else None)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["r.json", "r.png", "r.txt"]
