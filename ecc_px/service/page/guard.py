"""What the page keeps out: other sites' scripts, strangers' hosts, and whoever does not know the token."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

OF_PAGES = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of our own pages: nothing from elsewhere, nothing inline."""

OF_OUTPUTS = (
    "sandbox allow-downloads; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of files that were made of a brain: no script in them ever runs, whoever put it there."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LARGEST_FORM = 4096
"""Bytes."""


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine and can't be reached from another."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_is_ours(header: str) -> bool:
    """Whether a Host header names the loopback.

    Another name there means that a page elsewhere has pointed its own name at this machine (DNS rebinding), to read
    what only people on this machine may see.
    """
    try:
        host = urlsplit(f"//{header}").hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def from_another_site(request: Request) -> bool:
    """Whether a browser says that another site's page sent this request.

    `Origin` is not compared: a reverse proxy changes `Host`, and what keeps strangers out is the token, which no
    browser sends by itself.
    """
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def token_is_right(given: str, token: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode("utf-8", "surrogatepass"))


async def token_of(request: Request) -> str | None:
    """The token that came with a request: `Authorization: Bearer …`, or a form's field `token`. No cookie is ever one.

    A browser sends neither by itself, so that no other site's page can act in a person's name.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        # HTTP hands headers over as latin-1, whatever a person typed.
        return credentials.strip().encode("latin-1", "replace").decode("utf-8", "replace")
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return None
    return fields["token"][0] if "token" in fields else None
