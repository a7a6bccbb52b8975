"""Sign-in and sign-up pages: plain forms, working without scripts.

Implements: OpenID Connect Core 1.0 §3.1.2.3; RFC 9700 §4.12, §4.16; OWASP ASVS 5.0 §6.3.8, §7.2.4.
"""

import math
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import (
    InvalidCredentials,
    InvalidRequest,
    OAuthError,
    PasswordRefused,
    TemporarilyUnavailable,
    TooManyTries,
    UsernameTaken,
)
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.flows import authorize as authorize_flow
from watchword.server.flows import browser_session
from watchword.server.flows.authorize import Underway
from watchword.server.flows.sign_in import PasswordSignIn, sign_in
from watchword.server.flows.sign_up import SignUp
from watchword.server.flows.sign_up import sign_up as sign_up_flow
from watchword.server.web.authorize import resume_url, targets_of
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locales_of, page_edge, see_other

_PROBLEMS: dict[type[OAuthError], str] = {
    InvalidCredentials: "credentials",
    TooManyTries: "throttled",
    TemporarilyUnavailable: "busy",
    UsernameTaken: "taken",
    PasswordRefused: "password",
    InvalidRequest: "malformed",
}


@page_edge
async def login(web: Web, request: Request) -> Response:
    """``GET /login`` shows the form, ``POST /login`` takes it."""
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await _underway(web, fields, now=now)
    if request.method != "POST":
        hint = underway.request.login_hint if underway is not None else None
        return _show_sign_in(web, request, browser, underway, username=hint or "")
    browser.must_be_own_form(fields, web.parts.secrets)
    origin = web.network.origin(request)
    username, password = fields.get("username", ""), fields.get("password", "")
    try:
        offered = PasswordSignIn(username=username, password=password, network=origin.network)
        _, proof = await sign_in(web.parts, offered, now=now)
    except (InvalidCredentials, TooManyTries, TemporarilyUnavailable) as refusal:
        return _show_sign_in(web, request, browser, underway, username=username, refusal=refusal)
    begun = await browser_session.begin(web.parts, proof, device=origin.device, cookie=browser.session_cookie, now=now)
    if begun is None:
        gone = InvalidCredentials(slug="session.user_gone")
        return _show_sign_in(web, request, browser, underway, username=username, refusal=gone)
    browser.keep(begun[0])
    return browser.dress(see_other(_next_url(web, underway)))


@page_edge
async def sign_up(web: Web, request: Request) -> Response:
    """``GET /sign-up`` and ``POST /sign-up``, where the operator left the door open."""
    if not web.parts.sign_up_open:
        raise NotToBeRedirected("not_found", "sign-up is closed")
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await _underway(web, fields, now=now)
    if request.method != "POST":
        return _show_sign_up(web, request, browser, underway, fields)
    browser.must_be_own_form(fields, web.parts.secrets)
    origin = web.network.origin(request)
    asked = SignUp(
        username=fields.get("username", ""),
        password=fields.get("password", ""),
        email=fields.get("email") or None,
        network=origin.network,
    )
    try:
        await sign_up_flow(web.parts, asked, now=now)
        offered = PasswordSignIn(username=asked.username, password=asked.password, network=origin.network)
        _, proof = await sign_in(web.parts, offered, now=now)
    except OAuthError as refusal:
        return _show_sign_up(web, request, browser, underway, fields, refusal=refusal)
    begun = await browser_session.begin(web.parts, proof, device=origin.device, cookie=browser.session_cookie, now=now)
    if begun is None:
        raise NotToBeRedirected("expired", "the account was disabled meanwhile")
    browser.keep(begun[0])
    return browser.dress(see_other(_next_url(web, underway)))


async def _underway(web: Web, fields: dict[str, str], *, now: float) -> Underway | None:
    sealed = fields.get("request")
    return await authorize_flow.resume(web.parts, sealed, now=now) if sealed else None


def _next_url(web: Web, underway: Underway | None) -> str:
    return f"{web.parts.issuer}/account" if underway is None else resume_url(web, underway.sealed)


def _show_sign_in(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    *,
    username: str,
    refusal: OAuthError | None = None,
) -> Response:
    response = web.pages.page(
        "sign_in",
        locales=_locales(request, underway),
        status=200 if refusal is None else _status(refusal),
        form_targets=_targets(underway),
        action=f"{web.parts.issuer}/login",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        username=username,
        problem=_problem(refusal),
        retry_after=None if refusal is None else refusal.retry_after,
        client_name=_client_name(underway),
        sign_up_url=_url(web, "sign-up", underway) if web.parts.sign_up_open else None,
    )
    return browser.dress(_paced(response, refusal))


def _show_sign_up(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    fields: dict[str, str],
    *,
    refusal: OAuthError | None = None,
) -> Response:
    response = web.pages.page(
        "sign_up",
        locales=_locales(request, underway),
        status=200 if refusal is None else _status(refusal),
        form_targets=_targets(underway),
        action=f"{web.parts.issuer}/sign-up",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        username=fields.get("username", ""),
        email=fields.get("email", ""),
        problem=_problem(refusal),
        explanation="" if refusal is None else refusal.description,
        retry_after=None if refusal is None else refusal.retry_after,
        sign_in_url=_url(web, "login", underway),
    )
    return browser.dress(_paced(response, refusal))


def _problem(refusal: OAuthError | None) -> str | None:
    return None if refusal is None else _PROBLEMS.get(type(refusal), "busy")


def _status(refusal: OAuthError) -> int:
    # A wrong password is a page like any other; a 401 would promise a challenge that browsers do not know.
    return refusal.status if refusal.status in (429, 503) else 400


def _paced(response: Response, refusal: OAuthError | None) -> Response:
    if refusal is not None and refusal.retry_after is not None:
        response.headers["retry-after"] = str(math.ceil(refusal.retry_after))
    return response


def _client_name(underway: Underway | None) -> str | None:
    return None if underway is None else underway.client.name or underway.client.client_id


def _targets(underway: Underway | None) -> list[str]:
    return [] if underway is None else targets_of(underway)


def _locales(request: Request, underway: Underway | None) -> tuple[str, ...]:
    return locales_of(request, () if underway is None else underway.request.ui_locales)


def _url(web: Web, path: str, underway: Underway | None) -> str:
    query = "" if underway is None else f"?{urlencode({'request': underway.sealed})}"
    return f"{web.parts.issuer}/{path}{query}"
