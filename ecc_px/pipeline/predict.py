"""Apply a classifier to a volume, block by block, on threads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.pipeline.exports import ROUNDING, Export, ExportPlan, ProbabilityDtype, plan_exports
from ecc_px.pipeline.receipt import describe_classifier, describe_volume, forget_receipt, now, write_receipt
from ecc_px.volumes import Layout, Volume, VolumeWriter, VoxelUm, create_volume, open_volume
from ecc_px.volumes.blocks import Block, Run, Shape, runs_of, shape_of
from ecc_px.volumes.partial import write_errors_named
from ecc_px.volumes.streaming import Progress, in_order, usable_processors
from ecc_px.volumes.voxel_size import resolve_voxel_size

FileFormat = Literal["hdf5", "ome-zarr", "tiff", "ecc"]
"""ecc's is HDF5 with label 1 alone, as uint8, in a dataset called `probability`."""

EXTENSIONS: dict[FileFormat, str] = {"hdf5": ".h5", "ome-zarr": ".ome.zarr", "tiff": ".tif", "ecc": ".h5"}

BLOCK: Shape = (64, 64, 256)
"""Voxels of a block: long rows for the filters' vector loops, a halo that costs little, whole 64³ chunks."""
FLAT_BLOCK: Shape = (1, 512, 512)
RUN_LENGTH = 2048
"""Voxels along x that are read at once: a run's region is tens of MB."""
FEATURE_BYTES = 96 * 2**20
"""Most memory for one block's features; with more features than fit, blocks are smaller."""
ALL_FEATURE_BYTES = 512 * 2**20
"""Most memory for the features of all threads together, as long as blocks are no smaller than a chunk."""
CHUNK_EDGE = 64
FLAT_CHUNK_EDGE = 256


@dataclass(frozen=True)
class Prediction:
    """What a prediction made.

    Parameters
    ----------
    outputs : dict
        The file of each export.
    warnings : tuple of str
    voxels : int
    seconds : float
    """

    outputs: dict[Export, Path]
    warnings: tuple[str, ...]
    voxels: int
    seconds: float

    @property
    def probabilities(self) -> Path:
        """The probability image."""
        if "probabilities" not in self.outputs:
            raise InvalidSetting("This prediction made no probability image: ask for the export 'probabilities'.")
        return self.outputs["probabilities"]


@dataclass(frozen=True)
class PredictionSettings:
    """How to apply a classifier; the defaults give what ilastik exports.

    Parameters
    ----------
    exports : tuple of {"probabilities", "segmentation", "uncertainty", "features"}
    dtype : {"float32", "uint8", "uint16"}
        Of probabilities; `exports.ROUNDING` says how they are rounded.
    classes : tuple of label numbers or names, optional
        Channels of the probability image; default all, in the order of their labels.
    file_format : {"hdf5", "ome-zarr", "tiff", "ecc"}
    compression : {"gzip", "lzf", "none"}, optional
        Default: the format's own, gzip for HDF5.
    voxel_um : (z, y, x) µm, optional
        Written to the outputs; default what the volume's file says.
    jobs : int, optional
        Threads; default one for each processor.
    overwrite : bool
    block : (z, y, x) voxels, optional
        Default chosen from the number of features. Results do not depend on it.
    """

    exports: tuple[Export, ...] = ("probabilities",)
    dtype: ProbabilityDtype = "float32"
    classes: tuple[str | int, ...] | None = None
    file_format: FileFormat = "hdf5"
    compression: str | None = None
    voxel_um: VoxelUm | None = None
    jobs: int | None = None
    overwrite: bool = False
    block: Shape | None = None

    def __post_init__(self) -> None:
        if self.file_format not in get_args(FileFormat):
            raise InvalidSetting(
                f"There is no output format {self.file_format!r}; choose from {', '.join(EXTENSIONS)}."
            )
        if self.jobs is not None and self.jobs < 1:
            raise InvalidSetting(f"{self.jobs} threads can't compute anything: pass a number from 1.")
        if self.block is not None and min(self.block) < 1:
            raise InvalidSetting(f"A block of {self.block} voxels is empty.")
        fixed = {"exports": ("probabilities",), "dtype": "float32", "classes": None}
        ignored = [name for name, default in fixed.items() if getattr(self, name) != default]
        if self.file_format == "ecc" and ignored:
            raise InvalidSetting(
                f"The format 'ecc' is label 1 alone as uint8, and leaves no choice of {', '.join(ignored)}: "
                "choose another format."
            )


def predict(
    classifier: Classifier | str | Path,
    volume: Volume | str | Path,
    out_dir: str | Path,
    *,
    mask: Volume | str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Prediction:
    """Apply a classifier to a volume and write `<out_dir>/<name>_probabilities.h5` and other exports.

    Parameters
    ----------
    classifier : Classifier, path of an .ilp or .pxc, or name of a saved classifier
    volume : Volume or path
    out_dir : path
        Made if it does not exist.
    mask : Volume or path, optional
        Of the volume's (z, y, x) shape; where none of its channels is above 0, every export is 0.
    progress : function of (voxels done, voxels in all), optional
    **settings
        The fields of `PredictionSettings`.

    Returns
    -------
    Prediction

    Raises
    ------
    ClassifierMismatch, VolumeTooThin
        The classifier was made for other images.
    GridMismatch
        The mask has another shape.
    OutputExists, OutputFailed
        An output is there already, or can't be written. Nothing half-written stays.

    Examples
    --------
    >>> prediction = predict("PV.ilp", "brain.h5", "out", dtype="uint8")      # doctest: +SKIP
    >>> prediction.probabilities                                              # doctest: +SKIP
    PosixPath('out/brain_probabilities.h5')
    """
    wanted = PredictionSettings(**settings)
    with ExitStack() as stack:
        if not isinstance(classifier, Classifier):
            classifier = load_classifier(classifier)
        if not isinstance(volume, Volume):
            volume = stack.enter_context(open_volume(volume))
        if mask is not None and not isinstance(mask, Volume):
            mask = stack.enter_context(open_volume(mask))
        return _predict(classifier, volume, mask, Path(out_dir), wanted, progress)


def output_path(out_dir: Path, name: str, export: Export, file_format: FileFormat) -> Path:
    """Where an export of the volume called `name` is written."""
    return out_dir / f"{name}_{export}{EXTENSIONS[file_format]}"


def _predict(
    classifier: Classifier,
    volume: Volume,
    mask: Volume | None,
    out_dir: Path,
    settings: PredictionSettings,
    progress: Progress | None,
) -> Prediction:
    started = now()
    classifier.check_fits(volume.shape, volume.channels, str(volume.path))
    if mask is not None and (mask.shape, mask.frames) != (volume.shape, volume.frames):
        raise GridMismatch(
            f"The mask {mask.path} has {mask.frames} × {mask.shape} voxels (t × zyx), {volume.path} has "
            f"{volume.frames} × {volume.shape}: a mask must lie on the same grid."
        )
    voxel_um, warning = resolve_voxel_size(volume, settings.voxel_um)
    flat = volume.shape[0] == 1
    if settings.file_format == "ecc":
        plans = plan_exports(classifier, ("probabilities",), "uint8", (1,), volume.channels, flat=flat)
    else:
        plans = plan_exports(classifier, settings.exports, settings.dtype, settings.classes, volume.channels, flat=flat)
    jobs = settings.jobs or usable_processors()
    columns = classifier.features.count(volume.channels, flat=flat)
    block_shape = settings.block or block_shape_for(volume.shape, columns, jobs)
    outputs = {plan.kind: output_path(out_dir, volume.name, plan.kind, settings.file_format) for plan in plans}
    with write_errors_named(out_dir):
        out_dir.mkdir(parents=True, exist_ok=True)

    total = prod(volume.shape) * volume.frames
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_writer(plan, outputs[plan.kind], volume, voxel_um, classifier, block_shape, settings))
            for plan in plans
        ]
        work = _RunWork(classifier, volume, mask, tuple(zip(plans, writers, strict=True)))
        runs = runs_of(volume.shape, block_shape, classifier.features.halo(flat=flat), RUN_LENGTH)
        done = computed = without_votes = 0
        for _, made in in_order(work, product(range(volume.frames), runs), jobs):
            for store in made.stores:
                store()
            computed += made.computed
            without_votes += made.without_votes
            done += made.voxels
            if progress is not None:
                progress(done, total)
        for plan in plans:
            forget_receipt(outputs[plan.kind])
    seconds = (now() - started).total_seconds()
    warnings: tuple[str, ...] = (warning,) if warning else ()
    if mask is not None and computed == 0:
        warnings += (f"{mask.path}: the mask keeps no voxel, so everything is 0.",)
    if without_votes:
        warnings += (
            f"{volume.path}: {without_votes:,} voxels have no votes, because the image is not a number (NaN) or "
            "infinite within reach of the filters there; their probabilities and class are 0.",
        )
    for plan in plans:
        receipt = _receipt(plan, classifier, volume, mask, voxel_um, block_shape, settings)
        write_receipt(outputs[plan.kind], receipt | {"warnings": list(warnings)}, started)
    return Prediction(outputs, warnings, total, seconds)


def block_shape_for(shape: Shape, features: int, jobs: int = 1) -> Shape:
    """Voxels of a block: `BLOCK`, halved along its longest edge until the features of all threads fit in memory."""
    flat = shape[0] == 1
    block = list(FLAT_BLOCK if flat else BLOCK)
    chunk = FLAT_CHUNK_EDGE if flat else CHUNK_EDGE

    def too_large() -> bool:
        size = prod(block) * features * 4
        return size > FEATURE_BYTES or (size * jobs > ALL_FEATURE_BYTES and max(block) > chunk)

    while too_large() and max(block) > 8:
        block[int(np.argmax(block))] //= 2
    return block[0], block[1], block[2]


@dataclass
class _Made:
    """What became of a run of blocks; `stores` completes its writing, to be called in the order of the runs."""

    stores: list[Callable[[], None]] = field(default_factory=list)
    voxels: int = 0
    computed: int = 0
    without_votes: int = 0


@dataclass(frozen=True)
class _RunWork:
    """A run of blocks: read, features, votes, every export encoded. Called from many threads at once."""

    classifier: Classifier
    volume: Volume
    mask: Volume | None
    exports: tuple[tuple[ExportPlan, VolumeWriter], ...]

    def __call__(self, task: tuple[int, Run]) -> _Made:
        """Process the blocks of one frame's run."""
        frame, run = task
        masks = [self._inside(block, frame) for block in run.blocks]
        image = None
        if any(inside is None or inside.any() for inside in masks):
            image = self.volume.read(run.outer, frame=frame)
        made = _Made()
        for block, inside in zip(run.blocks, masks, strict=True):
            made.voxels += prod(shape_of(block.core))
            if image is None or (inside is not None and not inside.any()):
                self._leave_empty(made, block, frame)
            else:
                begin = block.outer[2].start - run.outer[2].start
                width = block.outer[2].stop - block.outer[2].start
                self._fill(made, block, image[..., begin : begin + width], inside, frame)
        return made

    def _inside(self, block: Block, frame: int) -> npt.NDArray[np.bool_] | None:
        """Which voxels of a block the mask keeps; None without a mask."""
        return None if self.mask is None else np.any(self.mask.read(block.core, frame=frame) > 0, axis=0)

    def _fill(
        self,
        made: _Made,
        block: Block,
        image: npt.NDArray[Any],
        inside: npt.NDArray[np.bool_] | None,
        frame: int,
    ) -> None:
        made.computed += prod(shape_of(block.core))
        features = self.classifier.features.compute(image, block, self.volume.shape)
        only_features = all(plan.kind == "features" for plan, _ in self.exports)
        probabilities = None if only_features else self.classifier.probabilities(features)
        if probabilities is not None and self.volume.dtype.kind == "f":
            voteless = ~probabilities.any(axis=0)
            made.without_votes += int(np.count_nonzero(voteless if inside is None else voteless & inside))
        for plan, writer in self.exports:
            image_of_block = plan.image(features, probabilities, inside)
            made.stores.append(writer.prepare(block.core, image_of_block, frame=frame))

    def _leave_empty(self, made: _Made, block: Block, frame: int) -> None:
        for plan, writer in self.exports:
            nothing = np.zeros((len(plan.channel_names), *shape_of(block.core)), plan.dtype)
            made.stores.append(writer.prepare(block.core, nothing, frame=frame))


def _writer(
    plan: ExportPlan,
    path: Path,
    volume: Volume,
    voxel_um: VoxelUm | None,
    classifier: Classifier,
    block_shape: Shape,
    settings: PredictionSettings,
) -> VolumeWriter:
    """The file of one export: axes as the input's with c last, attributes that say what the numbers are."""
    extents = dict(zip("zyx", volume.shape, strict=True)) | {"t": volume.frames, "c": len(plan.channel_names)}
    edge = FLAT_CHUNK_EDGE if volume.shape[0] == 1 else CHUNK_EDGE
    chunks = {axis: min(edge, b, extents[axis]) for axis, b in zip("zyx", block_shape, strict=True)}
    chunks |= {"t": 1, "c": 1}
    axes = volume.axes.replace("c", "") + "c"
    layout = Layout(
        axes=axes,
        stored_shape=tuple(extents[axis] for axis in axes),
        dtype=plan.dtype,
        voxel_um=voxel_um,
        chunks=tuple(chunks[axis] for axis in axes),
        channel_names=plan.channel_names,
    )
    attributes: dict[str, Any] = {"classifier": classifier.path.name, "classifier_sha256": classifier.sha256}
    if plan.kind == "probabilities":
        attributes["rounding"] = ROUNDING[str(plan.dtype)]
        attributes["drange"] = (0.0, 1.0) if plan.dtype.kind == "f" else (0, int(np.iinfo(plan.dtype).max))
        attributes["class_labels"] = [classifier.classes[c].label for c in plan.channels]
    if plan.kind == "segmentation":
        attributes["class_names"] = [c.name for c in classifier.classes]
    return create_volume(
        path,
        layout,
        compression=settings.compression,
        attributes=attributes,
        dataset="probability" if settings.file_format == "ecc" else "exported_data",
        overwrite=settings.overwrite,
        downsampling="nearest" if plan.kind == "segmentation" else "mean",
    )


def _receipt(
    plan: ExportPlan,
    classifier: Classifier,
    volume: Volume,
    mask: Volume | None,
    voxel_um: VoxelUm | None,
    block_shape: Shape,
    settings: PredictionSettings,
) -> dict[str, Any]:
    return {
        "export": plan.kind,
        "dtype": str(plan.dtype),
        "rounding": ROUNDING[str(plan.dtype)] if plan.kind == "probabilities" else None,
        "channels": list(plan.channel_names),
        "voxel_um_zyx": voxel_um,
        "input": describe_volume(volume),
        "mask": None if mask is None else describe_volume(mask),
        "classifier": describe_classifier(classifier),
        "settings": asdict(settings) | {"block": block_shape},
    }
