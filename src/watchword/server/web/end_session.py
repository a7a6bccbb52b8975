"""End-session endpoint: an application signs its user out here as well.

Implements: OpenID Connect RP-Initiated Logout 1.0 §2, §3.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.redirect_uri import origin_of
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.flows.end_session import BadLogout, Logout, sign_out_browser, understand
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locales_of, page_edge, see_other

_KEPT = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@page_edge
async def end_session(web: Web, request: Request) -> Response:
    """``GET /end_session`` and ``POST /end_session``; the user's own confirmation comes back by POST as well."""
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    if request.method == "POST" and browser.session_cookie is None and "csrf" not in fields:
        # A form from another site comes without the cookie (SameSite), so nobody's session would end, and the answer
        # would take the cookie away unasked. The redirect brings it along.
        return see_other(f"{web.parts.issuer}/end_session?{urlencode(fields)}")
    signed_in = await browser.signed_in(now=now)
    asked = [(name, value) for name, value in fields.items() if name in _KEPT]
    try:
        logout = await understand(web.parts, asked, signed_in, now=now)
    except BadLogout as refusal:
        raise NotToBeRedirected(refusal.problem, str(refusal)) from None
    if signed_in is not None and not logout.confirmed:
        if "csrf" not in fields or request.method != "POST":
            return browser.dress(_ask(web, request, browser, logout, dict(asked), signed_in.user.username))
        browser.must_be_own_form(fields, web.parts.secrets)
    if logout.sid is not None:
        await sign_out_browser(web.parts, logout.sid, now=now)
    if browser.session_cookie is not None:
        browser.forget()
    if logout.continue_url is not None:
        return browser.dress(see_other(logout.continue_url))
    return browser.dress(
        web.pages.page("signed_out", locales=locales_of(request), continue_url=None, client_name=_client_name(logout))
    )


def _ask(
    web: Web, request: Request, browser: Browser, logout: Logout, hidden: dict[str, str], username: str
) -> Response:
    target = None if logout.continue_url is None else origin_of(logout.continue_url)
    return web.pages.page(
        "sign_out",
        locales=locales_of(request),
        form_targets=[] if target is None else [target],
        action=f"{web.parts.issuer}/end_session",
        csrf=browser.form_token(),
        hidden=hidden,
        username=username,
        client_name=_client_name(logout),
    )


def _client_name(logout: Logout) -> str | None:
    return None if logout.client is None else logout.client.name or logout.client.client_id
