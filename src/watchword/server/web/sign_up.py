"""The sign-up page, where the operator left the door open: a plain form, working without scripts.

Implements: RFC 9700 §4.12, §4.16; OWASP ASVS 5.0 §7.2.4.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import OAuthError
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.domain.second_step import SecondStep
from watchword.server.flows.authorize import Underway
from watchword.server.flows.sign_in import PasswordSignIn, sign_in
from watchword.server.flows.sign_up import SignUp
from watchword.server.flows.sign_up import sign_up as flow
from watchword.server.web.browser import Browser, read_fields, single
from watchword.server.web.context import Web
from watchword.server.web.page_answers import page_edge
from watchword.server.web.second_step import show_second_step
from watchword.server.web.sign_in_page import (
    client_name,
    locale_within,
    locales_within,
    paced,
    problem_of,
    status_of,
    targets_within,
    url_within,
)
from watchword.server.web.signing_in import sign_in_at_pages, underway_of


@page_edge
async def sign_up(web: Web, request: Request) -> Response:
    """``GET /sign-up`` and ``POST /sign-up``."""
    if not web.parts.sign_up_open:
        raise NotToBeRedirected("not_found", "sign-up is closed")
    now = web.parts.clock.now()
    browser = Browser(web, request)
    fields = single(await read_fields(request))
    underway = await underway_of(web, fields, now=now)
    if request.method != "POST":
        return _show(web, request, browser, underway, fields)
    browser.must_be_own_form(fields, web.parts.secrets)
    network = web.network.origin(request).network
    asked = SignUp(
        username=fields.get("username", ""),
        password=fields.get("password", ""),
        email=fields.get("email") or None,
        network=network,
        locale=locale_within(request, underway),
    )
    try:
        await flow(web.parts, asked, now=now)
        offered = PasswordSignIn(username=asked.username, password=asked.password, network=network)
        _, proof = await sign_in(web.parts, offered, now=now)
    except OAuthError as refusal:
        return _show(web, request, browser, underway, fields, refusal=refusal)
    if isinstance(proof, SecondStep):
        return show_second_step(web, request, browser, underway, proof)
    if asked.email is not None and web.parts.sends_mail:
        browser.tell_done("email_sent")
    try:
        return await sign_in_at_pages(web, request, browser, proof, underway, now=now)
    except OAuthError:
        raise NotToBeRedirected("expired", "the account was disabled meanwhile") from None


def _show(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    fields: dict[str, str],
    *,
    refusal: OAuthError | None = None,
) -> Response:
    response = web.pages.page(
        "sign_up",
        locales=locales_within(request, underway),
        status=200 if refusal is None else status_of(refusal),
        form_targets=targets_within(underway),
        action=f"{web.parts.issuer}/sign-up",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        username=fields.get("username", ""),
        email=fields.get("email", ""),
        problem=problem_of(refusal),
        explanation="" if refusal is None else refusal.description,
        retry_after=None if refusal is None else refusal.retry_after,
        client_name=client_name(underway),
        sign_in_url=url_within(web, "login", underway),
    )
    return browser.dress(paced(response, refusal))
