"""``/reset-password``: a new password by a link from a mail.

Implements: OWASP ASVS 5.0 §6.2.1, §6.4.1, §6.4.3; RFC 9700 §4.12.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import OAuthError, PasswordRefused, TemporarilyUnavailable
from watchword.server.flows.links import LinkDead
from watchword.server.flows.reset_password import account_of, reset
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.links import dead_link, must_send_mail
from watchword.server.web.page_answers import locale_of, locales_of, page_edge, see_other


@page_edge
async def reset_password(web: Web, request: Request) -> Response:
    """``GET /reset-password`` shows the form, ``POST`` takes it. Who did it signs in afterwards, as he always does."""
    must_send_mail(web)
    now = web.parts.clock.now()
    browser = Browser(web, request)
    try:
        if request.method != "POST":
            return await _show(web, request, browser, now=now)
        fields = single(await read_fields(request))
        browser.must_be_own_form(fields, web.parts.secrets)
        if not browser.is_for_link(fields):
            return await _show(web, request, browser, now=now, problem="other_link")
        wanted = fields.get("new_password", "")
        if wanted != fields.get("repeated_password", ""):
            return await _show(web, request, browser, now=now, problem="mismatch")
        try:
            network = web.network.origin(request).network
            await reset(web.parts, browser.link, wanted, network=network, now=now, locale=locale_of(request))
        except PasswordRefused as refusal:
            return await _show(web, request, browser, now=now, problem="password", refusal=refusal)
        except TemporarilyUnavailable as refusal:
            return await _show(web, request, browser, now=now, problem="busy", refusal=refusal)
    except LinkDead:
        return dead_link(web, request, browser, "reset_password")
    browser.drop_link()
    browser.tell_done("password_reset")
    return browser.dress(see_other(f"{web.parts.issuer}/login"))


async def _show(
    web: Web,
    request: Request,
    browser: Browser,
    *,
    now: float,
    problem: str | None = None,
    refusal: OAuthError | None = None,
) -> Response:
    user = await account_of(web.parts, browser.link, now=now)
    response = web.pages.page(
        "reset_password",
        locales=locales_of(request),
        status=200 if problem is None else 400,
        action=f"{web.parts.issuer}/reset-password",
        csrf=browser.form_token(),
        link=browser.link_shown(),
        username=user.username,
        problem=problem,
        explanation="" if refusal is None else refusal.description,
    )
    return browser.dress(response)
