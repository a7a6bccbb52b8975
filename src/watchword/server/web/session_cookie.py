"""The cookie that keeps a refresh token from scripts, and who may use it.

Implements: RFC 6265bis §4.1.2, §4.1.3.1 (``__Secure-``); RFC 10017 §6.1 in spirit.
"""

import hashlib
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import base64url
from watchword.protocol.errors import AccessDenied
from watchword.protocol.metadata import issuer_is_loopback
from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.client import Client
from watchword.server.flows.directory import origins_of
from watchword.server.flows.parts import Parts


def must_be_allowed(parts: Parts, client: Client, request: Request) -> None:
    """Return if the request comes from no web origin, the issuer's own, or one of the client's.

    Raises:
        AccessDenied: from another origin, ``null`` included.
    """
    for origin in request.headers.getlist("origin"):
        if origin != origin_of(parts.issuer) and origin not in origins_of(client):
            raise AccessDenied("this web origin may not use the client", slug="session.origin")


def cookie_name(issuer: str, client_id: str) -> str:
    """One cookie per client. Plain http on loopback cannot have the prefix."""
    name = "wwr-" + base64url.encode(hashlib.sha256(client_id.encode()).digest()[:12])
    return name if _plain(issuer) else f"__Secure-{name}"


def put(response: Response, *, issuer: str, client_id: str, token: str, max_age: int) -> None:
    """Hand out the token in the cookie. ``max_age`` is in seconds."""
    _set(response, issuer=issuer, client_id=client_id, value=token, max_age=max_age)


def drop(response: Response, *, issuer: str, client_id: str) -> None:
    """Take the cookie away."""
    _set(response, issuer=issuer, client_id=client_id, value="", max_age=0)


def _set(response: Response, *, issuer: str, client_id: str, value: str, max_age: int) -> None:
    response.set_cookie(
        cookie_name(issuer, client_id),
        value,
        max_age=max_age,
        path=f"{urlsplit(issuer).path}/session",
        secure=not _plain(issuer),
        httponly=True,
        samesite="strict",
    )


def _plain(issuer: str) -> bool:
    return issuer_is_loopback(issuer) and urlsplit(issuer).scheme == "http"
