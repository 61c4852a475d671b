"""Looking around: what lies in the watched folders, and what that means for each brain in the ledger.

A look at the disk is the only truth. Events of the file system come too late, twice or not at all on shares, and are
used for nothing but to look sooner.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ecc_px.service.clock import Moment
from ecc_px.service.config import Complete, Facility, Route
from ecc_px.service.discovery import Candidate, candidates
from ecc_px.service.expectation import Expectation, expectation_of
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.looking import Look, look_at
from ecc_px.service.results import results_folder
from ecc_px.service.settling import Arrived, judge
from ecc_px.service.states import State

FULL_LOOK_SECONDS = 3600.0
"""Between two full looks at a brain that is done; until then, its folder's own time tells."""

_COMING = (State.seen, State.arriving, State.late)
_FINISHED = (State.done, State.stale)
_WITH_RESULTS_OR_AWAY = (*_FINISHED, State.gone)


@dataclass
class Round:
    """What a round of looks found.

    Parameters
    ----------
    problems : list of str
        Folders that can't be looked into, names that can't be used.
    looked_at, files : int
        Brains that were looked into, and files in them.
    next_look : float
        Seconds until waiting may be over for some brain, even if no event comes.
    """

    problems: list[str] = field(default_factory=list)
    looked_at: int = 0
    files: int = 0
    next_look: float = float("inf")


class Arrival:
    """Follows the brains of all routes from their first sight until they are settled, and notices later changes.

    Parameters
    ----------
    ledger : Ledger
        Its clock is used.
    facility : Facility
    trusts_times : bool
        Files that say that they have not been changed for a while are believed, instead of being watched for as long:
        for a single round.
    """

    def __init__(self, ledger: Ledger, facility: Facility, *, trusts_times: bool = False) -> None:
        self._ledger = ledger
        self._clock = ledger.clock
        self.facility = facility
        self._trusts_times = trusts_times
        self._finished: dict[int, tuple[tuple[int, int], Moment]] = {}
        self._expectations: dict[int, Expectation] = {}

    def look_around(self) -> Round:
        """Look at all watched folders once, and write down what changed."""
        made = Round()
        known: dict[str, dict[str, Brain]] = defaultdict(dict)
        for brain in self._ledger.brains():
            known[brain.route][brain.source] = brain
        for route in self.facility.routes:
            try:
                found = candidates(route)
                self._refuse_lost_share(route, found, known[route.name].values())
            except OSError as error:
                made.problems.append(
                    f"{route.watch}: route {route.name} can't look into this folder ({error.strerror or error}); "
                    "is the share mounted, and may this user read it?"
                )
                continue
            here = set()
            for candidate in found:
                source = str(candidate.path)
                here.add(source)
                self._follow(route, candidate, known[route.name].get(source), made)
            for source, brain in known[route.name].items():
                if source not in here and brain.state not in _WITH_RESULTS_OR_AWAY:
                    self._ledger.change(brain.id, State.gone, f"{source} is not there any more.", signature=None)
        return made

    def _refuse_lost_share(self, route: Route, found: list[Candidate], known: Iterable[Brain]) -> None:
        """An empty folder on another disk than before is where a share should be mounted, and is not."""
        device, key = route.watch.stat().st_dev, f"device {route.name} {route.watch}"
        before = self._ledger.noted(key)
        if before == device:
            return
        if before is not None and not found and any(b.state not in _WITH_RESULTS_OR_AWAY for b in known):
            raise OSError("it is empty, and not on the disk where it was: its share seems not to be mounted")
        self._ledger.note(key, device)

    def _follow(self, route: Route, candidate: Candidate, brain: Brain | None, made: Round) -> None:
        path = candidate.path
        try:
            str(path).encode()
        except UnicodeEncodeError:
            made.problems.append(f"{os.fsencode(path)!r}: its name is no text in UTF-8; rename it, and it is taken.")
            return
        if brain is not None and (brain.state is State.skipped or self._seems_untouched(brain)):
            return
        try:
            look = look_at(path)
        except OSError as error:
            made.problems.append(
                f"{path}: it can't be looked into ({error.strerror or error}); let this service's user read it."
            )
            return
        if look is None:
            return
        made.looked_at += 1
        made.files += look.files
        if brain is None:
            output = results_folder(self.facility.service.output, route.name, candidate.name)
            brain = self._ledger.see(route.name, candidate.name, str(path), str(output))
        if brain.state in _COMING or brain.state is State.gone:
            self._await(route, brain, look, made)
        elif look.signature != brain.signature:
            self._arrive_again(brain, look, made)
            again = self._ledger.brain(brain.id) if self._trusts_times else None
            if again is not None and again.state in _COMING:
                self._await(route, again, look, made)
        elif brain.state in _FINISHED:
            self._finished[brain.id] = (_own_time(path), self._clock.moment())

    def _await(self, route: Route, brain: Brain, look: Look, made: Round) -> None:
        """A brain on its way: has it changed, is it complete?"""
        now = self._clock.moment()
        unchanged, longest_gap = 0.0, brain.longest_gap
        since = None
        if brain.changed_seconds is not None:
            since = Moment(brain.changed_boot or "", brain.changed_seconds).until(now)
        if look.signature == brain.signature and since is not None:
            unchanged = since
        else:
            if since is not None and brain.signature is not None:
                longest_gap = max(longest_gap, since)
            expected = self._expected(route.complete, brain.id, look)
            self._ledger.update(
                brain.id,
                signature=look.signature,
                changed_boot=now.boot,
                changed_seconds=now.seconds,
                longest_gap=longest_gap,
                files=look.files,
                bytes=look.bytes,
                planes=look.planes,
                expected_planes=expected.all if expected else None,
            )
        if self._trusts_times and look.files:
            unchanged = max(unchanged, self._clock.wall() - look.newest)
        expected = self._expected(route.complete, brain.id, look)
        missing = look.missing
        if self._trusts_times:
            # Nobody waits for the rest: the check tells what is missing.
            expected, missing = None, ()
        arrived = Arrived(
            files=look.files,
            planes=look.planes,
            has_marker=_has_marker(Path(brain.source), look, route.complete.marker),
            unchanged=unchanged,
            pace=look.pace,
            longest_gap=longest_gap,
            expected=expected,
            is_released=brain.is_released,
            missing=missing,
        )
        verdict = judge(arrived, route.complete, self.facility.service.late)
        if verdict.next_look is not None:
            made.next_look = min(made.next_look, max(verdict.next_look, 0.0))
        if brain.state is State.gone:
            self._ledger.change(brain.id, State.seen, f"{brain.source} is there again.")
        if brain.state in (State.seen, State.gone) and verdict.state is not State.arriving:
            # For the history, everything arrives before it settles.
            self._ledger.change(brain.id, State.arriving, "Its files are there.", only_from=_COMING)
        if not look.files and brain.state is State.seen and verdict.state is State.arriving:
            return
        also = {"place": self._ledger.to_the_end(brain.id)} if verdict.state is State.settled else {}
        self._ledger.change(brain.id, verdict.state, verdict.why, only_from=_COMING, **also)

    def _arrive_again(self, brain: Brain, look: Look, made: Round) -> None:
        """Something changed in a brain that was thought to be complete."""
        now = self._clock.moment()
        self._expectations.pop(brain.id, None)
        self._finished.pop(brain.id, None)
        why = {
            State.running: "Its files changed while it was worked on, which was stopped.",
            State.quarantined: "Its files changed since it was put into quarantine; it is looked at again.",
            State.done: "Its files changed since it was done.",
            State.stale: "Its files changed since it was done.",
        }.get(brain.state, "Its files changed again.")
        self._ledger.change(
            brain.id,
            State.arriving,
            why,
            only_from=[brain.state],
            signature=look.signature,
            changed_boot=now.boot,
            changed_seconds=now.seconds,
            longest_gap=0.0,
            files=look.files,
            bytes=look.bytes,
            planes=look.planes,
            is_released=False,
            attempts=0,
            fingerprint=None,
        )
        made.next_look = 0.0

    def _expected(self, complete: Complete, brain: int, look: Look) -> Expectation | None:
        if complete.planes is not None:
            return Expectation(complete.planes, complete.planes)
        if brain not in self._expectations and look.first_plane is not None:
            said = expectation_of(look.first_plane)
            if said is not None:
                self._expectations[brain] = said
        return self._expectations.get(brain)

    def _seems_untouched(self, brain: Brain) -> bool:
        """Of a brain that is done: whether a full look can wait."""
        before = self._finished.get(brain.id)
        if brain.state not in _FINISHED or before is None:
            return False
        own_time, looked = before
        age = looked.until(self._clock.moment())
        return age is not None and age < FULL_LOOK_SECONDS and _own_time(Path(brain.source)) == own_time


def _own_time(path: Path) -> tuple[int, int]:
    """Of a folder, this changes with its list of files."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _has_marker(path: Path, look: Look, marker: str | None) -> bool:
    if marker is None:
        return False
    return marker in look.names or path.with_name(f"{path.name}.{marker}").exists()
