"""The states of a brain, what each means, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a brain is on its way from the microscope to its cells."""

    seen = "seen"
    arriving = "arriving"
    late = "late"
    settled = "settled"
    checked = "checked"
    queued = "queued"
    running = "running"
    retry = "retry"
    done = "done"
    stale = "stale"
    quarantined = "quarantined"
    skipped = "skipped"
    gone = "gone"


MEANING: dict[State, str] = {
    State.seen: "Its name was seen in a watched folder, with nothing in it yet.",
    State.arriving: "Its files are coming in, or have not been quiet for long enough.",
    State.late: "It is incomplete, and nothing has come for a long time.",
    State.settled: "All of it seems to be there; its files are to be checked.",
    State.checked: "Every plane was opened and nothing is missing; the results are being looked up by content.",
    State.queued: "It waits for its turn, or for room on the disk.",
    State.running: "It is being classified, or its cells are being found.",
    State.retry: "Something that may pass went wrong; it is tried again by itself.",
    State.done: "Its results are there.",
    State.stale: "Its results are there, but of another classifier or other settings than would be used now.",
    State.quarantined: "It can't be processed as it is; its reason file says why and what to do.",
    State.skipped: "Somebody said that it is not to be processed.",
    State.gone: "Its files have vanished before it was done.",
}

_ON_THE_WAY = frozenset(
    {State.seen, State.arriving, State.late, State.settled, State.checked, State.queued, State.retry}
)

FOLLOWS: dict[State, frozenset[State]] = {
    State.seen: frozenset({State.arriving}),
    State.arriving: frozenset({State.settled, State.late}),
    State.late: frozenset({State.arriving, State.settled}),
    State.settled: frozenset({State.arriving, State.checked, State.retry, State.quarantined}),
    State.checked: frozenset({State.arriving, State.queued, State.done, State.quarantined}),
    State.queued: frozenset({State.arriving, State.running, State.done, State.quarantined}),
    State.running: frozenset({State.arriving, State.queued, State.retry, State.done, State.quarantined}),
    State.retry: frozenset({State.arriving, State.settled, State.queued, State.quarantined}),
    State.done: frozenset({State.arriving, State.stale, State.queued}),
    State.stale: frozenset({State.arriving, State.done, State.queued}),
    State.quarantined: frozenset({State.arriving, State.settled, State.queued}),
    State.skipped: frozenset({State.arriving, State.settled, State.queued}),
    State.gone: frozenset({State.seen, State.arriving}),
}
"""What may follow each state; `skipped` may follow all, and `gone` all whose results are not there."""


def may_follow(before: State, after: State) -> bool:
    """Whether a brain may go from one state into another."""
    if after is State.skipped:
        return before is not State.skipped
    if after is State.gone:
        return before in _ON_THE_WAY or before in (State.running, State.quarantined, State.skipped)
    return after in FOLLOWS[before]
