"""The authenticator app and the recovery codes on the account page: set up, turned off, made anew.

Implements: RFC 6238 §5.1; OWASP ASVS 5.0 §6.5.6, §7.5.1.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import base64url
from watchword.protocol.errors import InvalidCredentials
from watchword.server.domain.factors import Factors
from watchword.server.flows import authenticator_app as flow
from watchword.server.flows import recovery_codes
from watchword.server.flows.authenticator_app import AlreadySetUp, SetUp, SetUpOver, WrongCode
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SignInAnew
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.new_codes import show_added, show_new_codes, shown_already
from watchword.server.web.own_form import ShownBefore, own_form, to_account, to_sign_in, to_sign_in_anew
from watchword.server.web.page_answers import locale_of, locales_of, page_edge, see_other
from watchword.server.web.qr_code import drawn

_GROUP: Final = 4
_ONCE_BYTES: Final = 16


def account_section(web: Web, factors: Factors) -> dict[str, Any]:
    """What the account page shows of the second step. ``once``: what makes its form for new codes another each time."""
    return {
        "on": factors.totp,
        "recovery_codes": factors.recovery_codes,
        "may_make_codes": factors.totp or factors.passkeys > 0,
        "once": base64url.encode(web.parts.entropy.draw(_ONCE_BYTES)),
    }


@page_edge
async def set_up(web: Web, request: Request) -> Response:
    """``GET /account/totp`` shows a new seed, ``POST /account/totp`` takes the first code of it."""
    now = web.parts.clock.now()
    if request.method == "POST":
        return await _confirm(web, request, now=now)
    browser = Browser(web, request)
    signed_in = await browser.signed_in(now=now)
    if signed_in is None:
        return to_sign_in(web, browser)
    try:
        begun = await flow.begin(web.parts, signed_in, now=now)
    except SignInAnew as wanted:
        return to_sign_in_anew(web, browser, wanted)
    except AlreadySetUp:
        return to_account(web, browser)
    return _page(web, request, browser, signed_in, begun)


async def _confirm(web: Web, request: Request, *, now: float) -> Response:
    try:
        form = await own_form(web, request, now=now, shows_once=True)
    except ShownBefore as before:
        return shown_already(web, before.browser)
    browser, signed_in = form.browser, form.signed_in
    if signed_in is None:
        return to_sign_in(web, browser)
    try:
        begun = flow.resume(web.parts, signed_in, form.fields.get("pending", ""), now=now)
    except SetUpOver:
        # Another seed, on a page that begins anew.
        return browser.dress(see_other(f"{web.parts.issuer}/account/totp"))
    try:
        added = await flow.confirm(
            web.parts, signed_in, begun, form.fields.get("otp", ""), now=now, locale=locale_of(request)
        )
    except WrongCode:
        return _page(web, request, browser, signed_in, begun, problem="wrong")
    except SignInAnew as wanted:
        return to_sign_in_anew(web, browser, wanted)
    except AlreadySetUp:
        return to_account(web, browser)
    except InvalidCredentials:
        return to_sign_in(web, browser)
    return show_added(web, request, form, added, done="totp_added")


@page_edge
async def turn_off(web: Web, request: Request) -> Response:
    """``POST /account/totp/remove``."""
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    if form.signed_in is None:
        return to_sign_in(web, form.browser)
    try:
        cookie = await flow.turn_off(web.parts, form.signed_in, now=now, locale=locale_of(request))
    except SignInAnew as wanted:
        return to_sign_in_anew(web, form.browser, wanted)
    except InvalidCredentials:
        return to_sign_in(web, form.browser)
    if cookie is None:
        return to_account(web, form.browser)
    form.browser.keep(cookie)
    return to_account(web, form.browser, done="totp_removed")


@page_edge
async def make_codes(web: Web, request: Request) -> Response:
    """``POST /account/recovery-codes``: new ones, in the place of those before. One form makes them once."""
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    if form.signed_in is None:
        return to_sign_in(web, form.browser)
    try:
        once = form.fields.get("once", "")
        codes = await recovery_codes.new_codes(web.parts, form.signed_in, once=once, now=now, locale=locale_of(request))
    except SignInAnew as wanted:
        return to_sign_in_anew(web, form.browser, wanted)
    except recovery_codes.NothingToRecover:
        return to_account(web, form.browser)
    except recovery_codes.MadeAlready:
        return shown_already(web, form.browser)
    except InvalidCredentials:
        return to_sign_in(web, form.browser)
    return show_new_codes(web, request, form.browser, codes)


def _page(
    web: Web, request: Request, browser: Browser, signed_in: SignedIn, begun: SetUp, *, problem: str | None = None
) -> Response:
    uri = begun.uri(issuer=web.pages.site_name, username=signed_in.user.username)
    secret = begun.secret
    page = web.pages.page(
        "totp",
        locales=locales_of(request),
        status=200 if problem is None else 400,
        action=f"{web.parts.issuer}/account/totp",
        csrf=browser.form_token(),
        pending=begun.sealed,
        secret=[secret[start : start + _GROUP] for start in range(0, len(secret), _GROUP)],
        uri=uri,
        qr=drawn(uri),
        problem=problem,
        account_url=f"{web.parts.issuer}/account",
    )
    return browser.dress(page)
