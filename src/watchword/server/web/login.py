"""The sign-in page: a plain form for name and password, working without scripts.

Implements: OpenID Connect Core 1.0 §3.1.2.3; RFC 9700 §4.12, §4.16; OWASP ASVS 5.0 §6.3.8, §7.2.4, §7.5.1.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidCredentials, TemporarilyUnavailable, TooManyTries
from watchword.server.domain.second_step import Demand, SecondStep
from watchword.server.flows.authorize import Underway
from watchword.server.flows.sign_in import PasswordSignIn, sign_in
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import page_edge
from watchword.server.web.second_step import show_second_step
from watchword.server.web.sign_in_page import again_of, show_sign_in, wanted
from watchword.server.web.signing_in import sign_in_at_pages, underway_of


@page_edge
async def login(web: Web, request: Request) -> Response:
    """``GET /login`` shows the form, ``POST /login`` takes it.

    With ``again`` it says why somebody who is signed in is asked once more, and how strongly.
    """
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await underway_of(web, fields, now=now)
    again = None if underway is not None else again_of(fields)
    if request.method != "POST":
        username = await _known_name(browser, underway, again, now=now)
        return show_sign_in(web, request, browser, underway, username=username, again=again)
    browser.must_be_own_form(fields, web.parts.secrets)
    username = fields.get("username", "")
    offered = PasswordSignIn(
        username=username, password=fields.get("password", ""), network=web.network.origin(request).network
    )
    try:
        # What is changed about the account is changed by nothing weaker than what it has.
        demand = Demand(wanted=wanted(underway, again), for_change=again is not None)
        _, proof = await sign_in(web.parts, offered, now=now, demand=demand)
        if isinstance(proof, SecondStep):
            return show_second_step(web, request, browser, underway, proof, again=again)
        return await sign_in_at_pages(web, request, browser, proof, underway, now=now)
    except (InvalidCredentials, TooManyTries, TemporarilyUnavailable) as refusal:
        return show_sign_in(web, request, browser, underway, username=username, refusal=refusal, again=again)


async def _known_name(browser: Browser, underway: Underway | None, again: str | None, *, now: float) -> str:
    if underway is not None:
        return underway.request.login_hint or ""
    signed_in = None if again is None else await browser.signed_in(now=now)
    return "" if signed_in is None else signed_in.user.username
