"""``/verify-email``: the user of an account proves, by a link from a mail, that its address is his.

Implements: OWASP ASVS 5.0 §7.4.3, §7.5.1; NIST SP 800-63B-4 §4.1.1.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidCredentials
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.links import LinkDead
from watchword.server.flows.verify_email import Proof, proof_of, prove
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.links import dead_link, must_send_mail
from watchword.server.web.own_form import own_form, to_account, to_sign_in
from watchword.server.web.page_answers import locale_of, locales_of, page_edge


@page_edge
async def show(web: Web, request: Request) -> Response:
    """``GET /verify-email``: account and address, and one button. Who is not signed in is asked to, and comes back."""
    must_send_mail(web)
    now = web.parts.clock.now()
    browser = Browser(web, request)
    signed_in = await browser.signed_in(now=now)
    try:
        proof = await proof_of(web.parts, signed_in, browser.link, now=now)
    except LinkDead:
        return dead_link(web, request, browser, "verify_email")
    return _page(web, request, browser, signed_in, proof)


@page_edge
async def accept(web: Web, request: Request) -> Response:
    """``POST /verify-email``."""
    must_send_mail(web)
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    browser = form.browser
    try:
        proof = await proof_of(web.parts, form.signed_in, browser.link, now=now)
        if form.signed_in is None or proof is None:
            return _page(web, request, browser, form.signed_in, None)
        if not browser.is_for_link(form.fields):
            return _page(web, request, browser, form.signed_in, proof, another=True)
        cookie = await prove(web.parts, form.signed_in, browser.link, now=now, locale=locale_of(request))
    except LinkDead:
        return dead_link(web, request, browser, "verify_email")
    except InvalidCredentials:
        return to_sign_in(web, browser)
    browser.drop_link()
    if cookie is None:
        return to_account(web, browser, done="email_verified")
    browser.keep(cookie)
    return to_account(web, browser, done="email_changed")


def _page(
    web: Web,
    request: Request,
    browser: Browser,
    signed_in: SignedIn | None,
    proof: Proof | None,
    *,
    another: bool = False,
) -> Response:
    """The page. Account and address are for the eyes of who is signed in as that user.

    ``another``: the button that was pressed stood on a page for another link.
    """
    issuer = web.parts.issuer
    other = signed_in is not None and proof is None
    response = web.pages.page(
        "verify_email",
        locales=locales_of(request),
        status=400 if another else 200,
        action=f"{issuer}/verify-email",
        csrf=browser.form_token(),
        link=browser.link_shown(),
        username="" if signed_in is None else signed_in.user.username,
        email="" if proof is None else proof.email,
        replaces=proof is not None and proof.replaces,
        problem="other_user" if other else "signed_out" if proof is None else "other_link" if another else None,
        sign_in_url=f"{issuer}/login",
        sign_out_url=f"{issuer}/end_session",
    )
    return browser.dress(response)
