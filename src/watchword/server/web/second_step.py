"""The second step at the pages: one field for a code, and a place for a recovery code.

Between the two steps nobody is signed in: what is known travels sealed in the form, for the browser that typed the
password alone.

Implements: OWASP ASVS 5.0 §6.3.3, §6.5.1; RFC 9700 §4.12.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import base64url
from watchword.protocol.errors import InvalidCredentials, InvalidRequest, InvalidSession, OAuthError, TooManyTries
from watchword.server.domain.second_step import Method, SecondStep
from watchword.server.flows import second_step as flow
from watchword.server.flows.authorize import Underway
from watchword.server.flows.second_step import OfferedCode
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.own_form import own_form, to_sign_in
from watchword.server.web.page_answers import locale_of, page_edge
from watchword.server.web.sign_in_page import (
    again_of,
    client_name,
    locales_within,
    paced,
    show_sign_in,
    status_of,
    targets_within,
    url_within,
)
from watchword.server.web.signing_in import sign_in_at_pages, underway_of

_PROBLEMS: dict[type[OAuthError], str] = {
    InvalidCredentials: "wrong",
    InvalidRequest: "wrong",
    TooManyTries: "throttled",
}


@page_edge
async def second_step(web: Web, request: Request) -> Response:
    """``POST /login/second-step``; who comes there by ``GET`` begins with the password."""
    browser = Browser(web, request)
    if request.method != "POST":
        return to_sign_in(web, browser)
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    browser, fields = form.browser, form.fields
    underway = await underway_of(web, fields, now=now)
    again = None if underway is not None else again_of(fields)
    sealed = fields.get("step", "")
    try:
        step = flow.unseal(web.parts, sealed, door="pages", bound_to=_mark(browser), now=now)
    except InvalidSession as over:
        username = flow.name_in(web.parts, sealed, door="pages", bound_to=_mark(browser))
        return show_sign_in(web, request, browser, underway, username=username, refusal=over, again=again)
    network = web.network.origin(request).network
    tried: Method = "recovery_code" if fields.get("recovery_code") else "otp"
    try:
        code = OfferedCode.of(
            otp=fields.get("otp"), recovery_code=fields.get("recovery_code"), network=network, locale=locale_of(request)
        )
        _, proof = await flow.take(web.parts, step, code, now=now)
    except InvalidSession as over:
        return show_sign_in(web, request, browser, underway, username=step.username, refusal=over, again=again)
    except (InvalidCredentials, InvalidRequest, TooManyTries) as refusal:
        web.parts.telemetry.tell(refusal.slug, path=request.scope["path"], detail=refusal.detail)
        return show_second_step(
            web, request, browser, underway, step, sealed=sealed, tried=tried, refusal=refusal, again=again
        )
    try:
        return await sign_in_at_pages(web, request, browser, proof, underway, now=now)
    except InvalidCredentials:
        gone = InvalidSession(slug="second_step.over", detail="disabled or logged out in this very moment")
        return show_sign_in(web, request, browser, underway, username=step.username, refusal=gone, again=again)


def show_second_step(
    web: Web,
    request: Request,
    browser: Browser,
    underway: Underway | None,
    step: SecondStep,
    *,
    sealed: str | None = None,
    tried: Method = "otp",
    refusal: OAuthError | None = None,
    again: str | None = None,
) -> Response:
    """The page for the code.

    Args:
        web: the node.
        request: the request.
        browser: which the step is bound to.
        underway: the application's request.
        step: what is known.
        sealed: the step as it came back, where this is not the first time that the page is shown.
        tried: what was tried with.
        refusal: what came of it.
        again: the class of sign-in that is wanted of who is signed in already, to be asked for again if this is over.
    """
    if sealed is None:
        sealed = flow.seal(web.parts, step, door="pages", bound_to=_mark(browser))
    response = web.pages.page(
        "second_step",
        locales=locales_within(request, underway),
        status=200 if refusal is None else status_of(refusal),
        form_targets=targets_within(underway),
        action=f"{web.parts.issuer}/login/second-step",
        csrf=browser.form_token(),
        request="" if underway is None else underway.sealed,
        step=sealed,
        username=step.username,
        otp="otp" in step.methods,
        recovery_code="recovery_code" in step.methods,
        again_acr=again or "",
        tried_recovery_code=tried == "recovery_code",
        problem=None if refusal is None else _PROBLEMS[type(refusal)],
        retry_after=None if refusal is None else refusal.retry_after,
        client_name=client_name(underway),
        restart_url=url_within(web, "login", underway, again=again),
    )
    return browser.dress(paced(response, refusal))


def _mark(browser: Browser) -> str:
    return base64url.encode(browser.imprint())
