"""The order of the status page: what needs a person first, what is finished last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from ecc_px.service.page.views import BrainView, ServiceView
from ecc_px.service.page.wording import clock


@dataclass(frozen=True)
class Group:
    """Brains that are shown together.

    Parameters
    ----------
    key, title : str
    states : tuple of str
    newest_first : bool
        Else those that came first are first: they are the next to be done.
    """

    key: str
    title: str
    states: tuple[str, ...]
    newest_first: bool = True


GROUPS = (
    Group("attention", "Needs you", ("quarantined", "late")),
    Group("running", "Running", ("running",), newest_first=False),
    Group("waiting", "Waiting", ("checked", "queued", "retry"), newest_first=False),
    Group("arriving", "Arriving", ("seen", "arriving", "settled"), newest_first=False),
    Group("done", "Done", ("done",)),
    Group("outdated", "Outdated", ("stale",)),
    Group("skipped", "Skipped or gone", ("skipped", "gone")),
)
OTHER = Group("other", "Others", ())

_GROUP_OF = {state: group for group in GROUPS for state in group.states}


def grouped(brains: Iterable[BrainView]) -> list[tuple[Group, list[BrainView]]]:
    """The groups that are not empty, each with its brains in the order they are shown."""
    members: dict[Group, list[BrainView]] = {group: [] for group in (*GROUPS, OTHER)}
    for brain in brains:
        members[_GROUP_OF.get(brain.state, OTHER)].append(brain)
    for group, its in members.items():
        its.sort(key=lambda brain: (brain.since, brain.id), reverse=group.newest_first)
    return [(group, its) for group, its in members.items() if its]


def all_done_in(view: ServiceView) -> float | None:
    """Seconds until what runs and waits will be done, one brain after the other; None if nobody can tell."""
    seconds = 0.0
    active = [b for b in view.brains if b.state in ("running", "checked", "queued", "retry")]
    for brain in active:
        left = brain.work.seconds_left if brain.work and brain.state == "running" else brain.forecast_s
        if left is None:
            return None
        seconds += left
    return seconds if active else None


def headline(view: ServiceView, problems: tuple[str, ...]) -> str:
    """The state of things in one line."""
    count = {group.key: len(brains) for group, brains in grouped(view.brains)}
    if problems:
        return "The service is stuck"
    parts = []
    if n := count.get("attention", 0):
        parts.append(f"{n} {'brain needs' if n == 1 else 'brains need'} you")
    parts += [f"{n} {word}" for key, word in _WORDS if (n := count.get(key, 0))]
    return ", ".join(parts) if parts else "Nothing to do"


_WORDS = (("running", "running"), ("waiting", "waiting"), ("arriving", "arriving"))


def finish_time(view: ServiceView) -> str:
    """When everything will be done, as a sentence; empty if nobody can tell."""
    seconds = all_done_in(view)
    if seconds is None or view.paused:
        return ""
    return f"All done at about {clock(view.now + timedelta(seconds=seconds), view.now)}"
