"""The status page as an ASGI application: which address shows what, and to whom.

Handlers are plain functions, which Starlette runs on threads: a ledger that is slow to answer delays one visitor,
not all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecc_px.errors import EccPxError
from ecc_px.service.page import guard, pages
from ecc_px.service.page.api import brain_facts, service_facts
from ecc_px.service.page.files import open_output
from ecc_px.service.page.health import problems_of
from ecc_px.service.page.metrics import CONTENT_TYPE, metrics_text
from ecc_px.service.page.views import Action, BrainView, ServiceView

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds that a view is shown to everybody who asks, before the ledger is asked again."""

PATIENCE_AFTER_WRONG_TOKEN = 1.0
"""Seconds that a wrong token costs whoever tries it."""


class Source(Protocol):
    """Where the page gets what it shows, and to whom it says what a person decided. Called from several threads."""

    def service(self) -> ServiceView:
        """The service now, with all brains, but without their outputs and histories."""

    def brain(self, brain_id: int) -> BrainView | None:
        """One brain with its outputs and its history; None if there is none of this id."""

    def thumbnail(self, brain_id: int) -> str | None:
        """The small picture of a brain, below the folder of outputs; None if there is none."""

    def act(self, brain_id: int, action: Action) -> None:
        """Do what a person decided.

        Raises
        ------
        EccPxError
            It makes no sense in the brain's state.
        """


def application(source: Source, outputs: Path, *, token: str | None = None, loopback_only: bool = True) -> ASGIApp:
    """The page.

    Parameters
    ----------
    source : Source
    outputs : Path
        The folder whose files are served, and no others.
    token : str, optional
        What a person must know to decide anything. Without it nothing can be changed.
    loopback_only : bool
        Refuse requests for hosts of other names than this machine's loopback.
    """
    page = _Page(source, outputs, token)
    routes = [
        Route("/", page.overview),
        Route("/live", page.overview_part),
        Route("/brains/{brain:int}", page.brain),
        Route("/brains/{brain:int}/live", page.brain_part),
        Route("/brains/{brain:int}/thumbnail", page.thumbnail),
        Route("/brains/{brain:int}/{action}", page.decide, methods=["POST"]),
        Route("/api/brains", page.api),
        Route("/api/brains/{brain:int}", page.api_brain),
        Route("/outputs/{path:path}", page.output),
        Route("/static/{name}", page.static),
        Route("/healthz", page.health),
        Route("/metrics", page.metrics),
    ]
    answers = {HTTPException: _refused, EccPxError: _unreadable, Exception: _broken}
    return _Guarded(Starlette(routes=routes, exception_handlers=answers), loopback_only=loopback_only)


class _Page:
    """One method for each address."""

    def __init__(self, source: Source, outputs: Path, token: str | None) -> None:
        self.source, self.outputs, self.token = source, outputs, token
        self._lock = threading.Lock()
        self._view: ServiceView | None = None
        self._until = 0.0

    def _service(self) -> ServiceView:
        """The view; asked for once a second, however many screens show it."""
        with self._lock:
            if self._view is None or time.monotonic() >= self._until:
                self._view = self.source.service()
                self._until = time.monotonic() + FRESH
            return self._view

    def _brain(self, request: Request) -> BrainView:
        brain = self.source.brain(request.path_params["brain"])
        if brain is None:
            raise HTTPException(404, "There is no such brain; perhaps somebody made the service forget it.")
        return brain

    def overview(self, request: Request) -> Response:
        return _html(pages.overview_page(self._service(), wall="wall" in request.query_params))

    def overview_part(self, request: Request) -> Response:
        return _html(pages.overview_part(self._service()))

    def brain(self, request: Request) -> Response:
        return _html(pages.brain_page(self._service(), self._brain(request), with_token=self.token is not None))

    def brain_part(self, request: Request) -> Response:
        return _html(pages.brain_part(self._service(), self._brain(request), with_token=self.token is not None))

    def api(self, request: Request) -> Response:
        return _json(service_facts(self._service()))

    def api_brain(self, request: Request) -> Response:
        return _json(brain_facts(self._brain(request)))

    def health(self, request: Request) -> Response:
        problems = problems_of(self._service())
        return _json({"healthy": not problems, "problems": list(problems)}, 503 if problems else 200)

    def metrics(self, request: Request) -> Response:
        return Response(metrics_text(self._service()), headers={"Content-Type": CONTENT_TYPE, **_NOT_KEPT})

    def static(self, request: Request) -> Response:
        content, media_type = pages.static_files().get(request.path_params["name"], (None, ""))
        if content is None:
            raise HTTPException(404, "There is no such page.")
        # The address has a hash of the content in it.
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "max-age=31536000, immutable"})

    def output(self, request: Request) -> Response:
        """A file of the outputs. Its name is taken from the address as it came, because it may be no valid text."""
        sent = request.scope.get("raw_path") or request.scope["path"].encode()
        path = unquote_to_bytes(sent.partition(b"?")[0]).partition(b"/outputs/")[2]
        answer = self._served(request, path)
        if answer is None:
            raise HTTPException(404, "There is no such file among the outputs that this page may show.")
        return answer

    def thumbnail(self, request: Request) -> Response:
        """A brain's small picture; an empty one for a brain that has none."""
        path = self.source.thumbnail(request.path_params["brain"])
        answer = path and self._served(request, os.fsencode(path))
        return answer or Response(_NO_PICTURE, headers={"Content-Type": "image/svg+xml", **_NOT_KEPT})

    def _served(self, request: Request, path: bytes) -> Response | None:
        """A file of the outputs; None where `open_output` refuses it."""
        file = open_output(self.outputs, path)
        if file is None:
            return None
        headers = {
            "Content-Type": file.media_type,
            "Content-Length": str(file.size),
            "Content-Security-Policy": guard.OF_OUTPUTS,
            "Last-Modified": formatdate(file.modified_ns / 1e9, usegmt=True),
            "ETag": f'"{file.modified_ns:x}-{file.size:x}"',
            "Cache-Control": "no-cache",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            file.close()
            del headers["Content-Length"]
            return Response(status_code=304, headers=headers)
        if request.method == "HEAD":
            file.close()
            return Response(headers=headers)
        return StreamingResponse(file.pieces(), headers=headers)

    async def decide(self, request: Request) -> Response:
        """Do what a person decided who knows the token."""
        brain, action = request.path_params["brain"], request.path_params["action"]
        if self.token is None:
            raise HTTPException(403, "This page is read-only: no token is configured.")
        if guard.from_another_site(request):
            raise HTTPException(403, "Another site's page may not decide for you.")
        given = await guard.token_of(request)
        if given is None or not guard.token_is_right(given, self.token):
            log.warning("Somebody at %s tried to %s a brain with a wrong token.", _who(request), action)
            await asyncio.sleep(PATIENCE_AFTER_WRONG_TOKEN)
            raise HTTPException(403, "The token is not right. It is in the service's configuration.")
        if action not in pages.DECISIONS:
            raise HTTPException(404, "There is no such decision.")
        try:
            await run_in_threadpool(self.source.act, brain, action)
        except EccPxError as error:
            raise HTTPException(409, str(error)) from error
        log.info("Somebody at %s decided: %s.", _who(request), action, extra={"brain": brain})
        with self._lock:
            self._view = None
        if _wants_json(request):
            return _json({"done": action})
        return RedirectResponse(f"../{brain}", 303)


class _Guarded:
    """Adds the headers that keep other sites out, and refuses strangers' hosts."""

    def __init__(self, app: ASGIApp, *, loopback_only: bool) -> None:
        self.app, self.loopback_only = app, loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                more = {"Content-Security-Policy": guard.OF_PAGES, **guard.HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in more.items() if k.lower().encode() not in present),
                ]
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if self.loopback_only and not guard.host_is_ours(host):
            answer = Response("This page is for this machine only: ask for it as localhost.\n", 421)
            return await answer(scope, receive, send_guarded)
        return await self.app(scope, receive, send_guarded)


_NOT_KEPT = {"Cache-Control": "no-store"}
_NO_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"/>'


def _html(text: str, status: int = 200) -> Response:
    # A name that is no valid text in the file system is shown with question marks.
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers={"X-Look": pages.look(), **_NOT_KEPT})


def _json(content: object, status: int = 200) -> Response:
    # As ASCII, so that a name that is no valid text can be told, too.
    return Response(json.dumps(content), status, headers=_NOT_KEPT, media_type="application/json")


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/healthz", "/metrics")) or "application/json" in request.headers.get(
        "accept", ""
    )


def _answer(request: Request, status: int, title: str, sentence: str) -> Response:
    if _wants_json(request):
        return _json({"error": sentence}, status)
    base = "../" * (request.url.path.count("/") - 1)
    return _html(pages.message_page(title, sentence, base=base), status)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    titles = {404: "Not here", 403: "Not allowed", 405: "Not possible", 409: "That makes no sense now"}
    sentence = error.detail if error.detail not in ("Not Found", "Method Not Allowed") else "There is no such page."
    return _answer(request, error.status_code, titles.get(error.status_code, "Refused"), sentence)


def _unreadable(request: Request, error: Exception) -> Response:
    log.error("The status page could not be shown: %s", error)
    return _answer(request, 503, "Not at the moment", str(error))


def _broken(request: Request, error: Exception) -> Response:
    """A bug: uvicorn logs its traceback."""
    return _answer(request, 500, "A mistake of ours", "The page could not be made; the service's log says why.")


def _who(request: Request) -> str:
    return request.client.host if request.client else "an unknown address"
