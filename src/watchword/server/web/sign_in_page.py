"""The sign-in page as it is shown, first and after whatever went wrong; and what the sign-up page shares with it.

Implements: OpenID Connect Core 1.0 §3.1.2.1 (``login_hint``, ``ui_locales``); OWASP ASVS 5.0 §6.3.8.
"""

import math
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.protocol.errors import (
    InvalidCredentials,
    InvalidRequest,
    InvalidSession,
    OAuthError,
    PasswordRefused,
    TemporarilyUnavailable,
    TooManyTries,
    UsernameTaken,
)
from watchword.server.flows.authorize import Underway
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locale_of, locales_of, targets_of
from watchword.server.web.passkey_offer import is_demanded, sign_in_section

_PROBLEMS: dict[type[OAuthError], str] = {
    InvalidCredentials: "credentials",
    InvalidSession: "expired",
    TooManyTries: "throttled",
    TemporarilyUnavailable: "busy",
    UsernameTaken: "taken",
    PasswordRefused: "password",
    InvalidRequest: "malformed",
}
_PASSKEY_PROBLEMS = {
    "passkey.refused": "passkey",
    "passkey.stale": "passkey_stale",
    "passkey.suspicious": "passkey_suspicious",
    "sign_in.passkey_wanted": "passkey_wanted",
}
# Why who is signed in has to sign in once more before he changes something: how strongly, and what the page calls it.
AGAIN = {ACR_PASSWORD: "password", ACR_TWO_FACTOR: "two_factor", ACR_PASSKEY: "passkey"}
_FLASHES = ("signed_out", "everywhere", "password_reset")


def show_sign_in(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    *,
    username: str,
    refusal: OAuthError | None = None,
    again: str | None = None,
) -> Response:
    """The page. ``again``: the class of sign-in that is wanted of who is signed in already."""
    problem = problem_of(refusal)
    # Before the user is known, the request tells whether a passkey is the only way; afterwards, so does what he has.
    demanded = problem == "passkey_wanted" or is_demanded(wanted(underway, again))
    response = web.pages.page(
        "sign_in",
        locales=locales_within(request, underway),
        status=200 if refusal is None else status_of(refusal),
        form_targets=targets_within(underway),
        action=f"{web.parts.issuer}/login",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        username=username,
        problem=problem,
        retry_after=None if refusal is None else refusal.retry_after,
        client_name=client_name(underway),
        sign_up_url=url_within(web, "sign-up", underway) if web.parts.sign_up_open and again is None else None,
        forgotten_url=url_within(web, "forgot-password", underway) if web.parts.sends_mail else None,
        again=None if again is None else AGAIN[again],
        again_acr=again or "",
        flash=browser.done(_FLASHES),
        passkey=sign_in_section(web, browser, demanded=demanded, now=web.parts.clock.now()),
    )
    return browser.dress(paced(response, refusal))


def again_of(fields: dict[str, str]) -> str | None:
    """The class of sign-in that is wanted of who is signed in already; None where nothing such is asked."""
    asked = fields.get("again")
    return asked if asked in AGAIN else None


def wanted(underway: Underway | None, again: str | None) -> tuple[str, ...]:
    """The classes of sign-in that will do; none for any."""
    if underway is not None:
        return underway.request.acr_wished or underway.request.acr_values
    return () if again is None else (again,)


def problem_of(refusal: OAuthError | None) -> str | None:
    """What the page calls the problem."""
    if refusal is None:
        return None
    return _PASSKEY_PROBLEMS.get(refusal.slug) or _PROBLEMS.get(type(refusal), "busy")


def status_of(refusal: OAuthError) -> int:
    """The page's status: a wrong password is a page like any other; a 401 would promise a challenge to answer."""
    return refusal.status if refusal.status in (429, 503) else 400


def paced(response: Response, refusal: OAuthError | None) -> Response:
    """The answer, which says when to come again."""
    if refusal is not None and refusal.retry_after is not None:
        response.headers["retry-after"] = str(math.ceil(refusal.retry_after))
    return response


def client_name(underway: Underway | None) -> str | None:
    """The application that the user goes on to."""
    return None if underway is None else underway.client.name or underway.client.client_id


def targets_within(underway: Underway | None) -> list[str]:
    """What the page's form may lead to."""
    return [] if underway is None else targets_of(underway.request.redirect_uri)


def locales_within(request: Request, underway: Underway | None) -> tuple[str, ...]:
    """The languages that the reader prefers."""
    return locales_of(request, () if underway is None else underway.request.ui_locales)


def locale_within(request: Request, underway: Underway | None) -> str:
    """The same, as it is kept for a mail that is written later."""
    return locale_of(request, () if underway is None else underway.request.ui_locales)


def url_within(web: Web, path: str, underway: Underway | None, *, again: str | None = None) -> str:
    """A page of ours, with the application's request along, or with why who is signed in has to sign in once more."""
    along = {"again": again} if underway is None else {"request": underway.sealed}
    kept = {name: value for name, value in along.items() if value is not None}
    return f"{web.parts.issuer}/{path}{f'?{urlencode(kept)}' if kept else ''}"
