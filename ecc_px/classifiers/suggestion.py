"""Which features are worth their time, judged on the labels at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers.evaluation import labels_left_out
from ecc_px.classifiers.sampling import LabelledImage, Samples
from ecc_px.classifiers.training import TrainingSettings, sample_lanes
from ecc_px.errors import InvalidSetting, VolumeTooThin
from ecc_px.features import Feature, FeatureSet, features_text
from ecc_px.features.cost import nanoseconds_per_voxel
from ecc_px.features.notation import catalogue
from ecc_px.labels import LabelClass
from ecc_px.models.forest import Forest
from ecc_px.models.training import train_forest
from ecc_px.volumes.streaming import Progress, usable_processors

TREES = 25
VOXELS_PER_CLASS = 1000
FOLDS = 4
LONGEST = 10
"""Small forests on few voxels: hundreds of them are grown. The curve ends after so many features."""

PATIENCE = 2
"""Features in a row that may bring nothing before the search ends."""


@dataclass(frozen=True)
class Scored:
    """A set of features.

    Parameters
    ----------
    added : str
        The feature that distinguishes it from the set before.
    features : str
        All of it, as `parse_features` reads them.
    columns : int
    nanoseconds : float
        Cost per voxel, by `nanoseconds_per_voxel`.
    accuracy : float
        Share of right voxels, each class counting the same.
    """

    added: str
    features: str
    columns: int
    nanoseconds: float
    accuracy: float


@dataclass(frozen=True)
class Suggestion:
    """The curve of accuracy against cost, and the set that is proposed.

    Parameters
    ----------
    alone : tuple of Scored
        Every feature of the catalogue by itself, the most accurate first.
    curve : tuple of Scored
        Each set has one feature more than the one before.
    proposed : Scored
        The smallest set on the curve whose accuracy can't be told from the best one's.
    judged_by : {"lane left out", "out of bag"}
    voxels : int
        Labelled voxels that were used.
    standard_error : float
        Of the best accuracy.
    """

    alone: tuple[Scored, ...]
    curve: tuple[Scored, ...]
    proposed: Scored
    judged_by: str
    voxels: int
    standard_error: float


def suggest_features(
    lanes: Sequence[LabelledImage],
    classes: Sequence[LabelClass],
    settings: TrainingSettings,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Suggestion:
    """Add features one by one, each time the cheapest of those that help most, and judge each set.

    Parameters
    ----------
    lanes, classes, settings, jobs
        As in `train`; at most `VOXELS_PER_CLASS` voxels of each class are used, and small forests.
    progress : function of (done, in all), optional
        While features are computed, in voxels; then while forests are grown, in forests.

    Raises
    ------
    InvalidSetting
        The images are too thin for any feature, or see `train`.
    """
    features = _fitting(lanes)
    cap = min(settings.max_per_class or VOXELS_PER_CLASS, VOXELS_PER_CLASS)
    few = replace(settings, max_per_class=cap)
    samples = sample_lanes(lanes, features, classes, few, jobs=jobs, progress=progress)
    judge = _Judge(samples, _columns_of(features, lanes), settings.seed, jobs or usable_processors())

    error = 0.0
    curve: list[Scored] = []
    alone: tuple[Scored, ...] = ()
    chosen: tuple[Feature, ...] = ()
    idle = 0
    rest = list(features.features)
    longest = min(LONGEST, len(rest))
    done, total = 0, sum(len(rest) - step for step in range(longest))
    while rest and len(curve) < longest and idle < PATIENCE:
        scored = []
        for feature in rest:
            scored.append(judge.score(chosen, feature))
            done += 1
            if progress is not None:
                progress(done, total)
        best = max(s.accuracy for s in scored)
        error = judge.standard_error(best)
        _, winner, feature = min(
            (s.nanoseconds, index, rest[index]) for index, s in enumerate(scored) if s.accuracy >= best - error / 2
        )
        if not curve:
            alone = tuple(sorted(scored, key=lambda s: (-s.accuracy, s.nanoseconds)))
        reached = max((s.accuracy for s in curve), default=0.0)
        idle = 0 if scored[winner].accuracy > reached + error / 2 else idle + 1
        curve.append(scored[winner])
        chosen = (*chosen, feature)
        rest.remove(feature)
    best = max(s.accuracy for s in curve)
    error = judge.standard_error(best)
    return Suggestion(
        alone=alone,
        curve=tuple(curve),
        proposed=next(s for s in curve if s.accuracy >= best - error),
        judged_by=judge.judged_by,
        voxels=len(samples),
        standard_error=error,
    )


@dataclass(frozen=True, eq=False)
class _Judge:
    samples: Samples
    columns: dict[Feature, list[int]]
    seed: int
    jobs: int

    @property
    def judged_by(self) -> str:
        return "lane left out" if len(self.samples.lane_names) > 1 else "out of bag"

    def score(self, chosen: tuple[Feature, ...], added: Feature) -> Scored:
        features = FeatureSet((*chosen, added))
        columns = [column for feature in features.features for column in self.columns[feature]]
        part = replace(self.samples, features=np.ascontiguousarray(self.samples.features[:, columns]))
        return Scored(
            added=features_text(FeatureSet((added,))),
            features=features_text(features),
            columns=len(columns),
            nanoseconds=nanoseconds_per_voxel(features),
            accuracy=_mean_recall(self._given(part), self.samples.labels),
        )

    def standard_error(self, accuracy: float) -> float:
        return math.sqrt(max(accuracy * (1 - accuracy), 1e-6) / len(self.samples))

    def _given(self, part: Samples) -> npt.NDArray[np.int32]:
        """The label of each voxel by forests that did not see it; 0 where there is none."""
        given = labels_left_out(part, self._grown, folds=FOLDS)
        if given is not None:
            return given
        if (part.features == part.features[0]).all():
            return np.zeros(len(part), np.int32)
        trained = train_forest(part.features, part.labels, trees=TREES, seed=self.seed, jobs=self.jobs)
        judged = ~np.isnan(trained.out_of_bag[:, 0])
        given = np.zeros(len(part), np.int32)
        given[judged] = trained.forest.labels[trained.out_of_bag[judged].argmax(axis=1)]
        return given

    def _grown(self, part: Samples) -> Forest:
        return train_forest(part.features, part.labels, trees=TREES, seed=self.seed, jobs=self.jobs).forest


def _mean_recall(given: npt.NDArray[np.int32], labels: npt.NDArray[np.uint8]) -> float:
    """Share of right voxels, each class counting the same; without voxels that nobody judged."""
    judged = given > 0
    shares = [(given[own] == label).mean() for label in np.unique(labels) if (own := judged & (labels == label)).any()]
    return float(np.mean(shares)) if shares else 0.0


def _fitting(lanes: Sequence[LabelledImage]) -> FeatureSet:
    """The catalogue without what an image is too thin for."""
    fitting = [feature for feature in catalogue().features if all(_fits(feature, lane) for lane in lanes)]
    if not fitting:
        raise InvalidSetting(f"{lanes[0].name}: the image is too thin for any feature; give a larger one.")
    return FeatureSet(tuple(fitting))


def _fits(feature: Feature, lane: LabelledImage) -> bool:
    try:
        FeatureSet((feature,)).check_extent(lane.image.shape)
    except VolumeTooThin:
        return False
    return True


def _columns_of(features: FeatureSet, lanes: Sequence[LabelledImage]) -> dict[Feature, list[int]]:
    """Which columns of the whole catalogue's samples are a feature's."""
    image = lanes[0].image
    columns, first = {}, 0
    for feature in features.features:
        count = image.channels * feature.eigenvalues(image.shape[0] == 1)
        columns[feature] = list(range(first, first + count))
        first += count
    return columns
