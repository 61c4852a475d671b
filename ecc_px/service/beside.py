"""What runs beside the service in its process: the status page, and messages to people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from ecc_px.service.config import Facility, Notify, Service
from ecc_px.service.ledger import Ledger
from ecc_px.service.notifications import Notifications, unusable

log = logging.getLogger(__name__)


class Companion(Protocol):
    """What runs beside the service; whatever becomes of it, the brains are not concerned."""

    def tick(self) -> None:
        """Called after every step, every few seconds."""

    def reload(self, facility: Facility) -> None:
        """The configuration was read again."""

    def close(self) -> None:
        """The service ends."""


class Page:
    """The status page of a facility, where it wants one.

    Parameters
    ----------
    ledger : Ledger
        The service's; the page opens the same file once more, so that no visitor keeps the service waiting.
    facility : Facility
    """

    def __init__(self, ledger: Ledger, facility: Facility) -> None:
        self._ledger = ledger
        self._open = ExitStack()
        self._shown: Service | None = None
        self.reload(facility)

    def tick(self) -> None:
        """The service asks nothing of it."""

    def reload(self, facility: Facility) -> None:
        """Serve what the configuration says now."""
        if facility.service == self._shown:
            return
        self.close()
        self._shown = facility.service
        if facility.service.http is None:
            return
        try:
            from ecc_px.service.page.from_ledger import FromLedger
            from ecc_px.service.page.server import StatusPage
        except ModuleNotFoundError as error:
            log.error(
                "There is no status page, because %s is not installed: pip install 'ecc-px[service]', or take http out "
                "of %s.",
                error.name,
                facility.path,
            )
            return
        own = self._open.enter_context(Ledger(self._ledger.path, clock=self._ledger.clock))
        host, port = facility.service.http
        page = StatusPage(FromLedger(own, facility), facility.service.output, host, port, token=facility.service.token)
        page.start()
        self._open.callback(page.stop)

    def close(self) -> None:
        """Stop serving."""
        self._open.close()


class Messages:
    """Messages to people, where somebody wants any. The parameters are those of `Page`."""

    def __init__(self, ledger: Ledger, facility: Facility) -> None:
        self._ledger = ledger
        self._open = ExitStack()
        self._told: Notify | None = None
        self.reload(facility)

    def tick(self) -> None:
        """The service asks nothing of it."""

    def reload(self, facility: Facility) -> None:
        """Tell whom the configuration names now."""
        if facility.notify == self._told:
            return
        self.close()
        self._told = facility.notify
        if not facility.notify.urls:
            return
        try:
            wrong = unusable(facility.notify.urls)
        except ModuleNotFoundError as error:
            log.error(
                "Nobody is told anything, because %s is not installed: pip install 'ecc-px[service]', or take urls out "
                "of [notify] in %s.",
                error.name,
                facility.path,
            )
            return
        for sentence in wrong.values():
            log.error("%s", sentence)
        usable = tuple(url for url in facility.notify.urls if url not in wrong)
        telling = Notifications(self._ledger, replace(facility.notify, urls=usable))
        telling.start()
        self._open.callback(telling.close)

    def close(self) -> None:
        """Tell the last news, and no more."""
        self._open.close()


BESIDE: Sequence[Callable[[Ledger, Facility], Companion]] = (Page, Messages)
"""What every service has beside itself."""
