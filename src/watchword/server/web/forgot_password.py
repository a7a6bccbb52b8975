"""``/forgot-password``: asks for a link by mail. The answer is the same for everybody.

Implements: OpenID Connect Core 1.0 §3.1.2.1 (``ui_locales``); OWASP ASVS 5.0 §6.3.8, §6.4.3.
"""

import math

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import TooManyTries
from watchword.server.flows.authorize import Underway
from watchword.server.flows.reset_password import Forgotten, ask
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.links import must_send_mail
from watchword.server.web.page_answers import page_edge, see_other
from watchword.server.web.sign_in_page import locale_within, locales_within, url_within
from watchword.server.web.signing_in import underway_of

_SENT = "link_sent"


@page_edge
async def forgot_password(web: Web, request: Request) -> Response:
    """``GET /forgot-password`` shows the form, ``POST`` takes it. An application's request goes along, and back."""
    must_send_mail(web)
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await underway_of(web, fields, now=now)
    if request.method != "POST":
        return _show(web, request, browser, underway, sent=browser.done((_SENT,)) is not None)
    browser.must_be_own_form(fields, web.parts.secrets)
    asked = Forgotten(
        typed=fields.get("username", ""),
        network=web.network.origin(request).network,
        locale=locale_within(request, underway),
    )
    try:
        await ask(web.parts, asked, now=now)
    except TooManyTries as refusal:
        return _show(web, request, browser, underway, sent=False, refusal=refusal)
    browser.tell_done(_SENT)
    return browser.dress(see_other(url_within(web, "forgot-password", underway)))


def _show(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    *,
    sent: bool,
    refusal: TooManyTries | None = None,
) -> Response:
    response = web.pages.page(
        "forgot_password",
        locales=locales_within(request, underway),
        status=200 if refusal is None else refusal.status,
        action=f"{web.parts.issuer}/forgot-password",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        sent=sent,
        problem=None if refusal is None else "throttled",
        retry_after=None if refusal is None or refusal.retry_after is None else math.ceil(refusal.retry_after),
        sign_in_url=url_within(web, "login", underway),
    )
    return browser.dress(response)
