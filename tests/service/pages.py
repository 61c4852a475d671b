"""Invented services for the tests of the status page, and plain requests that no client has tidied up."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecc_px.errors import InvalidSetting
from ecc_px.service.page.server import StatusPage
from ecc_px.service.page.views import Action, BrainView, Disk, ServiceView, Work

NOW = datetime(2026, 3, 14, 2, 30, tzinfo=UTC)


def a_brain(brain_id: int = 7, state: str = "queued", **facts: object) -> BrainView:
    """A brain about which `facts` are known."""
    usual: dict[str, object] = {
        "name": f"mouse_{brain_id}",
        "route": "PV",
        "source": f"/incoming/mouse_{brain_id}",
        "since": NOW - timedelta(minutes=5),
        "seen": NOW - timedelta(hours=2),
    }
    return BrainView(brain_id, state=state, **(usual | facts))  # type: ignore[arg-type]


def a_running_brain(brain_id: int = 7, *, done: int = 250, silent_for: float = 1.0) -> BrainView:
    """A brain of 1000 voxels."""
    work = Work("predicting", done, 1000, 50.0, (1000 - done) / 50, NOW - timedelta(seconds=silent_for))
    return a_brain(brain_id, "running", work=work)


def a_service(*brains: BrainView, **facts: object) -> ServiceView:
    """A service that is well, with these brains."""
    usual: dict[str, object] = {
        "now": NOW,
        "version": "1.2.3",
        "host": "lightsheet",
        "started": NOW - timedelta(days=3),
        "scan_every_s": 60.0,
        "last_scan": NOW - timedelta(seconds=20),
        "disks": (Disk("/results", 400, 1000, 50),),
        "brains": brains,
        "actions": {"quarantined": ("retry", "release", "skip")},
    }
    return ServiceView(**(usual | facts))  # type: ignore[arg-type]


class Told:
    """A source that says what it was told to, and remembers what was decided."""

    def __init__(self, view: ServiceView) -> None:
        self.view = view
        self.decided: list[tuple[int, str]] = []

    def service(self) -> ServiceView:
        return self.view

    def brain(self, brain_id: int) -> BrainView | None:
        return next((brain for brain in self.view.brains if brain.id == brain_id), None)

    def thumbnail(self, brain_id: int) -> str | None:
        return next((o.path for o in (self.brain(brain_id) or a_brain()).outputs if "_thumbnail" in o.name), None)

    def act(self, brain_id: int, action: Action) -> None:
        brain = self.brain(brain_id)
        if brain is None or brain.state != "quarantined":
            raise InvalidSetting(f"{brain_id}: it is not set aside, so there is nothing to {action}.")
        self.decided.append((brain_id, action))
        brains = tuple(replace(b, state="queued", reason="") if b is brain else b for b in self.view.brains)
        self.view = replace(self.view, brains=brains)


class Answer:
    """What the server said."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


@contextmanager
def served(source: object, outputs: Path, *, token: str | None = None, port: int = 0) -> Iterator[StatusPage]:
    """A page that is really served, on a free port of the loopback."""
    page = StatusPage(source, outputs, "127.0.0.1", port, token=token)  # type: ignore[arg-type]
    page.start()
    try:
        yield page
    finally:
        page.stop()


def ask(
    page: StatusPage, path: str, *, method: str = "GET", body: str | None = None, headers: dict[str, str] | None = None
) -> Answer:
    """Send a request with the path as it stands here; nothing is normalized."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()
