"""End-session endpoint: an application signs its user out here as well.

Implements: OpenID Connect RP-Initiated Logout 1.0 §2, §3.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.flows.browser_session import held
from watchword.server.flows.end_session import BadLogout, Logout, sign_out_browser, understand
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locales_of, page_edge, see_other, targets_of

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
    mine = await held(web.parts, browser.session_cookie)
    asked = [(name, value) for name, value in fields.items() if name in _KEPT]
    try:
        logout = await understand(web.parts, asked, None if mine is None else mine[0], now=now)
    except BadLogout as refusal:
        raise NotToBeRedirected(refusal.problem, str(refusal)) from None
    if mine is not None:
        session, user = mine
        if not logout.confirmed:
            if "csrf" not in fields or request.method != "POST":
                return browser.dress(_ask(web, request, browser, logout, dict(asked), user.username))
            browser.must_be_own_form(fields, web.parts.secrets)
        await sign_out_browser(web.parts, session.sid, now=now)
    if browser.session_cookie is not None:
        browser.forget()
    if logout.continue_url is not None:
        return browser.dress(see_other(logout.continue_url))
    return browser.dress(
        web.pages.page(
            "signed_out",
            locales=locales_of(request),
            client_name=_client_name(logout),
            sign_in_url=f"{web.parts.issuer}/login" if logout.client is None else None,
        )
    )


def _ask(
    web: Web, request: Request, browser: Browser, logout: Logout, hidden: dict[str, str], username: str
) -> Response:
    return web.pages.page(
        "sign_out",
        locales=locales_of(request),
        form_targets=[] if logout.continue_url is None else targets_of(logout.continue_url),
        action=f"{web.parts.issuer}/end_session",
        csrf=browser.form_token(),
        hidden=hidden,
        username=username,
        client_name=_client_name(logout),
        stay_url=f"{web.parts.issuer}/account",
    )


def _client_name(logout: Logout) -> str | None:
    return None if logout.client is None else logout.client.name or logout.client.client_id
