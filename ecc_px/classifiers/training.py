"""From labelled images to a forest and a report on it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ecc_px.classifiers.classifier import class_channel
from ecc_px.classifiers.evaluation import TrainingReport, labels_left_out, report_on
from ecc_px.classifiers.sampling import LabelledImage, Samples, gather_samples
from ecc_px.errors import InvalidSetting
from ecc_px.features import FeatureSet, features_text
from ecc_px.labels import LabelClass
from ecc_px.models.forest import Forest
from ecc_px.models.training import ClassWeight, TrainedForest, train_forest
from ecc_px.volumes.streaming import Progress, usable_processors


@dataclass(frozen=True)
class TrainingSettings:
    """What decides on a forest beside features and labels.

    Parameters
    ----------
    trees : int
    seed : int
        Of all random choices: same labels, settings and seed give the same forest.
    label_proportion : float
        Share of each class's labelled voxels that is used.
    max_per_class : int or None
        Voxels of each class that are used at most.
    class_weight : "balanced", mapping of label to weight, or None
    allow_unlabelled : bool
        Accept classes that nobody labelled; their probability is 0.
    """

    trees: int = 100
    seed: int = 0
    label_proportion: float = 1.0
    max_per_class: int | None = None
    class_weight: ClassWeight = None
    allow_unlabelled: bool = False

    def as_record(self) -> dict[str, str | int | float | bool | None]:
        """Plain values, to be stored with the forest and compared with the next time."""
        weights = self.class_weight
        if isinstance(weights, Mapping):
            weight: str | None = ",".join(f"{label}={float(weights[label])!r}" for label in sorted(weights))
        else:
            weight = weights
        return {
            "trees": self.trees,
            "seed": self.seed,
            "label_proportion": float(self.label_proportion),
            "max_per_class": self.max_per_class,
            "class_weight": weight,
            "allow_unlabelled": self.allow_unlabelled,
        }


@dataclass(frozen=True, eq=False)
class Training:
    """A forest, the names of its columns, what is known of it, and the seconds of each step."""

    forest: Forest
    report: TrainingReport
    seconds: Mapping[str, float]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.report.features


def sample_lanes(
    lanes: Sequence[LabelledImage],
    features: FeatureSet,
    classes: Sequence[LabelClass],
    settings: TrainingSettings,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Samples:
    """The voxels to train on, as the settings say; see `gather_samples` for what is refused."""
    return gather_samples(
        lanes,
        features,
        classes,
        label_proportion=settings.label_proportion,
        max_per_class=settings.max_per_class,
        seed=settings.seed,
        allow_unlabelled=settings.allow_unlabelled,
        jobs=jobs,
        progress=progress,
    )


def train_on(
    samples: Samples,
    features: FeatureSet,
    classes: Sequence[LabelClass],
    settings: TrainingSettings,
    *,
    leave_out: bool = True,
    jobs: int | None = None,
) -> Training:
    """Grow a forest and judge it, out of bag and (with `leave_out` and several lanes) by lane left out.

    Raises
    ------
    InvalidSetting
        See `train_forest`.
    """
    _check_weights(settings.class_weight, classes)
    started = time.perf_counter()
    trained = _grow(samples, settings, jobs)
    grown = time.perf_counter()
    left_out = labels_left_out(samples, lambda part: _grow(part, settings, jobs).forest) if leave_out else None
    record = {"features": features_text(features), **settings.as_record()}
    report = report_on(samples, trained, classes, left_out, record)
    seconds = {"forest": grown - started, "lanes left out": time.perf_counter() - grown}
    return Training(trained.forest, report, seconds)


def train(
    lanes: Sequence[LabelledImage],
    features: FeatureSet,
    classes: Sequence[LabelClass],
    settings: TrainingSettings | None = None,
    *,
    leave_out: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train on labelled images.

    Parameters
    ----------
    lanes : sequence of LabelledImage
    features : FeatureSet
    classes : sequence of LabelClass
        Labels 1, 2, …
    settings : TrainingSettings, optional
    leave_out : bool
        Test each lane with a forest that never saw it; costs as many forests as there are lanes (at most 10).
    jobs : int, optional
        Threads; default one for each processor. The result does not depend on it.
    progress : function of (voxels done, voxels in all), optional
        While features are computed.

    Raises
    ------
    EccPxError
        See `gather_samples` and `train_forest`.
    """
    settings = settings or TrainingSettings()
    started = time.perf_counter()
    samples = sample_lanes(lanes, features, classes, settings, jobs=jobs, progress=progress)
    gathered = time.perf_counter() - started
    training = train_on(samples, features, classes, settings, leave_out=leave_out, jobs=jobs)
    return replace(training, seconds={"features": gathered, **training.seconds})


def _grow(samples: Samples, settings: TrainingSettings, jobs: int | None) -> TrainedForest:
    weight = settings.class_weight
    if isinstance(weight, Mapping):
        # Without a lane, a class may be missing.
        present = set(samples.labels.tolist())
        weight = {label: value for label, value in weight.items() if label in present}
    return train_forest(
        samples.features,
        samples.labels,
        trees=settings.trees,
        seed=settings.seed,
        jobs=jobs or usable_processors(),
        class_weight=weight,
    )


def parse_class_weights(text: str, classes: Sequence[LabelClass]) -> dict[int, float]:
    """``"cell=3,2=0.5"`` → ``{1: 3.0, 2: 0.5}``: classes by name or label.

    Raises
    ------
    InvalidSetting
    """
    weights: dict[int, float] = {}
    for entry in text.split(","):
        name, _, number = (part.strip() for part in entry.rpartition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or not 0 < weight < math.inf:
            raise InvalidSetting(f"--class-weight {text!r}: {entry.strip()!r} is no CLASS=WEIGHT, such as cell=3.")
        label = classes[class_channel(tuple(classes), name)].label
        if label in weights:
            raise InvalidSetting(f"--class-weight {text!r}: {name} is there twice; name it once.")
        weights[label] = weight
    return weights


def _check_weights(weight: ClassWeight, classes: Sequence[LabelClass]) -> None:
    unknown = sorted(set(weight) - {c.label for c in classes}) if isinstance(weight, Mapping) else []
    if unknown:
        known = ", ".join(f"{c.label} ({c.name})" for c in classes)
        raise InvalidSetting(f"--class-weight: there is no class {unknown[0]}; there are {known}.")
