"""Apply a classifier to a volume, block group by block group, on threads; a run that was stopped goes on."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.completeness import CheckReport
from ecc_px.errors import InvalidSetting, UnreadableReceipt
from ecc_px.pipeline.block_groups import BlockGroup, KeptComputation
from ecc_px.pipeline.block_plan import BlockPlan, plan_blocks
from ecc_px.pipeline.exports import ROUNDING, Export, ExportPlan
from ecc_px.pipeline.forecast import Forecast, forecast_of
from ecc_px.pipeline.journal import GroupFacts
from ecc_px.pipeline.memory import peak_memory, slab_bytes
from ecc_px.pipeline.receipt import (
    bytes_of,
    describe_classifier,
    describe_volume,
    forget_receipt,
    now,
    read_receipt,
    write_receipt,
)
from ecc_px.pipeline.settings import PredictionSettings
from ecc_px.pipeline.task import Task, check_task
from ecc_px.pipeline.tissue import Tissue, find_tissue
from ecc_px.pipeline.work_folder import WorkFolder
from ecc_px.volumes import Volume, VolumeWriter, open_volume
from ecc_px.volumes.partial import PartialOutput, write_errors_named
from ecc_px.volumes.slabs import Slabs
from ecc_px.volumes.streaming import Progress, in_order, usable_processors


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
    announce: Callable[[Forecast], None] | None = None,
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
    announce : function of a Forecast, optional
        Called once, before the work begins.
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
        return _carry_out(check_task(classifier, volume, mask, Path(out_dir), wanted), progress, check, announce)


def finished_prediction(
    classifier: Classifier, volume: Volume, out_dir: Path, *, mask: Volume | str | Path | None = None, **settings: Any
) -> Prediction | None:
    """What `predict` with the same arguments has made already, if it is all there and its receipts say that it is."""
    with ExitStack() as stack:
        if mask is not None and not isinstance(mask, Volume):
            mask = stack.enter_context(open_volume(mask))
        task = check_task(classifier, volume, mask, out_dir, PredictionSettings(**settings))
        wanted = json.loads(json.dumps(task.identity))
        receipts = []
        for output in task.outputs:
            try:
                receipt = read_receipt(output)
            except UnreadableReceipt:
                return None
            if receipt.get("identity") != wanted or receipt.get("bytes") != bytes_of(output):
                return None
            receipts.append(receipt)
    outputs = {plan.kind: output for plan, output in zip(task.plans, task.outputs, strict=True)}
    return Prediction(outputs, tuple(receipts[0]["warnings"]), task.voxels, 0.0, task.voxels)


def _carry_out(
    task: Task,
    progress: Progress | None,
    check: Callable[[], CheckReport] | None,
    announce: Callable[[Forecast], None] | None,
) -> Prediction:
    started, settings = now(), task.settings
    first = task.outputs[0]
    with write_errors_named(first.parent):
        first.parent.mkdir(parents=True, exist_ok=True)
    with write_errors_named(first), WorkFolder(first, restart=settings.restart) as work:
        for output in task.outputs:
            PartialOutput(output, overwrite=settings.overwrite or work.is_marked()).refuse_existing()
        earlier = None if work.choices is None else BlockPlan.from_json(work.choices)
        threads = settings.jobs or usable_processors()
        blocks, jobs = plan_blocks(
            task.computation,
            threads,
            settings.memory,
            block=settings.block,
            run_length=settings.run_length,
            fixed=earlier,
        )
        work.settle(task.identity, blocks.as_json())
        groups = task.groups(blocks)
        checked = _checked(work, check)
        if settings.tissue is not None:
            task = task.within(_tissue(task, work, jobs))
        missing = [group for group in groups if group.number not in work.journal]
        found = task.voxels - sum(group.voxels for group in missing)
        forecast = forecast_of(task, blocks, jobs, missing, work.journal.size)
        forecast.require_disk(first.parent)
        if announce is not None:
            announce(forecast)
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
        computing = time.monotonic()
        _compute(task, work, blocks, missing, jobs, progress)
        computed = time.monotonic()
        facts = [work.journal.facts[group.number] for group in groups]
        odd = tuple(str(warning["sentence"]) for warning in (checked or {}).get("warnings", ()))
        warnings = odd + task.warnings + tuple(_warnings(task, facts))
        kept = work.journal.size
        work.mark()
        _assemble(task, work, blocks, groups, jobs)
        actual = {
            "memory_bytes": peak_memory(),
            "disk_bytes": kept + sum(bytes_of(output) or 0 for output in task.outputs),
            "seconds": round(computed - computing, 3),
            "seconds_of_assembly": round(time.monotonic() - computed, 3),
        }
        for number, (plan, output) in enumerate(zip(task.plans, task.outputs, strict=True)):
            receipt = _receipt(task, plan) | {
                "bytes": bytes_of(output),
                "groups": blocks.as_json() | {"sha256": [of_group.sha256[number] for of_group in facts]},
                "attempts": [{name: fact for name, fact in a.items() if name != "check"} for a in attempts],
                "check": checked,
                "forecast": asdict(forecast),
                "actual": actual,
                "identity": task.identity,
                "warnings": list(warnings),
            }
            write_receipt(output, receipt, started)
        work.finish()
    outputs = {plan.kind: output for plan, output in zip(task.plans, task.outputs, strict=True)}
    return Prediction(outputs, warnings, task.voxels, (now() - started).total_seconds(), found)


def _checked(work: WorkFolder, check: Callable[[], CheckReport] | None) -> dict[str, Any] | None:
    """What the check of the input says, as JSON: this one, or that of the attempt which began."""
    earlier = [attempt["check"] for attempt in work.attempts() if attempt.get("check")]
    if earlier or check is None:
        # Between attempts the input has not changed: the work folder would have refused it.
        return dict(earlier[-1]) if earlier else None
    report = check()
    report.require_ok()
    return report.as_json()


def _tissue(task: Task, work: WorkFolder, jobs: int) -> Tissue:
    """Where the brain lies, as this attempt or an earlier one found."""

    def look() -> dict[str, Any]:
        clock = work.clock("looking for the tissue", 0, task.voxels)
        return find_tissue(task.volume, jobs, lambda done, total: clock.tell(done)).as_json()

    return Tissue.from_json(work.decided("tissue", look))


def _compute(
    task: Task,
    work: WorkFolder,
    blocks: BlockPlan,
    missing: Sequence[BlockGroup],
    jobs: int,
    progress: Progress | None,
) -> None:
    """Bring the missing block groups into the journal."""
    found = done = task.voxels - sum(group.voxels for group in missing)
    slabs = Slabs(task.volume, slab_bytes(task.computation, blocks.block, blocks.run_length, jobs))
    compute = KeptComputation(task.computation, tuple(task.writers(blocks, overwrite=True)), work.journal, slabs)
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
    mask, volume, tissue = task.computation.mask, task.volume, task.computation.tissue
    if mask is not None and not any(of_group.computed for of_group in facts):
        kept = "the mask keeps no voxel" if tissue is None else "the mask keeps no voxel in the tissue"
        yield f"{mask.path}: {kept}, so everything is 0."
    if tissue is not None and tissue.voxels:
        yield (
            f"{volume.path}: {tissue.voxels:,} voxels ({tissue.voxels / task.voxels:.1%}) were left out as certainly "
            "empty; they are 0."
        )
    elif tissue is not None:
        yield f"{volume.path}: no part is certainly empty, so everything was computed."
    dark = sum(of_group.dark for of_group in facts)
    if dark:
        yield (
            f"{volume.path}: {dark:,} voxels ({dark / task.voxels:.1%}) were left out, because everything within reach "
            f"of their features is below {task.settings.skip_below:g}; they are 0."
        )
    without_votes = sum(of_group.without_votes for of_group in facts)
    if without_votes:
        yield (
            f"{volume.path}: {without_votes:,} voxels have no votes, because the image is not a number (NaN) or "
            "infinite within reach of the filters there; their probabilities and class are 0."
        )


def _receipt(task: Task, plan: ExportPlan) -> dict[str, Any]:
    mask, volume, tissue = task.computation.mask, task.volume, task.computation.tissue
    return {
        "export": plan.kind,
        "dtype": str(plan.dtype),
        "rounding": ROUNDING[str(plan.dtype)] if plan.kind == "probabilities" else None,
        "channels": list(plan.channel_names),
        "voxel_um_zyx": task.voxel_um,
        "input": describe_volume(volume) | {"fingerprint": task.identity["the input"]["fingerprint"]},
        "mask": None
        if mask is None
        else describe_volume(mask) | {"fingerprint": task.identity["the mask"]["fingerprint"]},
        "tissue": None if tissue is None else tissue.as_json(),
        "classifier": describe_classifier(task.computation.classifier),
        "settings": task.settings.as_json(),
    }
