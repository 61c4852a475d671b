"""One brain from the queue to its results, in a process of its own; whatever ends it, the next try goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.completeness import fingerprint
from ecc_px.errors import EccPxError, LedgerFailed, UnfinishedWork
from ecc_px.pipeline import run as pipeline
from ecc_px.pipeline.forecast import Forecast
from ecc_px.report.brain import write_report
from ecc_px.service import results
from ecc_px.service.config import Route
from ecc_px.service.failures import consequence, failure_of
from ecc_px.service.identity import identity_of
from ecc_px.service.job import Job, StopWanted
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.patience import patiently
from ecc_px.service.quantities import duration, size
from ecc_px.service.room import taken_by
from ecc_px.service.states import State
from ecc_px.volumes.streaming import Progress, usable_processors

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What a brain's results say of it."""

    voxels: int
    cells: int
    warnings: tuple[str, ...]


def process_brain(job: Job, ledger: Ledger, progress: Progress) -> None:
    """Do what the job says, and give its lease back with what became of the brain.

    Parameters
    ----------
    progress : function of (voxels done, voxels in all)
        May raise `StopWanted`.
    """
    ((number, route),) = job.tasks
    brain, token = ledger.brain(number), job.token or ""
    if brain is None:
        return
    started = time.monotonic()
    try:
        state, why, also = _attempt(job, ledger, brain, route, progress)
    except StopWanted:
        state, why, also = State.queued, "It was stopped in order, and goes on from there.", {}
    except Exception as error:
        if isinstance(error, EccPxError):
            log.error(str(error), extra={"brain": brain.title})
        else:
            log.exception("it failed", extra={"brain": brain.title})
        state, why, also = consequence(failure_of(error), brain, job.service, ledger.clock)
        if state is State.quarantined:
            _write_reason(job, brain, why)
    also.setdefault("seconds", brain.seconds + time.monotonic() - started)
    log.info("%s: %s", state, why, extra={"brain": brain.title})
    patiently(lambda: ledger.end(token, state, why, **also))


def _attempt(
    job: Job, ledger: Ledger, brain: Brain, route: Route, progress: Progress
) -> tuple[State, str, dict[str, Any]]:
    begun = time.monotonic()
    classifier = load_classifier(route.classifier, flavour=route.flavour)  # type: ignore[arg-type]
    seen = fingerprint(brain.source)
    if seen != brain.fingerprint:
        return State.arriving, "Its content is not what was checked; it is looked at again.", {"fingerprint": None}
    identity = identity_of(seen, classifier.sha256, route.settings_hash())
    facts: dict[str, Any] = {
        "identity": identity,
        "classifier": classifier.sha256,
        "settings": route.settings_hash(),
        "attempts": 0,
        "memory": None,
    }
    earlier = ledger.result(identity)
    if earlier is not None:
        also = {name: getattr(earlier, name) for name in ("output", "cells", "seconds", "voxels")}
        return State.done, f"It is not done again: {earlier.route}/{earlier.name} is the same.", facts | also
    folder = Path(brain.output)
    aside = results.make_way(folder, identity)
    if aside is not None:
        log.info("earlier results are now in %s", aside, extra={"brain": brain.title})
    card = results.card_of(folder)
    if not card:
        card = _card(brain, route, identity, classifier)
        results.write_card(folder, card)
    if not card.get("finished"):
        log.info("begun: %s with %s", brain.source, route.classifier, extra={"brain": brain.title})

        def finish(made: Made) -> None:
            # Written before anything that an unfinished try needs is removed: from here on, the results are there, even
            # if nobody can tell the ledger any more.
            seconds = brain.seconds + time.monotonic() - begun
            card.update({"finished": time.time(), "seconds": seconds, **asdict(made)})
            results.write_card(folder, card)

        _make(job, ledger, brain, route, classifier, progress, finish)
    results.remove_leftovers(folder)
    results.remove_reason(folder)
    facts |= {key: card[key] for key in ("voxels", "cells", "warnings", "seconds")}
    return State.done, f"{card['cells']:,} cells were found.", facts


def _make(
    job: Job,
    ledger: Ledger,
    brain: Brain,
    route: Route,
    classifier: Classifier,
    progress: Progress,
    finish: Callable[[Made], None],
) -> None:
    """Probabilities, cells, and what people look at; an earlier try is gone on with."""
    folder = Path(brain.output)

    def announce(forecast: Forecast) -> None:
        if forecast.seconds is not None:
            log.info(
                "forecast: %s of work, %s of memory, %s of disk",
                duration(forecast.seconds),
                size(forecast.memory_bytes),
                size(forecast.disk_bytes),
                extra={"brain": brain.title},
            )
            # Better than what was thought before anything had been computed, for the case that it has to wait for room.
            with suppress(LedgerFailed):
                ledger.update(brain.id, needs=forecast.disk_bytes + taken_by(folder))

    with route.open(brain.source) as volume:

        def complete(made: pipeline.Brain, overwrite: bool) -> None:
            warnings = (*made.prediction.warnings, *made.cells.cells.warnings)
            try:
                class_ = route.cell_settings.get("class_")
                probabilities = made.prediction.probabilities
                write_report(volume, probabilities, made.cells, class_=class_, thumbnail=True, overwrite=True)
            except (EccPxError, OSError, MemoryError):
                raise
            except Exception:
                # The cells are there; a bug of ours in a picture of them is no reason to keep them back.
                log.exception("its picture or its page could not be made", extra={"brain": brain.title})
                warnings = (*warnings, "Its picture or its page could not be made; its log says why.")
            finish(Made(prod(volume.shape) * volume.frames, len(made.cells.cells), warnings))

        def go_on(*, restart: bool) -> None:
            pipeline.run(
                classifier,
                volume,
                folder,
                voxel_um=route.voxel_um,
                jobs=job.threads or usable_processors(),
                # The folder holds nothing but what was made of this very content, classifier and settings.
                overwrite=True,
                prediction=route.prediction_settings | {"memory": job.memory, "restart": restart},
                cells=route.cell_settings,
                progress=progress,
                announce=announce,
                finish=complete,
            )

        try:
            go_on(restart=False)
        except UnfinishedWork as error:
            # The same brain and settings, but ecc-px is another version by now, or the files were copied anew. Where
            # another process is at work, it is said again.
            log.info("begun anew: %s", error, extra={"brain": brain.title})
            go_on(restart=True)


def _card(brain: Brain, route: Route, identity: str, classifier: Classifier) -> dict[str, Any]:
    return {
        "brain": brain.title,
        "source": brain.source,
        "identity": identity,
        "fingerprint": brain.fingerprint,
        "classifier": {"path": str(classifier.path), "sha256": classifier.sha256},
        "settings": {
            "voxel_um_zyx": route.voxel_um,
            "axes": route.axes,
            "level": route.level,
            "channel": route.channel,
            "allow_missing": route.allow_missing,
            "flavour": route.flavour,
            "cells": dict(route.cells),
            "prediction": dict(route.prediction),
        },
        "begun": time.time(),
        "finished": None,
    }


def _write_reason(job: Job, brain: Brain, why: str) -> None:
    try:
        results.write_reason(Path(brain.output), brain.title, brain.source, why, [], job.facility)
    except EccPxError as error:
        log.error(str(error), extra={"brain": brain.title})
