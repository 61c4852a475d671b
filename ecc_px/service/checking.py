"""A settled brain is opened and looked through: into the queue, into quarantine, or done already."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.completeness import CheckReport, check_input, fingerprint
from ecc_px.errors import EccPxError, IncompleteVolume, InvalidSetting, UnknownVoxelSize
from ecc_px.service.config import Route
from ecc_px.service.failures import Failure, Kind, consequence, failure_of
from ecc_px.service.identity import identity_of
from ecc_px.service.job import Job
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.looking import look_at
from ecc_px.service.results import remove_reason, write_reason
from ecc_px.service.states import State
from ecc_px.volumes import Volume
from ecc_px.volumes.streaming import Progress
from ecc_px.volumes.voxel_size import resolve_voxel_size

log = logging.getLogger(__name__)

CHECKING = "checking"
"""The step of the brain that is being checked."""
_NAMED_PLANES = 200
"""Findings that a reason file lists."""


def check_brains(job: Job, ledger: Ledger, progress_of: Callable[[Brain], Progress]) -> None:
    """Check the brains of a job, one after the other; each outcome is in the ledger before the next one is begun."""
    for number, route in job.tasks:
        brain = ledger.brain(number)
        if brain is None or brain.state is not State.settled:
            continue
        ledger.update(number, step=CHECKING, done=0, total=None)
        state, why, also = _outcome(job, ledger, brain, route, progress_of(brain))
        also |= {"step": None, "done": None, "total": None}
        now = ledger.brain(number)
        if now is None or now.state is not State.settled or now.signature != brain.signature:
            # It changed meanwhile, and what was found is about something that does not exist any more.
            ledger.update(number, step=None, done=None, total=None)
            continue
        if state in (State.queued, State.done):
            ledger.change(number, State.checked, also.pop("looked"), only_from=[State.settled])
        log.info(why, extra={"brain": brain.title})
        ledger.change(number, state, why, only_from=[State.settled, State.checked], **also)


def _outcome(
    job: Job, ledger: Ledger, brain: Brain, route: Route, progress: Progress
) -> tuple[State, str, dict[str, Any]]:
    """What becomes of a brain, why, and what else to write down."""
    folder = Path(brain.output)
    try:
        classifier = load_classifier(route.classifier, flavour=route.flavour)  # type: ignore[arg-type]
    except EccPxError as error:
        # Not the brain's fault: nothing is wrong with it, and it waits.
        failure = Failure(Kind.output, f"The classifier of route {route.name} can't be used: {error}")
        return consequence(failure, brain, job.service, ledger.clock)
    report: CheckReport | None = None
    try:
        report = check_input(
            brain.source,
            axes=route.axes,
            level=route.level,
            channel=route.channel,
            allow_missing=route.allow_missing,
            voxel_um=route.voxel_um,
            jobs=job.threads,
            progress=progress,
        )
        _refuse(report, brain, route)
        needs = _refuse_misfit(brain, route, classifier)
        # The check leaves it empty where the share went away at its very end: then this says so.
        content = report.fingerprint or fingerprint(brain.source)
    except Exception as error:
        if not isinstance(error, EccPxError):
            log.exception("it could not be checked", extra={"brain": brain.title})
        look = _look_again(Path(brain.source))
        if isinstance(look, Failure):
            return consequence(look, brain, job.service, ledger.clock)
        state, why, also = consequence(failure_of(error), brain, job.service, ledger.clock)
        if state is State.quarantined:
            listed = report.findings if report is not None else ()
            findings = [finding.sentence for finding in listed[:_NAMED_PLANES]]
            try:
                write_reason(
                    folder, brain.title, brain.source, why, findings if len(findings) > 1 else [], job.facility
                )
            except EccPxError as unwritten:
                return consequence(failure_of(unwritten), brain, job.service, ledger.clock)
        return state, why, also
    try:
        remove_reason(folder)
    except EccPxError:
        log.warning("%s can't be removed", folder, extra={"brain": brain.title})
    identity = identity_of(content, classifier.sha256, route.settings_hash())
    also = {
        "fingerprint": content,
        "classifier": classifier.sha256,
        "settings": route.settings_hash(),
        "identity": identity,
        "needs": needs,
        "attempts": 0,
        "looked": _praise(report),
        "warnings": [finding.sentence for finding in report.warnings],
    }
    earlier = ledger.result(identity)
    if earlier is not None:
        whose = "it" if earlier.brain == brain.id else f"{earlier.route}/{earlier.name}, the same content,"
        why = f"It is not done again: {whose} has been done with this classifier and these settings."
        kept = ("output", "cells", "seconds", "voxels")
        return State.done, why, also | {name: getattr(earlier, name) for name in kept}
    return State.queued, "It waits for its turn.", also


def _refuse(report: CheckReport, brain: Brain, route: Route) -> None:
    report.require_ok()
    planes = route.complete.planes
    if planes is not None and brain.planes and report.planes != planes and not brain.is_released:
        raise IncompleteVolume(
            f"{brain.source}: {report.planes:,} planes are there, and route {route.name} expects {planes:,}. Copy the "
            "rest, or release it to have it taken as it is."
        )


def _refuse_misfit(brain: Brain, route: Route, classifier: Classifier) -> int:
    """Refuse a brain that the classifier can't be applied to; the bytes that its results will need, at most."""
    with route.open(brain.source) as volume:
        classifier.check_fits(volume.shape, volume.channels, str(volume.path))
        if volume.frames > 1:
            raise InvalidSetting(
                f"{volume.path} has {volume.frames} time points, and cells are found in one: split it by time."
            )
        if resolve_voxel_size(volume, route.voxel_um)[0] is None:
            raise UnknownVoxelSize(
                f"{volume.path} does not say how large its voxels are: give route {route.name} a voxel_um."
            )
        return _needs(volume, classifier, route)


def _needs(volume: Volume, classifier: Classifier, route: Route) -> int:
    """Bytes of the probability image before compression, twice: blocks are kept until the image is whole."""
    classes = route.prediction.get("classes")
    channels = len(classes) if classes else len(classifier.classes)
    depth = np.dtype(route.prediction.get("dtype", "float32")).itemsize
    return 2 * prod(volume.shape) * channels * depth


def _look_again(source: Path) -> Failure | None:
    """A share that went away makes every brain look damaged."""
    try:
        if look_at(source) is not None:
            return None
        return Failure(Kind.passing, f"{source} went away while it was checked.")
    except OSError as error:
        return Failure(Kind.passing, f"{source}: it can't be read at the moment ({error.strerror or error}).")


def _praise(report: CheckReport) -> str:
    planes = f"All {report.planes:,} planes are there" if report.planes else "Everything is there"
    return f"{planes} and can be read" + (f"; {len(report.warnings)} warnings." if report.warnings else ".")
