"""Apply a classifier to a volume, block group by block group, on threads; a run that was stopped goes on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.completeness import CheckReport
from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.pipeline.block_groups import BlockGroup, Computation, KeptComputation, block_groups
from ecc_px.pipeline.block_plan import BlockPlan, plan_blocks
from ecc_px.pipeline.export_files import export_writer
from ecc_px.pipeline.exports import ROUNDING, Export, ExportPlan, plan_exports
from ecc_px.pipeline.identity import describe_source, versions
from ecc_px.pipeline.journal import GroupFacts
from ecc_px.pipeline.receipt import describe_classifier, describe_volume, forget_receipt, now, write_receipt
from ecc_px.pipeline.settings import PredictionSettings, output_path
from ecc_px.pipeline.work_folder import WorkFolder
from ecc_px.volumes import Volume, VolumeWriter, VoxelUm, open_volume
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.streaming import Progress, in_order, usable_processors
from ecc_px.volumes.voxel_size import resolve_voxel_size


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
        Of this attempt.
    found : int
        Voxels that an earlier attempt had finished.
    """

    outputs: dict[Export, Path]
    warnings: tuple[str, ...]
    voxels: int
    seconds: float
    found: int = 0

    @property
    def probabilities(self) -> Path:
        """The probability image."""
        if "probabilities" not in self.outputs:
            raise InvalidSetting("This prediction made no probability image: ask for the export 'probabilities'.")
        return self.outputs["probabilities"]


def predict(
    classifier: Classifier | str | Path,
    volume: Volume | str | Path,
    out_dir: str | Path,
    *,
    mask: Volume | str | Path | None = None,
    progress: Progress | None = None,
    check: Callable[[], CheckReport] | None = None,
    **settings: Any,
) -> Prediction:
    """Apply a classifier to a volume and write `<out_dir>/<name>_probabilities.h5` and other exports.

    Finished blocks are kept in a hidden folder beside the first output until all outputs are in place. Whatever stops
    the work, the same call goes on where it was and ends in the same bytes.

    Parameters
    ----------
    classifier : Classifier, path of an .ilp or .pxc, or name of a saved classifier
    volume : Volume or path
    out_dir : path
        Made if it does not exist.
    mask : Volume or path, optional
        Of the volume's (z, y, x) shape; where none of its channels is above 0, every export is 0.
    progress : function of (voxels done, voxels in all), optional
    check : function without arguments, optional
        Looks whether the volume is complete, as `ecc_px.completeness.check_input` does. It is called when nothing else
        speaks against beginning, and not again by a run that goes on; its report goes into the receipts.
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
        An output is there already, or can't be written. No output is there half.
    IncompleteVolume, UnreadableVolume
        The check found something.
    UnfinishedWork
        The output was begun from another input, with another classifier or other settings, or is being made now.

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
        task = _task(classifier, volume, mask, Path(out_dir), wanted)
        return _carry_out(task, progress, check)


@dataclass(frozen=True)
class Task:
    """A prediction that makes sense: everything checked, nothing done."""

    computation: Computation
    settings: PredictionSettings
    outputs: tuple[Path, ...]
    voxel_um: VoxelUm | None
    warnings: tuple[str, ...]

    @property
    def volume(self) -> Volume:
        return self.computation.volume

    @property
    def plans(self) -> tuple[ExportPlan, ...]:
        return self.computation.plans

    @property
    def voxels(self) -> int:
        return prod(self.volume.shape) * self.volume.frames

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the bytes of the outputs depend on, except the cut into blocks."""
        settings, mask = self.settings, self.computation.mask
        return {
            "the input": describe_source(self.volume),
            "the mask": None if mask is None else describe_source(mask),
            "the classifier": self.computation.classifier.sha256,
            "the classifier's name": self.computation.classifier.path.name,
            "the flavour": self.computation.classifier.features.flavour,
            "the exports": [plan.kind for plan in self.plans],
            "the type": [str(plan.dtype) for plan in self.plans],
            "the classes": [list(plan.channel_names) for plan in self.plans],
            "the format": settings.file_format,
            "the compression": settings.compression,
            "the voxel size": self.voxel_um,
            "the block": settings.block,
            "the program": versions(),
        }

    def writers(self, blocks: BlockPlan, *, overwrite: bool) -> list[VolumeWriter]:
        """A writer for each export."""
        return [
            export_writer(
                plan,
                path,
                self.volume,
                self.voxel_um,
                self.computation.classifier,
                blocks.block,
                self.settings,
                overwrite=overwrite,
            )
            for plan, path in zip(self.plans, self.outputs, strict=True)
        ]


def _task(
    classifier: Classifier, volume: Volume, mask: Volume | None, out_dir: Path, settings: PredictionSettings
) -> Task:
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
    outputs = tuple(output_path(out_dir, volume.name, plan.kind, settings.file_format) for plan in plans)
    computation = Computation(classifier, volume, mask, tuple(plans))
    return Task(computation, settings, outputs, voxel_um, (warning,) if warning else ())


def _carry_out(task: Task, progress: Progress | None, check: Callable[[], CheckReport] | None) -> Prediction:
    started = now()
    first = task.outputs[0]
    with write_errors_named(first.parent):
        first.parent.mkdir(parents=True, exist_ok=True)
    with write_errors_named(first), WorkFolder(first, restart=task.settings.restart) as work:
        for output in task.outputs:
            PartialOutput(output, overwrite=task.settings.overwrite or work.is_marked()).refuse_existing()
        jobs = task.settings.jobs or usable_processors()
        blocks = plan_blocks(task.computation, jobs, task.settings.block)
        if work.choices is not None:
            blocks = BlockPlan.from_json(work.choices)
        work.settle(task.identity, blocks.as_json())
        groups = list(block_groups(task.volume.frames, task.volume.shape, blocks.block, blocks.halo, blocks.run_length))
        checked = _checked(work, check)
        found = sum(work.journal.facts[group.number].voxels for group in groups if group.number in work.journal)
        attempt = {
            "started": started.isoformat(timespec="seconds"),
            "process": os.getpid(),
            "machine": platform.node(),
            "jobs": jobs,
            "found_voxels": found,
            "check": checked,
        }
        attempts = [*work.attempts(), attempt]
        work.begin_attempt(attempt)
        _compute(task, work, blocks, groups, jobs, progress)
        facts = [work.journal.facts[group.number] for group in groups]
        seconds = (now() - started).total_seconds()
        odd = tuple(str(warning["sentence"]) for warning in (checked or {}).get("warnings", ()))
        warnings = odd + task.warnings + tuple(_warnings(task, facts))
        work.mark()
        _assemble(task, work, blocks, groups, jobs)
        for number, (plan, output) in enumerate(zip(task.plans, task.outputs, strict=True)):
            receipt = _receipt(task, plan, blocks) | {
                "groups": blocks.as_json() | {"sha256": [of_group.sha256[number] for of_group in facts]},
                "attempts": [{name: fact for name, fact in a.items() if name != "check"} for a in attempts],
                "check": checked,
                "warnings": list(warnings),
            }
            write_receipt(output, receipt, started)
        work.finish()
    outputs = {plan.kind: output for plan, output in zip(task.plans, task.outputs, strict=True)}
    return Prediction(outputs, warnings, task.voxels, seconds, found)


def _checked(work: WorkFolder, check: Callable[[], CheckReport] | None) -> dict[str, Any] | None:
    """What the check of the input says, as JSON: this one, or that of the attempt which began."""
    earlier = [attempt["check"] for attempt in work.attempts() if attempt.get("check")]
    if earlier or check is None:
        # Between attempts the input has not changed: the work folder would have refused it.
        return dict(earlier[-1]) if earlier else None
    report = check()
    report.require_ok()
    return report.as_json()


def _compute(
    task: Task,
    work: WorkFolder,
    blocks: BlockPlan,
    groups: Sequence[BlockGroup],
    jobs: int,
    progress: Progress | None,
) -> None:
    """Bring every block group into the journal."""
    missing = [group for group in groups if group.number not in work.journal]
    found = done = task.voxels - sum(group.voxels for group in missing)
    compute = KeptComputation(task.computation, tuple(task.writers(blocks, overwrite=True)), work.journal)
    clock = work.clock("predicting", found, task.voxels)
    clock.tell(done, now=True)
    if progress is not None:
        progress(done, task.voxels)
    for _, facts in in_order(compute, missing, jobs):
        done += facts.voxels
        clock.tell(done)
        if progress is not None:
            progress(done, task.voxels)
    work.clock("putting the outputs together", task.voxels, task.voxels).tell(task.voxels, now=True)


def _assemble(task: Task, work: WorkFolder, blocks: BlockPlan, groups: Sequence[BlockGroup], jobs: int) -> None:
    """Write the outputs from the journal, group by group in their fixed order: the bytes depend on nothing else."""
    for number, writer in enumerate(task.writers(blocks, overwrite=True)):
        with writer:
            _store_all(writer, work, groups, number, jobs)
            # A receipt of an earlier output must not stand beside this one.
            forget_receipt(task.outputs[number])


def _store_all(writer: VolumeWriter, work: WorkFolder, groups: Sequence[BlockGroup], export: int, jobs: int) -> None:
    def store(group: BlockGroup) -> None:
        for piece in work.journal.pieces(group.number, export):
            writer.store(piece)

    for _ in in_order(store, groups, 1 if writer.order_matters else jobs):
        pass


def _warnings(task: Task, facts: Sequence[GroupFacts]) -> Iterator[str]:
    """What a person should know of the result, from what the groups say."""
    mask, volume = task.computation.mask, task.volume
    if mask is not None and not any(of_group.computed for of_group in facts):
        yield f"{mask.path}: the mask keeps no voxel, so everything is 0."
    without_votes = sum(of_group.without_votes for of_group in facts)
    if without_votes:
        yield (
            f"{volume.path}: {without_votes:,} voxels have no votes, because the image is not a number (NaN) or "
            "infinite within reach of the filters there; their probabilities and class are 0."
        )


def _receipt(task: Task, plan: ExportPlan, blocks: BlockPlan) -> dict[str, Any]:
    mask = task.computation.mask
    return {
        "export": plan.kind,
        "dtype": str(plan.dtype),
        "rounding": ROUNDING[str(plan.dtype)] if plan.kind == "probabilities" else None,
        "channels": list(plan.channel_names),
        "voxel_um_zyx": task.voxel_um,
        "input": describe_volume(task.volume),
        "mask": None if mask is None else describe_volume(mask),
        "classifier": describe_classifier(task.computation.classifier),
        "settings": task.settings.as_json() | {"block": blocks.block},
    }
