"""The account page: what a user sees and changes of himself.

Implements: OWASP ASVS 5.0 §7.4.3, §7.4.5, §7.5.1, §7.5.2.
"""

import math
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import (
    InvalidCredentials,
    OAuthError,
    PasswordRefused,
    TemporarilyUnavailable,
    TooManyTries,
)
from watchword.server.domain.device import device_name
from watchword.server.domain.session import Session
from watchword.server.flows import account as flow
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SessionOver, SignInAnew, enrolled
from watchword.server.web import account_email, authenticator_app, passkeys
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.own_form import to_account, to_sign_in, to_sign_in_anew
from watchword.server.web.page_answers import locale_of, locales_of, page_edge, see_other

_PROBLEMS: dict[type[OAuthError], str] = {
    InvalidCredentials: "current",
    PasswordRefused: "password",
    TooManyTries: "throttled",
    TemporarilyUnavailable: "busy",
}
_FLASHES = (
    "codes_shown",
    *("password_changed", "session_ended", "application_removed"),
    *("passkey_added", "passkey_removed", "totp_added", "totp_removed"),
    *("email_sent", "email_verified", "email_changed"),
)


@page_edge
async def show(web: Web, request: Request) -> Response:
    """``GET /account``."""
    browser = Browser(web, request)
    signed_in = await browser.signed_in(now=web.parts.clock.now())
    if signed_in is None:
        if browser.done(("session_ended",)):
            # It was this very one.
            browser.tell_done("signed_out")
        return to_sign_in(web, browser)
    return await _page(web, request, browser, signed_in, flash=browser.done(_FLASHES))


@page_edge
async def change_password(web: Web, request: Request) -> Response:
    """``POST /account/password``."""
    now = web.parts.clock.now()
    browser, fields, signed_in = await _own_form(web, request, now=now)
    if signed_in is None:
        return browser.dress(see_other(f"{web.parts.issuer}/login"))
    wanted = fields.get("new_password", "")
    if wanted != fields.get("repeated_password", ""):
        return await _page(web, request, browser, signed_in, problem="mismatch")
    asked = flow.NewPassword(
        current=fields.get("current_password", ""),
        wanted=wanted,
        network=web.network.origin(request).network,
        locale=locale_of(request),
    )
    try:
        browser.keep(await flow.change_password(web.parts, signed_in, asked, now=now))
    except SessionOver:
        return to_sign_in(web, browser)
    except SignInAnew as wanted:
        return to_sign_in_anew(web, browser, wanted)
    except (InvalidCredentials, PasswordRefused, TooManyTries, TemporarilyUnavailable) as refusal:
        return await _page(web, request, browser, signed_in, refusal=refusal)
    return to_account(web, browser, done="password_changed")


async def _act(
    web: Web, request: Request, act: Callable[[SignedIn, dict[str, str], float], Awaitable[None]], done: str
) -> Response:
    now = web.parts.clock.now()
    browser, fields, signed_in = await _own_form(web, request, now=now)
    if signed_in is not None:
        await act(signed_in, fields, now)
    return to_account(web, browser, done=done)


@page_edge
async def end_session(web: Web, request: Request) -> Response:
    """``POST /account/end-session``: one device."""

    async def act(signed_in: SignedIn, fields: dict[str, str], now: float) -> None:
        await flow.end_one_session(web.parts, signed_in, fields.get("sid", ""), now=now)

    return await _act(web, request, act, "session_ended")


@page_edge
async def everywhere(web: Web, request: Request) -> Response:
    """``POST /account/everywhere``: all devices, this one too."""
    now = web.parts.clock.now()
    browser, _, signed_in = await _own_form(web, request, now=now)
    if signed_in is None:
        return browser.dress(see_other(f"{web.parts.issuer}/login"))
    await flow.log_out_everywhere(web.parts, signed_in, now=now)
    browser.forget()
    # Nobody is signed in any more: the sign-in page says what was done.
    browser.tell_done("everywhere")
    return to_sign_in(web, browser)


@page_edge
async def remove_application(web: Web, request: Request) -> Response:
    """``POST /account/remove-application``."""

    async def act(signed_in: SignedIn, fields: dict[str, str], now: float) -> None:
        await flow.remove_application(web.parts, signed_in, fields.get("client_id", ""), now=now)

    return await _act(web, request, act, "application_removed")


async def _own_form(web: Web, request: Request, *, now: float) -> tuple[Browser, dict[str, str], SignedIn | None]:
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    browser.must_be_own_form(fields, web.parts.secrets)
    return browser, fields, await browser.signed_in(now=now)


async def _page(
    web: Web,
    request: Request,
    browser: Browser,
    signed_in: SignedIn,
    *,
    flash: str | None = None,
    problem: str | None = None,
    refusal: OAuthError | None = None,
) -> Response:
    now = web.parts.clock.now()
    found = await flow.overview(web.parts, signed_in, now=now)
    names = {}
    for consent in found.consents:
        client = await web.parts.directory.client(consent.client_id, now=now)
        names[consent.client_id] = consent.client_id if client is None else client.name or client.client_id
    wrong = problem or (None if refusal is None else _PROBLEMS[type(refusal)])
    response = web.pages.page(
        "account",
        locales=locales_of(request),
        status=200 if wrong is None else 400,
        action=f"{web.parts.issuer}/account",
        username=signed_in.user.username,
        csrf=browser.form_token(),
        flash=flash,
        problem=wrong,
        explanation="" if refusal is None else refusal.description,
        retry_after=None if refusal is None or refusal.retry_after is None else math.ceil(refusal.retry_after),
        now=now,
        sessions=[_session(session, signed_in) for session in found.sessions],
        applications=[
            {
                "client_id": consent.client_id,
                "name": names[consent.client_id],
                "scopes": consent.scope,
                "granted_at": consent.granted_at,
            }
            for consent in found.consents
        ],
        sign_out_url=f"{web.parts.issuer}/end_session",
        email_section=await account_email.account_section(web, browser, signed_in, now=now),
        passkeys=await passkeys.account_section(web, signed_in),
        second_step=authenticator_app.account_section(web, await enrolled(web.parts, signed_in.user.sub)),
    )
    return browser.dress(response)


def _session(session: Session, signed_in: SignedIn) -> dict[str, object]:
    return {
        "sid": session.sid,
        "device": device_name(session.device),
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at or session.created_at,
        "current": session.sid == signed_in.session.sid,
    }
