"""Passkeys on pages: what the sign-in and account pages show of them, and how one is added and removed.

Implements: W3C Web Authentication Level 3 §5.1.8, §5.1.10, §7.1; OWASP ASVS 5.0 §6.5.6, §7.5.1.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import base64url, strict_json
from watchword.protocol.errors import InvalidCredentials
from watchword.server.domain import passkey as rule
from watchword.server.domain.device import system_name
from watchword.server.domain.identifiers import parse_passkey_name
from watchword.server.domain.passkey_challenge import LIFETIME
from watchword.server.flows import passkeys as flow
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SessionOver, SignInAnew
from watchword.server.flows.passkeys import Begun, CannotAdd, Returned
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.new_codes import show_added, shown_already
from watchword.server.web.own_form import ShownBefore, own_form, to_account, to_sign_in, to_sign_in_anew
from watchword.server.web.page_answers import locale_of, locales_of, page_edge
from watchword.server.web.passkey_offer import must_have_passkeys


async def account_section(web: Web, signed_in: SignedIn) -> dict[str, Any] | None:
    """What the account page shows of the user's passkeys; None where there are none, and none to be had."""
    held, offered = await flow.passkeys_of(web.parts, signed_in.user), web.parts.passkeys
    if offered is None and not held:
        return None
    ids = {passkey.credential_id: base64url.encode(passkey.credential_id) for passkey in held}
    accepted = None if offered is None else flow.accepted(offered, signed_in.user, held)
    return {
        "held": [
            {
                "credential_id": ids[passkey.credential_id],
                "name": passkey.name,
                "synchronised": passkey.backed_up,
                "created_at": passkey.created_at,
                "last_used_at": passkey.last_used_at,
            }
            for passkey in held
        ],
        "may_add": offered is not None and len(held) < rule.MOST,
        "full": len(held) >= rule.MOST,
        "accepted": "null" if accepted is None else strict_json.render_object(accepted).decode(),
    }


@page_edge
async def new(web: Web, request: Request) -> Response:
    """``GET /account/passkeys/new``: the page that makes one."""
    must_have_passkeys(web)
    now = web.parts.clock.now()
    browser = Browser(web, request)
    signed_in = await browser.signed_in(now=now)
    if signed_in is None:
        return to_sign_in(web, browser)
    # What the key most often lives in; the script has another name where the browser says that it does not.
    device = system_name(request.headers.get("user-agent", "")) or "Passkey"
    return await _page(web, request, browser, signed_in, name=device, now=now)


@page_edge
async def add(web: Web, request: Request) -> Response:
    """``POST /account/passkeys``: the passkey that was made."""
    must_have_passkeys(web)
    now = web.parts.clock.now()
    try:
        form = await own_form(web, request, now=now, shows_once=True)
    except ShownBefore as before:
        return shown_already(web, before.browser)
    browser, fields, signed_in = form.browser, form.fields, form.signed_in
    if signed_in is None:
        return to_sign_in(web, browser)
    typed = fields.get("name", "")
    returned = Returned(
        sealed=fields.get("challenge", ""),
        response=fields.get("credential", ""),
        browser=browser.imprint(),
        locale=locale_of(request),
    )
    try:
        name = parse_passkey_name(typed)
        added = await flow.register(web.parts, signed_in, returned, name=name, now=now)
    except SignInAnew as wanted:
        return to_sign_in_anew(web, browser, wanted)
    except SessionOver:
        return to_sign_in(web, browser)
    except InvalidCredentials as refusal:
        web.parts.telemetry.tell(refusal.slug, path=request.scope["path"], detail=refusal.detail)
        problem = "refused"
    except CannotAdd as refusal:
        problem = refusal.why
    except ValueError:
        problem = "name"
    else:
        return show_added(web, request, form, added, done="passkey_added")
    return await _page(web, request, browser, signed_in, name=typed[: rule.MAX_NAME], problem=problem, now=now)


@page_edge
async def remove(web: Web, request: Request) -> Response:
    """``POST /account/passkeys/remove``."""
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    if form.signed_in is None:
        return to_sign_in(web, form.browser)
    try:
        credential_id = base64url.decode(form.fields.get("credential_id", ""))
    except ValueError:
        return to_account(web, form.browser)
    try:
        cookie = await flow.remove(web.parts, form.signed_in, credential_id, now=now, locale=locale_of(request))
    except SignInAnew as wanted:
        return to_sign_in_anew(web, form.browser, wanted)
    except InvalidCredentials:
        return to_sign_in(web, form.browser)
    if cookie is not None:
        form.browser.keep(cookie)
    return to_account(web, form.browser, done="passkey_removed")


async def _page(
    web: Web,
    request: Request,
    browser: Browser,
    signed_in: SignedIn,
    *,
    name: str,
    problem: str | None = None,
    now: float,
) -> Response:
    try:
        begun = await flow.begin_registration(web.parts, signed_in, browser=browser.imprint(), now=now)
    except SignInAnew as wanted:
        return to_sign_in_anew(web, browser, wanted)
    except CannotAdd:
        # The account page says why there is no more room.
        return to_account(web, browser)
    response = web.pages.page(
        "new_passkey",
        locales=locales_of(request),
        status=200 if problem is None else 400,
        action=f"{web.parts.issuer}/account/passkeys",
        csrf=browser.form_token(),
        options=_json(begun),
        challenge=begun.sealed,
        lifetime=int(LIFETIME),
        name=name,
        problem=problem,
        account_url=f"{web.parts.issuer}/account",
    )
    return browser.dress(response)


def _json(begun: Begun) -> str:
    return strict_json.render_object(begun.options).decode()
