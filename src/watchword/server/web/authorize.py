"""Authorization endpoint: an application sends its user's browser here, and it goes back with a code.

Implements: RFC 6749 §3.1, §4.1.1, §4.1.2; RFC 9207 §2; RFC 9700 §4.12; RFC 9470 §5; OpenID Connect Core 1.0 §3.1.2.
"""

from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.scope import OPENID_SCOPES
from watchword.server.domain import consent as consent_rule
from watchword.server.domain import permission
from watchword.server.domain.login import NOT_SEEN
from watchword.server.flows import authorize as flow
from watchword.server.flows.authorize import Answer, ConsentWanted, OutOfReach, Underway
from watchword.server.flows.browser_session import SignedIn
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import (
    error_page_with_way_back,
    locales_of,
    page_edge,
    see_other,
    sent_back,
    targets_of,
)


@page_edge
async def authorize(web: Web, request: Request) -> Response:
    """``GET /authorize`` and ``POST /authorize``."""
    now = web.parts.clock.now()
    pairs = await read_fields(request)
    browser = Browser(web, request)
    if request.method == "POST" and browser.session_cookie is None:
        # A form from the application's site comes without the cookie (SameSite); the redirect brings it along.
        underway = await flow.begin(web.parts, pairs, cookie=NOT_SEEN, now=now)
        return browser.dress(see_other(resume_url(web, underway.sealed)))
    underway = await flow.begin(web.parts, pairs, cookie=browser.session_cookie, now=now)
    return await go_on(web, request, browser, underway, now=now)


@page_edge
async def resume(web: Web, request: Request) -> Response:
    """``GET /authorize/resume``: after the sign-in, or for the cookie's sake."""
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await flow.resume(web.parts, fields.get("request", ""), cookie=browser.session_cookie, now=now)
    return await go_on(web, request, browser, underway, now=now)


@page_edge
async def consent(web: Web, request: Request) -> Response:
    """``POST /consent``: the user's yes or no."""
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    browser.must_be_own_form(fields, web.parts.secrets)
    underway = await flow.resume(web.parts, fields.get("request", ""), now=now)
    signed_in = await browser.signed_in(now=now)
    if signed_in is None:
        return browser.dress(see_other(resume_url(web, underway.sealed)))
    if fields.get("decision") != "allow":
        return browser.dress(sent_back(web, request, flow.denied(web.parts, underway)))
    try:
        outcome = await flow.allowed(web.parts, underway, signed_in, now=now)
    except flow.Refusal as refusal:
        return browser.dress(sent_back(web, request, flow.refused(web.parts, underway, refusal.error)))
    if isinstance(outcome, Answer):
        return browser.dress(sent_back(web, request, outcome))
    return browser.dress(see_other(_sign_in_url(web, underway)))


async def go_on(web: Web, request: Request, browser: Browser, underway: Underway, *, now: float) -> Response:
    """The next thing that the user sees, or the answer on its way to the application."""
    signed_in = await browser.signed_in(now=now)
    try:
        outcome = await flow.proceed(web.parts, underway, signed_in, now=now)
    except flow.Refusal as refusal:
        outcome = flow.refused(web.parts, underway, refusal.error)
    if isinstance(outcome, Answer):
        return browser.dress(sent_back(web, request, outcome))
    if isinstance(outcome, OutOfReach):
        return browser.dress(_out_of_reach(web, request, underway, outcome))
    if isinstance(outcome, ConsentWanted) and signed_in is not None:
        return browser.dress(await _ask_consent(web, request, browser, underway, outcome, signed_in))
    return browser.dress(see_other(_sign_in_url(web, underway)))


def _out_of_reach(web: Web, request: Request, underway: Underway, outcome: OutOfReach) -> Response:
    return error_page_with_way_back(
        web,
        request,
        "out_of_reach",
        outcome.answer,
        status=403,
        ui_locales=underway.request.ui_locales,
        account_url=f"{web.parts.issuer}/account",
        other_user_url=_sign_in_url(web, underway),
    )


async def _ask_consent(
    web: Web, request: Request, browser: Browser, underway: Underway, wanted: ConsentWanted, signed_in: SignedIn
) -> Response:
    client, redirect = underway.client, underway.request.redirect_uri
    catalog = (await web.parts.directory.offer(now=web.parts.clock.now())).catalog
    return web.pages.page(
        "consent",
        locales=locales_of(request, underway.request.ui_locales),
        form_targets=targets_of(redirect),
        action=f"{web.parts.issuer}/consent",
        csrf=browser.form_token(),
        request=underway.sealed,
        client_name=client.name or client.client_id,
        client_id=client.client_id,
        redirect_host=urlsplit(redirect).hostname or urlsplit(redirect).scheme,
        apis=[
            (
                audience,
                sorted(permission.scope_for(wanted.scope, audience, catalog=catalog, issuer=web.parts.issuer).of_apis),
            )
            for audience in wanted.audiences
            if audience != web.parts.issuer
        ],
        openid_scopes=sorted(wanted.scope & OPENID_SCOPES),
        lifetime_days=round(web.parts.lifetimes.refresh_of(client.lifetime).absolute / 86400),
        is_loopback=not consent_rule.proves_itself(redirect),
        username=signed_in.user.username,
        other_user_url=_sign_in_url(web, underway),
    )


def _sign_in_url(web: Web, underway: Underway) -> str:
    path = "sign-up" if "create" in underway.request.prompt else "login"
    return f"{web.parts.issuer}/{path}?{urlencode({'request': underway.sealed})}"


def resume_url(web: Web, sealed: str) -> str:
    """Where the browser goes after the sign-in."""
    return f"{web.parts.issuer}/authorize/resume?{urlencode({'request': sealed})}"
