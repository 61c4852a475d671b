"""The status page on a thread of the service's process: whatever becomes of it, the night shift goes on."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from pathlib import Path

import uvicorn

from ecc_px.errors import AddressUnavailable
from ecc_px.service.page.app import Source, application
from ecc_px.service.page.guard import is_loopback

log = logging.getLogger(__name__)

AGAIN_AFTER = 30.0
"""Seconds until an address that is in use is tried again: an earlier service may be about to end."""

VISITORS = 200
"""Requests at a time; more are told to come back."""

GOODBYE = 3.0
"""Seconds that visitors have to get their answer when the service ends."""


class StatusPage:
    """The page, served from `start` to `stop`.

    Parameters
    ----------
    source : Source
    outputs : Path
        The folder whose files are served.
    host, port
        Where to listen; port 0 takes a free one, see `port`.
    token : str, optional
        See `application`.
    """

    def __init__(self, source: Source, outputs: Path, host: str, port: int, *, token: str | None = None) -> None:
        self.host, self.port = host, port
        self._app = application(source, outputs, token=token, loopback_only=is_loopback(host))
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @property
    def address(self) -> str:
        """What a person types into a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def start(self) -> None:
        """Begin to serve, now or as soon as the address is free. Never raises for what may pass."""
        try:
            listening = _listen(self.host, self.port)
            self.port = listening.getsockname()[1]
        except AddressUnavailable as error:
            log.warning("%s The service goes on without its page, and tries again.", error)
            listening = None
        self._thread = threading.Thread(target=self._serve, args=(listening,), name="status-page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; visitors who are being answered get a few seconds."""
        self._ending.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(GOODBYE + 2)

    def _serve(self, listening: socket.socket | None) -> None:
        while not self._ending.is_set():
            try:
                if listening is None:
                    listening = _listen(self.host, self.port)
                self._serve_on(listening)
            except AddressUnavailable as error:
                log.debug("%s", error)
            except Exception:
                log.exception("The status page failed; it is started again in %d s.", AGAIN_AFTER)
            listening = None
            self._ending.wait(AGAIN_AFTER)

    def _serve_on(self, listening: socket.socket) -> None:
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=VISITORS,
            timeout_graceful_shutdown=int(GOODBYE),
            ws="none",
            http="h11",
        )
        self._server = uvicorn.Server(config)
        if self._ending.is_set():
            return
        log.info("The status page is at %s", self.address)
        with listening:
            # On a thread that is not the main one, uvicorn leaves the signals to the service.
            self._server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises
    ------
    AddressUnavailable
    """
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnavailable(
            f"{where}: there is no such address ({error}). Choose another one for http."
        ) from error
    try:
        # Else the address would stay in use for a minute after a restart.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        reasons = {
            errno.EADDRINUSE: "another program listens there; stop it, or choose another port for http",
            errno.EACCES: "this user may not listen there; choose a port above 1023 for http",
            errno.EADDRNOTAVAIL: "this machine has no such address; choose one of its own for http",
        }
        reason = reasons.get(error.errno or 0, str(error))
        raise AddressUnavailable(f"{where}: the status page can't be served: {reason}.") from error
    return listening
