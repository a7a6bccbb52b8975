"""Rendering answers: JSON with the right cache headers, and errors as their readers need them.

Implements: RFC 6749 §5.1, §5.2 (``Cache-Control: no-store``); RFC 6750 §3; RFC 9110 §11.6.1, §10.2.3.
"""

from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from watchword.protocol.errors import OAuthError
from watchword.protocol.rejection import TokenRejected

NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
PUBLIC: Final = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}
_JSON: Final = "application/json"


class _Answer(Response):
    """JSON that nobody may keep. Its headers are encoded once, and not for each answer anew."""

    _RAW: Final = [(name.encode(), value.encode()) for name, value in (NO_STORE | {"content-type": _JSON}).items()]

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [*self._RAW, (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``content`` as JSON that nobody may keep."""
    body = msgspec.json.encode(content)
    return _Answer(body, status) if headers is None else Response(body, status, headers, _JSON)


def document(body: bytes) -> Response:
    """A public JSON document that may be kept for five minutes."""
    return Response(body, 200, PUBLIC, _JSON)


def nothing() -> Response:
    """Done; there is nothing to say (204)."""
    return Response(None, 204, NO_STORE)


def refusal(error: OAuthError, *, scheme: str) -> Response:
    """An error of ours. ``scheme``: what a 401 challenges with."""
    headers = dict(NO_STORE)
    if error.retry_after is not None or error.status in (429, 503):
        headers["retry-after"] = str(error.retry_after or 1)
    if error.status == 401:
        headers["www-authenticate"] = f'{scheme} realm="watchword"'
    body = {"error": error.code, "error_description": error.description, **error.members}
    return answer(body, status=error.status, headers=headers)


def rejection(error: TokenRejected) -> Response:
    """A refused access token, at an endpoint that is a protected resource itself."""
    headers = {**NO_STORE, "www-authenticate": error.challenge(realm="watchword")}
    body = {"error": error.error or "invalid_token", "error_description": error.description}
    return answer(body, status=error.status, headers=headers)


def broken(error_id: str) -> Response:
    """Something unexpected; the id leads to the log line."""
    body = {
        "error": "server_error",
        "error_description": "something went wrong on our side; the operator finds it by the error_id",
        "error_id": error_id,
    }
    return answer(body, status=500)
