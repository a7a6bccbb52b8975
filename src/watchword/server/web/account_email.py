"""The account page's section on the e-mail address: whether it is proved, another link, another address.

Implements: OWASP ASVS 5.0 §6.3.7, §7.5.1.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidCredentials, InvalidRequest, TooManyTries
from watchword.server.flows import verify_email as flow
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import SignInAnew
from watchword.server.flows.links import LinkDead
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.links import must_send_mail
from watchword.server.web.own_form import own_form, to_account, to_sign_in, to_sign_in_anew
from watchword.server.web.page_answers import locale_of, page_edge, see_other

# What the account page is told to say, by the slug of the refusal, and what it calls it.
_PROBLEMS: Final = {"email.malformed": "malformed", "email.same": "same", "email.throttled": "throttled"}


async def account_section(web: Web, browser: Browser, signed_in: SignedIn, *, now: float) -> dict[str, Any]:
    """What the account page shows of the address."""
    refused = browser.done(_PROBLEMS)
    return {
        "address": signed_in.user.email,
        "verified": signed_in.user.email_verified,
        "sends_mail": web.parts.sends_mail,
        "problem": None if refused is None else _PROBLEMS[refused],
        "waiting_url": await _waiting_url(web, browser, signed_in, now=now),
    }


async def _waiting_url(web: Web, browser: Browser, signed_in: SignedIn, *, now: float) -> str | None:
    """Where a link goes on that its user opened before he was signed in."""
    if browser.link is None or not web.parts.sends_mail:
        return None
    try:
        proof = await flow.proof_of(web.parts, signed_in, browser.link, now=now)
    except LinkDead:
        return None
    return None if proof is None else f"{web.parts.issuer}/verify-email"


@page_edge
async def change(web: Web, request: Request) -> Response:
    """``POST /account/email``: a link to another address."""
    must_send_mail(web)
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    if form.signed_in is None:
        return to_sign_in(web, form.browser)
    typed, network = form.fields.get("email", ""), web.network.origin(request).network
    try:
        await flow.ask_for_change(web.parts, form.signed_in, typed, now=now, network=network, locale=locale_of(request))
    except SignInAnew as wanted:
        return to_sign_in_anew(web, form.browser, wanted)
    except InvalidCredentials:
        return to_sign_in(web, form.browser)
    except (InvalidRequest, TooManyTries) as refusal:
        return _refused(web, form.browser, refusal)
    return to_account(web, form.browser, done="email_sent")


@page_edge
async def send_again(web: Web, request: Request) -> Response:
    """``POST /account/email/send``: another link for the address that is there."""
    must_send_mail(web)
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    if form.signed_in is None:
        return to_sign_in(web, form.browser)
    try:
        network = web.network.origin(request).network
        await flow.send_again(web.parts, form.signed_in, now=now, network=network, locale=locale_of(request))
    except InvalidCredentials:
        return to_sign_in(web, form.browser)
    except TooManyTries as refusal:
        return _refused(web, form.browser, refusal)
    return to_account(web, form.browser, done="email_sent")


def _refused(web: Web, browser: Browser, refusal: InvalidRequest | TooManyTries) -> Response:
    browser.tell_done(refusal.slug)
    return browser.dress(see_other(f"{web.parts.issuer}/account#email"))
