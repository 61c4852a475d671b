"""Messages to people: what happened since the last one, in one; what is urgent at once.

What was told to whom is kept in the ledger, so that nothing gets lost between two lives of the service, and nothing is
told twice. A message that can't be sent is tried again, and stops nothing.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ecc_px.errors import EccPxError
from ecc_px.service.config import Notify
from ecc_px.service.ledger import Event, Ledger
from ecc_px.service.states import State

if TYPE_CHECKING:
    import apprise

log = logging.getLogger(__name__)

TOLD = "told"
"""Key of the note of what was told to whom."""
SHIFT = "shift"
"""Key of the note in which the service says how it is."""

GATHER = 5.0
"""Seconds for which even urgent news wait for others that belong to them."""
BETWEEN_URGENT = 60.0
"""Seconds between two messages, however urgent: forty bad brains are a few messages."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds until a message is tried again; twice as long each time."""
LISTED = 40
"""News that are spelled out in one message."""
STEP = 2.0
"""Seconds between two looks at the ledger."""
FAREWELL = 8.0
"""Seconds that the last messages have when the service ends."""


class Kind(StrEnum):
    """What people are told of; the words of `[notify] on`."""

    failed = "failed"
    disk = "disk"
    trouble = "trouble"
    late = "late"
    done = "done"


URGENT = frozenset({Kind.failed, Kind.disk})
_KIND_OF = {State.quarantined: Kind.failed, State.late: Kind.late, State.done: Kind.done}
_HEADINGS = {
    Kind.failed: "Needs you",
    Kind.disk: "Disk",
    Kind.trouble: "Trouble",
    Kind.late: "Late",
    Kind.done: "Done",
}
_IN_TITLE = {Kind.failed: "set aside", Kind.late: "late", Kind.done: "done"}


@dataclass(frozen=True)
class News:
    """One thing that happened; `at` is in seconds since 1970."""

    kind: Kind
    at: float
    sentence: str
    urgent: bool


@dataclass(frozen=True)
class Message:
    """What is sent, in plain text."""

    title: str
    body: str
    urgent: bool


def news_of(events: Iterable[Event]) -> list[News]:
    """What of the ledger's events people are told."""
    return [
        News(kind, event.at, f"{event.route}/{event.name}: {event.why}", kind in URGENT)
        for event in events
        # Results that are valid again after having been stale are no news.
        if (kind := _KIND_OF.get(event.after)) and event.before not in (event.after, State.stale)
    ]


def message_of(news: Sequence[News], host: str) -> Message:
    """All news in one message, the worst first.

    Parameters
    ----------
    news : sequence of News
        At least one.
    host : str
        Which machine it is about.
    """
    counts = Counter(item.kind for item in news)
    parts = [f"{counts[kind]} {_IN_TITLE[kind]}" for kind in _IN_TITLE if counts[kind]]
    parts = [kind.value for kind in (Kind.disk, Kind.trouble) if counts[kind]] + parts
    lines: list[str] = []
    left = LISTED
    for kind in Kind:
        of_kind = [item for item in news if item.kind is kind]
        if not of_kind:
            continue
        lines += ["", f"{_HEADINGS[kind]}:"]
        lines += [f"- {time.strftime('%H:%M', time.localtime(item.at))} {item.sentence}" for item in of_kind[:left]]
        if len(of_kind) > left:
            lines.append(f"- and {len(of_kind) - left:,} more; see the status page, or ecc-px service log")
        left = max(0, left - len(of_kind))
    return Message(f"ecc_px on {host}: {', '.join(parts)}", "\n".join(lines).strip(), any(n.urgent for n in news))


class Target:
    """One address, and what it knows.

    Parameters
    ----------
    url : str
        In apprise's form; it may hold a password, and is never logged.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.tries = 0
        self.not_before = 0.0
        self.last_sent = float("-inf")

    @property
    def name(self) -> str:
        """The address without its secrets."""
        return _named(self.url)


class Notifications:
    """Sends news as they come, on a thread of its own.

    Parameters
    ----------
    ledger : Ledger
    notify : Notify
        Whom to tell of what.
    host : str, optional
        Default: this machine's name.
    send : function of (url, Message), optional
        Whether it was sent; default: by apprise.
    clock : function, optional
        Seconds that never go back.
    """

    def __init__(
        self,
        ledger: Ledger,
        notify: Notify,
        *,
        host: str | None = None,
        send: Callable[[str, Message], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._notify = ledger, notify
        self._host = host or socket.gethostname()
        self._send = send or send_by_apprise
        self._clock = clock
        self._targets = [Target(url) for url in dict.fromkeys(notify.urls)]
        self._seen: dict[tuple[str, str], float] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._remember_new_targets()

    def start(self) -> None:
        """Begin to tell."""
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell what is left, if that is quickly done; what is not told now is told by the next service."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(FAREWELL)

    def step(self, *, at_once: bool = False) -> None:
        """Send every message that is due; with `at_once`, everything that was not told yet."""
        for target in self._targets:
            if self._clock() < target.not_before and not at_once:
                continue
            news, after = self._untold(target)
            if not news:
                self._tell_ledger(target, after)
            elif at_once or self._is_due(target, news):
                self._deliver(target, news, after)

    def _run(self) -> None:
        while not self._ending.wait(STEP):
            self._guarded()
        self._guarded(at_once=True)

    def _guarded(self, **how: bool) -> None:
        try:
            self.step(**how)
        except EccPxError as error:
            log.warning("Nobody could be told what happened: %s", error)
        except Exception:
            log.exception("Nobody could be told what happened.")

    def _untold(self, target: Target) -> tuple[list[News], dict[str, Any]]:
        """News that a target does not know, and what it will know when it was told them."""
        knows = self._told()[target.key]
        events = self._ledger.events(after=knows["event"])
        news = news_of(events)
        shift, now = self._ledger.noted(SHIFT, {}), self._ledger.clock.wall()
        paused, troubles = str(shift.get("paused") or ""), list(shift.get("problems") or ())
        if bool(paused) != knows["paused"]:
            sentence = paused or "There is room again; the brains go on."
            news.append(News(Kind.disk, now, sentence, urgent=bool(paused)))
        for sentence in troubles:
            if sentence not in knows["troubles"]:
                news.append(News(Kind.trouble, now, sentence, urgent=False))
        for sentence in knows["troubles"]:
            if sentence not in troubles:
                news.append(News(Kind.trouble, now, f"No longer: {sentence}", urgent=False))
        news = [item for item in news if item.kind in self._notify.on]
        event = events[-1].id if events else knows["event"]
        return news, {"event": event, "paused": bool(paused), "troubles": troubles}

    def _is_due(self, target: Target, news: Sequence[News]) -> bool:
        """Whether news have waited long enough, by the clock that never goes back."""
        now = self._clock()
        known = {(target.key, item.sentence): self._seen.get((target.key, item.sentence), now) for item in news}
        self._seen = {key: at for key, at in self._seen.items() if key[0] != target.key} | known
        waited = {item: now - known[target.key, item.sentence] for item in news}
        if max(waited.values()) >= self._notify.digest:
            return True
        return now - target.last_sent >= BETWEEN_URGENT and any(
            item.urgent and for_ >= GATHER for item, for_ in waited.items()
        )

    def _deliver(self, target: Target, news: Sequence[News], after: dict[str, Any]) -> None:
        if self._send(target.url, message_of(news, self._host)):
            if target.tries:
                log.info("%s: messages can be sent again.", target.name)
            target.tries, target.not_before, target.last_sent = 0, 0.0, self._clock()
            self._tell_ledger(target, after)
            return
        pause = min(FIRST_PAUSE * 2**target.tries, LONGEST_PAUSE)
        target.tries += 1
        target.not_before = self._clock() + pause
        log.warning(
            "%s: a message could not be sent (try %d); it is tried again in %d min. Is the address right, and the "
            "network there?",
            target.name,
            target.tries,
            round(pause / 60),
        )

    def _told(self) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = self._ledger.noted(TOLD, {})
        return told

    def _tell_ledger(self, target: Target, knows: dict[str, Any]) -> None:
        told = self._told()
        if told.get(target.key) != knows:
            self._ledger.note(TOLD, told | {target.key: knows})

    def _remember_new_targets(self) -> None:
        """Who is new is told what happens from now on, not what happened in the years before."""
        told, latest = self._told(), self._ledger.events(limit=1)
        knows = {"event": latest[-1].id if latest else 0, "paused": False, "troubles": []}
        now = {target.key: told.get(target.key, knows) for target in self._targets}
        if now != told:
            self._ledger.note(TOLD, now)


def send_by_apprise(url: str, message: Message) -> bool:
    """Send a message; False if that failed, for whatever reason."""
    import apprise

    try:
        to = _addressed(url)
        return bool(
            to
            and to.notify(
                title=message.title,
                body=message.body,
                body_format=apprise.NotifyFormat.TEXT,
                notify_type=apprise.NotifyType.WARNING if message.urgent else apprise.NotifyType.INFO,
            )
        )
    except Exception:
        log.debug("apprise failed", exc_info=True)
        return False


def unusable(urls: Iterable[str]) -> dict[str, str]:
    """What is wrong with addresses, a sentence for each that can't be used.

    Raises
    ------
    ModuleNotFoundError
        apprise is not installed.
    """
    return {
        url: f"{_named(url)}: apprise knows no such service, or a part of the address is missing; see its documents."
        for url in urls
        if not _addressed(url)
    }


def _addressed(url: str) -> apprise.Apprise | None:
    """What sends to an address; None for one that apprise does not understand."""
    import apprise

    to = apprise.Apprise()
    # Of an address that it does not understand, apprise would log all, secrets included.
    its_log = logging.getLogger("apprise")
    before, its_log.disabled = its_log.disabled, True
    try:
        return to if to.add(url) else None
    finally:
        its_log.disabled = before


def _named(url: str) -> str:
    """An address without what may be secret in it: in most of them, everything but the scheme."""
    parts = urlsplit(url)
    host = parts.hostname if parts.scheme in _SCHEMES_WITH_HOSTS else None
    return f"{parts.scheme}://{host or ''}…"


_SCHEMES_WITH_HOSTS = frozenset(
    {"json", "jsons", "xml", "xmls", "form", "forms", "http", "https", "mailto", "mailtos", "ntfy", "ntfys"}
)
