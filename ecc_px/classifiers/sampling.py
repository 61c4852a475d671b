"""Features at labelled voxels: what a classifier is trained on. No image is read but around its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers.boxes import boxes_around
from ecc_px.errors import ClassifierMismatch, GridMismatch, InvalidSetting, UnreadableVolume, VolumeTooThin
from ecc_px.features import FeatureSet
from ecc_px.labels import Annotation, LabelClass
from ecc_px.volumes import Volume
from ecc_px.volumes.blocks import Block, Shape
from ecc_px.volumes.streaming import Progress, in_order, usable_processors

BLOCK_BYTES = 64 * 2**20
"""Of the features that one thread computes at once."""

LONGEST_EDGE = 256


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and what a person said about its voxels; `name` is for messages and reports."""

    name: str
    image: Volume
    labels: Annotation


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled voxels of all lanes in a canonical order: lane by lane, in each (t, z, y, x) ascending.

    Parameters
    ----------
    features : (N, F) float32
    labels : (N,) uint8
    lanes : (N,) int32
        Which of `lane_names` each voxel is in.
    lane_names : tuple of str
    feature_names : tuple of str
    drawn : (lanes, labels) int64
        Voxels that were labelled, before any sampling; column k is label k + 1.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    lanes: npt.NDArray[np.int32]
    lane_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    drawn: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, chosen: npt.NDArray[np.bool_ | np.intp]) -> Samples:
        """The chosen voxels."""
        return Samples(
            self.features[chosen],
            self.labels[chosen],
            self.lanes[chosen],
            self.lane_names,
            self.feature_names,
            self.drawn,
        )


def gather_samples(
    lanes: Sequence[LabelledImage],
    features: FeatureSet,
    classes: Sequence[LabelClass],
    *,
    label_proportion: float = 1.0,
    max_per_class: int | None = None,
    seed: int = 0,
    allow_unlabelled: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Compute the features of labelled voxels, whose bits are those of whole images.

    Parameters
    ----------
    lanes : sequence of LabelledImage
    features : FeatureSet
    classes : sequence of LabelClass
        Labels 1, 2, …
    label_proportion : float
        Share of each class's voxels to use, chosen at random; at least one.
    max_per_class : int, optional
        Voxels of each class to use at most, chosen at random over all lanes.
    seed : int
        Of these choices.
    allow_unlabelled : bool
        Accept classes that nobody labelled: their probability will be 0.
    jobs : int, optional
        Threads; default one for each processor.
    progress : function of (voxels done, voxels in all), optional

    Raises
    ------
    InvalidSetting
        A class without labels, a label without a class, no labels at all, features that are no finite numbers.
    GridMismatch
        Labels outside of their image.
    ClassifierMismatch
        Lanes that differ in their channels, or volumes beside 2-D images.
    VolumeTooThin
        An image that is too thin for a scale.
    """
    if not 0 < label_proportion <= 1:
        raise InvalidSetting(f"--label-proportion {label_proportion:g}: choose more than 0, and 1 at most.")
    if max_per_class is not None and max_per_class < 1:
        raise InvalidSetting(f"--max-per-class {max_per_class}: choose 1 at least.")
    if not features.features:
        raise InvalidSetting("No features are selected: choose some, for example --features ecc.")
    _check_images(lanes, features)
    drawn = [_DrawnVoxels.of(lane) for lane in lanes]
    counts = np.array([np.bincount(voxels.labels, minlength=256)[1:] for voxels in drawn]).reshape(len(drawn), 255)
    _refuse_unknown_labels(lanes, counts, classes)
    if not allow_unlabelled:
        _refuse_unlabelled(counts, classes)

    kept = _chosen(np.concatenate([v.labels for v in drawn]), label_proportion, max_per_class, seed)
    ends = np.cumsum([len(v.labels) for v in drawn])
    chosen = [v.subset(part) for v, part in zip(drawn, np.split(kept, ends[:-1]), strict=True)]
    flat = lanes[0].image.shape[0] == 1
    names = tuple(features.names(lanes[0].image.channels, flat=flat))
    rows = np.empty((sum(len(v.labels) for v in chosen), len(names)), np.float32)
    tasks = _tasks(lanes, chosen, features, len(names))
    done = 0

    def work(task: _Task) -> npt.NDArray[np.float32]:
        return task.compute(features, names)

    for task, values in in_order(work, tasks, jobs or usable_processors()):
        rows[task.rows] = values
        done += len(values)
        if progress is not None:
            progress(done, len(rows))
    return Samples(
        features=rows,
        labels=np.concatenate([v.labels for v in chosen]),
        lanes=np.repeat(np.arange(len(lanes), dtype=np.int32), [len(v.labels) for v in chosen]),
        lane_names=tuple(lane.name for lane in lanes),
        feature_names=names,
        drawn=counts[:, : len(classes)].astype(np.int64),
    )


@dataclass(frozen=True, eq=False)
class _DrawnVoxels:
    """Labelled voxels of one image of `shape` (t, z, y, x), by their number in raster order, ascending."""

    numbers: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    shape: tuple[int, int, int, int]

    @classmethod
    def of(cls, lane: LabelledImage) -> _DrawnVoxels:
        shape = (lane.image.frames, *lane.image.shape)
        numbers, labels = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
        for block in lane.labels.blocks:
            place = tuple(inside + start for inside, start in zip(np.nonzero(block.labels), block.start, strict=True))
            if any(along.max(initial=0) >= extent for along, extent in zip(place, shape, strict=True)):
                last = tuple(int(along.max()) for along in place)
                raise GridMismatch(
                    f"{lane.name}: labels reach to voxel {last} (t, z, y, x), but {lane.image.path} has {shape}: "
                    "give the labels that were drawn on this image."
                )
            numbers.append(np.ravel_multi_index(place, shape))
            labels.append(block.labels[block.labels > 0])
        number, label = np.concatenate(numbers), np.concatenate(labels)
        order = np.argsort(number)
        return cls(number[order], label[order], shape)

    def subset(self, kept: npt.NDArray[np.bool_]) -> _DrawnVoxels:
        return _DrawnVoxels(self.numbers[kept], self.labels[kept], self.shape)

    def by_frame(self) -> Iterator[tuple[int, slice, npt.NDArray[np.int64]]]:
        """Each frame with labels: which of the voxels are its own, and where they are (N, 3: z, y, x)."""
        frames, *places = np.unravel_index(self.numbers, self.shape)
        for frame in np.unique(frames):
            first, end = np.searchsorted(frames, [frame, frame + 1])
            yield int(frame), slice(int(first), int(end)), np.stack([along[first:end] for along in places], axis=1)


@dataclass(frozen=True, eq=False)
class _Task:
    """Voxels of one box of one frame; `rows` says where their features belong."""

    lane: LabelledImage
    frame: int
    block: Block
    places: npt.NDArray[np.int64]
    rows: npt.NDArray[np.intp]

    def compute(self, features: FeatureSet, names: Sequence[str]) -> npt.NDArray[np.float32]:
        image = self.lane.image.read(self.block.outer, frame=self.frame)
        columns = features.compute(image, self.block, self.lane.image.shape)
        inside = self.places - [s.start for s in self.block.core]
        values = np.ascontiguousarray(columns[(slice(None), *inside.T)].T)
        good = np.isfinite(values)
        if not good.all():
            row, column = np.argwhere(~good)[0]
            raise UnreadableVolume(
                f"{self.lane.name}: {names[column]} is no finite number at voxel "
                f"{tuple(int(n) for n in self.places[row])} (z, y, x) of {self.lane.image.path}: mend the image there, "
                "or remove the labels."
            )
        return values


def _tasks(
    lanes: Sequence[LabelledImage], chosen: Sequence[_DrawnVoxels], features: FeatureSet, columns: int
) -> Iterator[_Task]:
    first = 0
    for lane, voxels in zip(lanes, chosen, strict=True):
        shape = lane.image.shape
        flat = shape[0] == 1
        limit = _largest_core(columns, flat)
        for frame, own, points in voxels.by_frame():
            for block, inside in boxes_around(points, shape, features.halo(flat=flat), limit):
                yield _Task(lane, frame, block, points[inside], first + own.start + inside)
        first += len(voxels.labels)


def _largest_core(columns: int, flat: bool) -> Shape:
    voxels = BLOCK_BYTES / (4 * columns)
    edge = min(LONGEST_EDGE, max(16, int(voxels ** (1 / 2 if flat else 1 / 3))))
    return 1 if flat else edge, edge, edge


def _chosen(labels: npt.NDArray[np.uint8], proportion: float, cap: int | None, seed: int) -> npt.NDArray[np.bool_]:
    """Which voxels to use: of each class a share, and not more than so many."""
    kept = np.ones(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        wanted = max(1, round(proportion * len(places)))
        wanted = wanted if cap is None else min(wanted, cap)
        if wanted < len(places):
            kept[places] = False
            kept[np.random.default_rng([seed, int(label)]).choice(places, wanted, replace=False)] = True
    return kept


def _check_images(lanes: Sequence[LabelledImage], features: FeatureSet) -> None:
    if not lanes:
        raise InvalidSetting("There is no image to learn from: give one with its labels.")
    first = lanes[0]
    for lane in lanes:
        if lane.image.channels != first.image.channels:
            raise ClassifierMismatch(
                f"{lane.name} has {lane.image.channels} channels and {first.name} has {first.image.channels}: "
                "images of one classifier need the same channels, in the same order."
            )
        if (lane.image.shape[0] == 1) != (first.image.shape[0] == 1):
            flat, deep = (lane, first) if lane.image.shape[0] == 1 else (first, lane)
            raise ClassifierMismatch(
                f"{flat.name} is a 2-D image and {deep.name} a volume: train a classifier for each."
            )
        try:
            features.check_extent(lane.image.shape)
        except VolumeTooThin as error:
            raise VolumeTooThin(f"{lane.name}: {error}") from error


def _refuse_unknown_labels(
    lanes: Sequence[LabelledImage], counts: npt.NDArray[np.int64], classes: Sequence[LabelClass]
) -> None:
    known = ", ".join(f"{c.label} ({c.name})" for c in classes)
    for lane, row in zip(lanes, counts, strict=True):
        unknown = len(classes) + 1 + np.flatnonzero(row[len(classes) :])
        if len(unknown):
            raise InvalidSetting(
                f"{lane.name}: {row[unknown[0] - 1]:,} voxels have label {unknown[0]}, which is no class "
                f"({known}): correct the labels, or add the class."
            )


def _refuse_unlabelled(counts: npt.NDArray[np.int64], classes: Sequence[LabelClass]) -> None:
    missing = [c for c, count in zip(classes, counts.sum(axis=0), strict=False) if not count]
    if missing:
        raise InvalidSetting(
            f"No voxel of any image is labelled as {', '.join(f'{c.label} ({c.name})' for c in missing)}: "
            "label some, remove the class, or pass --allow-unlabelled to give it the probability 0."
        )
