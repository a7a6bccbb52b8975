"""The few pages that a web login shows by itself, and the headers of everything that it answers.

Implements: RFC 9700 §4.2.4 (no code in a Referer).
"""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse, RedirectResponse, Response

from watchword.client.errors import ClientError, SignInAgain, TryLater

_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem;"
    "text-align:center;color:#1b1f24;background:#f6f5f2}h1{font-size:1.5rem;margin:0 0 .25rem}p{margin:.25rem 0}"
    "a{color:inherit}@media(prefers-color-scheme:dark){body{color:#e9e6df;background:#16181b}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_SAID: Final = {
    "denied": "The sign-in was not allowed.",
    "abandoned": "The sign-in took too long.",
    "unmet_authentication_requirements": "This way of signing in is not strong enough for what you wanted to do.",
    "wrong_state": "This sign-in was not begun in this browser, or it is over already.",
}


def see_other(url: str) -> Response:
    """Go there with a GET (RFC 9700 §4.12: 303)."""
    return RedirectResponse(url, 303, headers=_HEADERS)


def trouble(error: ClientError, *, login_url: str) -> Response:
    """Says that a sign-in failed; the reason in full is for the log."""
    headers = dict(_HEADERS)
    if isinstance(error, SignInAgain):
        status, said = 400, _SAID.get(error.reason, "The answer to the sign-in could not be trusted.")
    elif isinstance(error, TryLater):
        status, said = 503, "Signing in is not possible for the moment."
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    else:
        status, said = 500, "Signing in is not set up rightly here."
    return _page(status, "Sign-in did not work", said, login_url=login_url, headers=headers)


def forbidden(*, login_url: str) -> Response:
    """A form that is not ours, or too old."""
    said = "The form was too old, or came from another site."
    return _page(403, "Not done", said, login_url=login_url, headers=dict(_HEADERS))


def _page(status: int, title: str, said: str, *, login_url: str, headers: dict[str, str]) -> Response:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><main><h1>{title}</h1>'
        f'<p id="problem" role="alert">{said}</p>'
        f'<p><a id="sign-in-again" href="{escape(login_url)}">Sign in again</a> or <a id="home" href="/">go on</a></p>'
        "</main></html>"
    )
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
    return HTMLResponse(
        page, status, headers | {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    )
