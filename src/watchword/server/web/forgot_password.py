"""``/forgot-password``: asks for a link by mail. The answer is the same for everybody.

Implements: OWASP ASVS 5.0 §6.3.8, §6.4.3.
"""

import math

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import TooManyTries
from watchword.server.flows.reset_password import Forgotten, ask
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.links import must_send_mail
from watchword.server.web.page_answers import locale_of, locales_of, page_edge, see_other


@page_edge
async def forgot_password(web: Web, request: Request) -> Response:
    """``GET /forgot-password`` shows the form, ``POST`` takes it."""
    must_send_mail(web)
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    if request.method != "POST":
        return _show(web, request, browser, sent=fields.get("done") == "sent")
    browser.must_be_own_form(fields, web.parts.secrets)
    asked = Forgotten(
        typed=fields.get("username", ""), network=web.network.origin(request).network, locale=locale_of(request)
    )
    try:
        await ask(web.parts, asked, now=web.parts.clock.now())
    except TooManyTries as refusal:
        return _show(web, request, browser, sent=False, refusal=refusal)
    return browser.dress(see_other(f"{web.parts.issuer}/forgot-password?done=sent"))


def _show(web: Web, request: Request, browser: Browser, *, sent: bool, refusal: TooManyTries | None = None) -> Response:
    response = web.pages.page(
        "forgot_password",
        locales=locales_of(request),
        status=200 if refusal is None else refusal.status,
        action=f"{web.parts.issuer}/forgot-password",
        csrf=browser.form_token(),
        sent=sent,
        problem=None if refusal is None else "throttled",
        retry_after=None if refusal is None or refusal.retry_after is None else math.ceil(refusal.retry_after),
        sign_in_url=f"{web.parts.issuer}/login",
    )
    return browser.dress(response)
