"""``/link``: where links in mails lead. Their token goes into a cookie, and out of the address.

Programs that look for harm fetch every link in a mail, so fetching one shows and uses up nothing.

Implements: RFC 6265bis §4.1.3.2 (``__Host-``); RFC 9700 §4.2.4 (``Referrer-Policy``); OWASP ASVS 5.0 §14.2.1.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.domain.one_time_link import Purpose
from watchword.server.flows.links import LinkDead, purpose_of
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import locales_of, page_edge, see_other

_LEADS_TO: Final[dict[Purpose, str]] = {"reset_password": "/reset-password", "verify_email": "/verify-email"}


@page_edge
async def link(web: Web, request: Request) -> Response:
    """``GET /link``.

    Only a browser that shows the page to its user does anything here, no image or frame that another site made.
    """
    must_send_mail(web)
    if request.headers.get("sec-fetch-dest", "document") != "document":
        raise NotToBeRedirected("forbidden", "a link from a mail is opened by itself, in a window of its own")
    token = single(await read_fields(request)).get("token", "")
    browser = Browser(web, request)
    try:
        purpose = await purpose_of(web.parts, token, now=web.parts.clock.now())
    except LinkDead:
        return dead_link(web, request, browser)
    # HEAD is for programs that look through mail. There is one such cookie: a form that was shown for another link is
    # refused (see Browser.is_for_link), so that a link put in the place of the user's own shows whose account it is.
    if request.method == "GET":
        browser.keep_link(token)
    return browser.dress(see_other(web.parts.issuer + _LEADS_TO[purpose]))


def must_send_mail(web: Web) -> None:
    """Return where mail is sent; elsewhere there are no links, and no pages for them.

    Raises:
        NotToBeRedirected: none is sent here.
    """
    if not web.parts.sends_mail:
        raise NotToBeRedirected("not_found", "no mail is sent here")


def dead_link(web: Web, request: Request, browser: Browser, purpose: Purpose | None = None) -> Response:
    """The page for a link that does nothing (any more): it says how to get another one. ``purpose``: where known."""
    web.parts.telemetry.tell("link.dead", path=request.scope["path"])
    browser.drop_link()
    issuer = web.parts.issuer
    response = web.pages.page(
        "dead_link",
        locales=locales_of(request),
        status=410,
        forgotten_url=None if purpose == "verify_email" else f"{issuer}/forgot-password",
        account_url=None if purpose == "reset_password" else f"{issuer}/account",
    )
    return browser.dress(response)
