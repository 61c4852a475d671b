"""How good a forest is, told from the voxels it was trained on: out of bag, and by lane left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers.sampling import Samples
from ecc_px.labels import LabelClass
from ecc_px.models.forest import Forest
from ecc_px.models.training import TrainedForest

FOLDS = 10
"""Forests that are trained at most to test lanes."""


@dataclass(frozen=True)
class LaneLeftOut:
    """How a forest that never saw a lane does on it.

    `accuracy` is the share of the lane's labelled voxels that get their own class; None where nobody can say: the
    lane has no labels, or without it there are no two classes left to learn.
    """

    lane: str
    voxels: int
    accuracy: float | None


@dataclass(frozen=True)
class TrainingReport:
    """What a person should know of a training; JSON and back by `as_json` and `from_json`.

    Parameters
    ----------
    classes : tuple of str
        Names of labels 1, 2, …
    lanes : tuple of str
    labelled : (lanes, classes) int
        Voxels that were labelled.
    used : tuple of int
        Voxels of each class that the forest was trained on.
    features : tuple of str
        Columns of the forest.
    importance : tuple of float
        Of each column: its share of the decrease of Gini's impurity, summed over all splits and trees.
    out_of_bag_error : float or None
        Share of voxels that the trees which did not see them put into another class; None with too few trees.
    confusion : (classes, classes) int
        Out of bag: voxels of each class (rows) by the class that they were given.
    lanes_left_out : tuple of LaneLeftOut
        Empty for a single lane.
    trees, nodes : int
    settings : mapping
    """

    classes: tuple[str, ...]
    lanes: tuple[str, ...]
    labelled: tuple[tuple[int, ...], ...]
    used: tuple[int, ...]
    features: tuple[str, ...]
    importance: tuple[float, ...]
    out_of_bag_error: float | None
    confusion: tuple[tuple[int, ...], ...]
    lanes_left_out: tuple[LaneLeftOut, ...]
    trees: int
    nodes: int
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    def by_importance(self) -> list[tuple[str, float]]:
        """Columns and their importance, the most important first."""
        return sorted(zip(self.features, self.importance, strict=True), key=lambda pair: -pair[1])

    @property
    def left_out_accuracy(self) -> float | None:
        """Over the voxels of all lanes that could be tested."""
        tested = [(lane.voxels, lane.accuracy) for lane in self.lanes_left_out if lane.accuracy is not None]
        voxels = sum(count for count, _ in tested)
        return sum(count * accuracy for count, accuracy in tested) / voxels if voxels else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def report_on(
    samples: Samples,
    trained: TrainedForest,
    classes: Sequence[LabelClass],
    left_out: npt.NDArray[np.int32] | None,
    settings: Mapping[str, str | int | float | bool | None],
) -> TrainingReport:
    """Put together what is known of a training; `left_out` is what `labels_left_out` gave."""
    judged = ~np.isnan(trained.out_of_bag[:, 0])
    given = trained.forest.labels[trained.out_of_bag[judged].argmax(axis=1)]
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (samples.labels[judged].astype(int) - 1, given - 1), 1)
    return TrainingReport(
        classes=tuple(c.name for c in classes),
        lanes=samples.lane_names,
        labelled=tuple(tuple(row) for row in samples.drawn.tolist()),
        used=tuple(np.bincount(samples.labels, minlength=len(classes) + 1)[1:].tolist()),
        features=samples.feature_names,
        importance=tuple(trained.importance.tolist()),
        out_of_bag_error=float((given != samples.labels[judged]).mean()) if judged.any() else None,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        lanes_left_out=() if left_out is None else tuple(_of_lanes(samples, left_out)),
        trees=trained.forest.n_trees,
        nodes=len(trained.forest.feature),
        settings=dict(settings),
    )


def labels_left_out(
    samples: Samples, train: Callable[[Samples], Forest], *, folds: int = FOLDS
) -> npt.NDArray[np.int32] | None:
    """The label that each voxel gets from a forest that never saw its lane; None for a single lane.

    Parameters
    ----------
    samples : Samples
    train : function of Samples → Forest
    folds : int
        Forests at most; with more lanes, several are left out together.

    Returns
    -------
    (N,) int32
        0 where no forest could be trained: without the lane there are no two classes left to learn.
    """
    count = len(samples.lane_names)
    if count < 2:
        return None
    given = np.zeros(len(samples), np.int32)
    for lanes in np.array_split(np.arange(count), min(count, folds)):
        left_out = np.isin(samples.lanes, lanes)
        others = samples.subset(~left_out)
        learnable = len(np.unique(others.labels)) > 1 and (others.features != others.features[0]).any()
        if learnable and left_out.any():
            given[left_out] = predicted_labels(train(others), samples.features[left_out])
    return given


def _of_lanes(samples: Samples, given: npt.NDArray[np.int32]) -> Iterator[LaneLeftOut]:
    for lane, name in enumerate(samples.lane_names):
        own = samples.lanes == lane
        known = own.any() and (given[own] > 0).all()
        right = float((given[own] == samples.labels[own]).mean()) if known else None
        yield LaneLeftOut(name, int(own.sum()), right)


def predicted_labels(forest: Forest, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """The label that a forest gives each of (N, F) samples; the lowest of equals."""
    # The kernel works on bricks of neighbouring voxels.
    bricks = -(-len(rows) // 64)
    columns = np.zeros((rows.shape[1], bricks * 64), np.float32)
    columns[:, : len(rows)] = rows.T
    probabilities = forest.probabilities(columns.reshape(-1, 4 * bricks, 4, 4))
    return forest.labels[probabilities.reshape(forest.n_classes, -1)[:, : len(rows)].argmax(axis=0)]
