"""The service: looks around, has brains checked and processed, and sees to it that every one of them gets there.

It keeps nothing in mind that matters: what is started after a crash reads the ledger and goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ecc_px.pipeline.memory import usual_memory
from ecc_px.service import children
from ecc_px.service.arrival import Arrival, Round
from ecc_px.service.checking import CHECKING
from ecc_px.service.children import Child
from ecc_px.service.clock import Moment
from ecc_px.service.config import Facility, Route
from ecc_px.service.failures import Failure, Kind, consequence, failure_of_exit
from ecc_px.service.identity import ClassifierHashes
from ecc_px.service.job import Job
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.processes import end_for_sure
from ecc_px.service.quantities import duration
from ecc_px.service.room import free_bytes, lack_of_room, taken_by
from ecc_px.service.states import State
from ecc_px.volumes.streaming import usable_processors

log = logging.getLogger(__name__)

SHIFT = "shift"
"""Key of the note in which the service says how it is."""
SHIFT_SECONDS = 15.0
"""Between two notes of a service with nothing to tell."""
STEP_SECONDS = 5.0
"""Between two steps of a service with nothing to do: so long it takes until it hears of what a person decided."""
STOP_SECONDS = 60.0
"""After which a process that was asked to stop is killed."""
SILENT_SECONDS = 300.0
"""After which a process that does not beat is killed."""
SHARE_OF_TIME = 0.01
"""Of a processor's time, at most, that is spent on looking around."""
WOKEN_SECONDS = 2.0
"""Between two looks, however much happens."""
CHECKED_AT_ONCE = 20
"""Brains that one process checks before the next one is started."""


class Watch:
    """The loop of the service, one step at a time.

    Parameters
    ----------
    ledger : Ledger
    facility : Facility
    trusts_times : bool
        See `Arrival`.
    """

    def __init__(self, ledger: Ledger, facility: Facility, *, trusts_times: bool = False) -> None:
        self.ledger = ledger
        self.facility = facility
        self._clock = ledger.clock
        self._arrival = Arrival(ledger, facility, trusts_times=trusts_times)
        self._hashes = ClassifierHashes()
        self._children: list[Child] = []
        self._checker: Child | None = None
        self._begun = self._clock.wall()
        self._looked: Moment | None = None
        self._looked_at: float | None = None
        self._usual_pause = facility.service.scan
        self._look_seconds = 0.0
        self._round = Round()
        self._next_look = 0.0
        self._noted: tuple[Moment, dict[str, object]] | None = None
        self._paused: str | None = None
        self._problems: tuple[str, ...] = ()
        self._stopping: Moment | None = None

    @property
    def is_busy(self) -> bool:
        """Whether any process is at work."""
        return bool(self._children) or self._checker is not None

    @property
    def is_paused(self) -> bool:
        """Whether brains wait for room on the disk."""
        return self._paused is not None

    def begin(self) -> None:
        """Take over what an earlier service left, after making sure that nobody works on it any more."""
        self._take_over()
        for brain in self.ledger.brains(State.settled):
            self.ledger.update(brain.id, step=None, done=None, total=None)

    def step(self, *, woken: bool = False) -> float:
        """Do everything that is due, and say in how many seconds something is next."""
        self._reap()
        self._take_over()
        self._watch_over_children()
        if self._stopping is None:
            if self._is_time_to_look(woken):
                self._look()
                self._mark_stale()
            self._wake_retries()
            self._have_checked()
            self._have_processed()
        self._note_shift()
        if self.is_busy:
            return 1.0
        return max(min(self._until_look(), STEP_SECONDS), 0.05)

    def reload(self, facility: Facility) -> None:
        """Go on with another configuration; what is being worked on is finished with the one before."""
        if facility.service.state != self.facility.service.state:
            log.warning("another place for the ledger holds from the next start on")
            facility = replace(facility, service=replace(facility.service, state=self.facility.service.state))
        self.facility = self._arrival.facility = facility
        self._looked = None
        log.info("the configuration was read again: %s", facility.path)

    def stop(self) -> None:
        """Begin nothing any more, and ask what is running to finish its block."""
        if self._stopping is None:
            self._stopping = self._clock.moment()
            for child in self._everybody():
                child.stop()

    def finish(self, sleep: Callable[[float], object] = time.sleep) -> None:
        """Wait until everything has stopped; what does not is killed, and loses nothing but its last block."""
        self.stop()
        while self.is_busy:
            self._reap()
            self._watch_over_children()
            sleep(0.1)
        self._note_shift(ended=True)

    def _everybody(self) -> list[Child]:
        return self._children + ([self._checker] if self._checker is not None else [])

    def _is_time_to_look(self, woken: bool) -> bool:
        if self._looked is None:
            return True
        since = self._looked.until(self._clock.moment())
        return since is None or since >= self._next_look or (woken and since >= self._least_pause())

    def _until_look(self) -> float:
        since = None if self._looked is None else self._looked.until(self._clock.moment())
        return 0.0 if since is None else self._next_look - since

    def _least_pause(self) -> float:
        return max(WOKEN_SECONDS, self._look_seconds / SHARE_OF_TIME / 4)

    def _look(self) -> None:
        begun = time.perf_counter()
        self._round = self._arrival.look_around()
        self._look_seconds = time.perf_counter() - begun
        self._looked, self._looked_at = self._clock.moment(), self._clock.wall()
        self._usual_pause = max(self.facility.service.scan, self._look_seconds / SHARE_OF_TIME)
        self._next_look = max(min(self._usual_pause, self._round.next_look), self._least_pause())
        self._tell_problems(self._round.problems)

    def _tell_problems(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._problems:
                log.warning(problem)
        for problem in self._problems:
            if problem not in problems:
                log.info("no longer: %s", problem)
        self._problems = tuple(problems)

    def _mark_stale(self) -> None:
        """Results of another classifier or other settings than would be used now are stale; also the other way."""
        for brain in self.ledger.brains(State.done, State.stale):
            route = self.facility.route(brain.route)
            if route is None:
                continue
            try:
                classifier = self._hashes.of(route.classifier)
            except OSError:
                continue
            why = staleness(brain, classifier, route)
            if why and brain.state is State.done:
                self.ledger.change(brain.id, State.stale, why, only_from=[State.done])
            elif not why and brain.state is State.stale:
                self.ledger.change(
                    brain.id,
                    State.done,
                    "Classifier and settings are those of its results again.",
                    only_from=[State.stale],
                )

    def _wake_retries(self) -> None:
        for brain in self.ledger.brains(State.retry):
            left = None
            if brain.retry_seconds is not None:
                due = Moment(brain.retry_boot or "", brain.retry_seconds)
                left = self._clock.moment().until(due)
            # After a new start of the machine, everything is tried at once.
            if left is None or left <= 0:
                after = State.queued if brain.fingerprint else State.settled
                self.ledger.change(brain.id, after, "It is tried again.", only_from=[State.retry])

    def _have_checked(self) -> None:
        if self._checker is not None:
            return
        tasks = []
        for brain in self.ledger.brains(State.settled)[:CHECKED_AT_ONCE]:
            route = self.facility.route(brain.route)
            if route is not None:
                tasks.append((brain.id, route))
        if tasks:
            self._checker = children.start(self._job("check", tuple(tasks)))

    def _have_processed(self) -> None:
        self._paused = None
        running = self.ledger.brains(State.running)
        for brain in self.ledger.brains(State.queued):
            if len(self._children) >= self.facility.service.jobs:
                return
            route = self.facility.route(brain.route)
            if route is None or any(other.identity == brain.identity for other in running):
                continue
            needs = max((brain.needs or 0) - taken_by(Path(brain.output)), 0)
            self._paused = lack_of_room(self.facility.service.output, needs, self.facility.service.keep_free)
            if self._paused is not None:
                # Whoever comes after must not take the room that this one waits for.
                self.ledger.change(brain.id, State.queued, "It waits for room on the disk.", only_from=[State.queued])
                return
            lease = self.ledger.lease(brain.id, "It is its turn.")
            if lease is None:
                continue
            child = children.start(self._job("run", ((brain.id, route),), lease.token, brain.memory))
            self._children.append(child)
            running = self.ledger.brains(State.running)

    def _job(
        self, kind: str, tasks: tuple[tuple[int, Route], ...], token: str | None = None, memory: int | None = None
    ) -> Job:
        service = self.facility.service
        assert self.ledger.path is not None
        return Job(
            kind=kind,  # type: ignore[arg-type]
            facility=self.facility.path,
            ledger=self.ledger.path,
            parent=os.getpid(),
            service=service,
            tasks=tasks,
            token=token,
            threads=service.threads or max(usable_processors() // service.jobs, 1),
            # Each would take most of what is free when it begins.
            memory=memory or service.memory or (usual_memory(service.jobs) if service.jobs > 1 else None),
        )

    def _take_over(self) -> None:
        """Queue again what is leased to a process that is not ours: an earlier service's, or one that never began."""
        ours = {child.job.token for child in self._children}
        for lease in self.ledger.leases():
            if lease.token in ours:
                continue
            if lease.process is not None and lease.process_start is not None:
                end_for_sure(lease.process, lease.process_start)
            why = "The service was interrupted; it goes on from there."
            self.ledger.change(lease.brain, State.queued, why, only_from=[State.running])

    def _watch_over_children(self) -> None:
        """Stop what must not go on, and kill what does not answer."""
        now = self._clock.moment()
        leases = {lease.token: lease for lease in self.ledger.leases()}
        for child in list(self._children):
            lease = leases.get(child.job.token or "")
            silent = None if lease is None else lease.beat.until(now)
            if lease is None:
                # The brain was skipped, has changed or is gone.
                child.stop()
            elif silent is not None and silent > SILENT_SECONDS:
                why = f"The process that worked on it said nothing for {duration(silent)}, and was ended."
                child.killed_for = Failure(Kind.passing, why)
                child.kill()
        if self._children and free_bytes(self.facility.service.output) < self.facility.service.keep_free // 2:
            for child in self._children:
                child.stop()
        if self._stopping is not None:
            waited = self._stopping.until(now)
            if waited is None or waited > STOP_SECONDS:
                for child in self._everybody():
                    child.is_asked_to_stop = True
                    child.kill()

    def _reap(self) -> None:
        for child in list(self._children):
            code = child.ended()
            if code is None:
                continue
            # Where the ledger can't be written, this is tried again at the next step.
            self._bury(child, code)
            self._children.remove(child)
        if self._checker is not None and (code := self._checker.ended()) is not None:
            if code != 0 and not self._checker.is_asked_to_stop:
                for brain in self.ledger.brains(State.settled):
                    if brain.step == CHECKING:
                        failure = failure_of_exit(code)
                        state, why, also = consequence(failure, brain, self.facility.service, self._clock)
                        self.ledger.change(brain.id, state, f"While it was checked: {why}", step=None, **also)
            self._checker = None

    def _bury(self, child: Child, code: int) -> None:
        """A process that ended without giving its lease back has told nobody what became of its brain."""
        if not any(lease.token == child.job.token for lease in self.ledger.leases()):
            return
        brain = self.ledger.brain(child.brain)
        assert brain is not None
        if child.is_asked_to_stop:
            self.ledger.end(child.job.token or "", State.queued, "It was stopped, and goes on from its last block.")
            return
        failure = child.killed_for or failure_of_exit(code)
        state, why, also = consequence(failure, brain, self.facility.service, self._clock)
        self.ledger.end(child.job.token or "", state, why, **also)

    def _note_shift(self, *, ended: bool = False) -> None:
        """Say how the service is, for whoever asks: the page, the command line."""
        facts: dict[str, object] = {
            "process": None if ended else os.getpid(),
            "facility": str(self.facility.path),
            "begun": self._begun,
            "looked_into": self._round.looked_at,
            "files": self._round.files,
            "paused": self._paused,
            "problems": list(self._problems),
            "stopping": self._stopping is not None,
            "last_look": self._looked_at,
            "scan": self._usual_pause,
        }
        now = self._clock.moment()
        if self._noted is not None and self._noted[1] == facts:
            age = self._noted[0].until(now)
            if age is not None and age < SHIFT_SECONDS:
                return
        self._noted = (now, facts)
        beat = {"boot": now.boot, "beat": now.seconds, "at": self._clock.wall(), "look_seconds": self._look_seconds}
        self.ledger.note(SHIFT, facts | beat)


def staleness(brain: Brain, classifier: str, route: Route) -> str:
    """Why a brain's results are not those that would be made now; empty if they are."""
    changed = []
    if brain.classifier != classifier:
        changed.append(f"the classifier {route.classifier.name} is another one")
    if brain.settings != route.settings_hash():
        changed.append(f"the settings of route {route.name} are others")
    if not changed:
        return ""
    cost = f"; doing it again would take about {duration(brain.seconds)}" if brain.seconds else ""
    return f"Since it was done, {' and '.join(changed)}{cost}."
