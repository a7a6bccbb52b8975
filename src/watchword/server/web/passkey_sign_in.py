"""Sign-in with a passkey: the form that the sign-in page's script sends, and a new challenge for a page that is old.

Implements: W3C Web Authentication Level 3 §7.2, §13.4.3; OWASP ASVS 5.0 §6.3.8.
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidCredentials, InvalidRequest, NotFound
from watchword.server.domain.passkey_challenge import LIFETIME
from watchword.server.flows import passkeys as flow
from watchword.server.flows.passkeys import Returned
from watchword.server.web import rendering
from watchword.server.web.accepted import prefers_page
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.own_form import own_form
from watchword.server.web.page_answers import locale_of, page_edge, see_other
from watchword.server.web.passkey_offer import must_have_passkeys
from watchword.server.web.sign_in_page import again_of, show_sign_in
from watchword.server.web.signing_in import sign_in_at_pages, underway_of


@page_edge
async def sign_in(web: Web, request: Request) -> Response:
    """``POST /login/passkey``."""
    must_have_passkeys(web)
    now = web.parts.clock.now()
    form = await own_form(web, request, now=now)
    browser, fields = form.browser, form.fields
    underway = await underway_of(web, fields, now=now)
    returned = Returned(
        sealed=fields.get("challenge", ""),
        response=fields.get("assertion", ""),
        browser=browser.imprint(),
        locale=locale_of(request),
    )
    try:
        proof = await flow.sign_in(web.parts, returned, now=now)
        return await sign_in_at_pages(web, request, browser, proof, underway, now=now)
    except InvalidCredentials as refusal:
        web.parts.telemetry.tell(refusal.slug, path=request.scope["path"], detail=refusal.detail)
        if not refusal.slug.startswith("passkey."):
            # Disabled or logged out everywhere in this very moment: nothing that a stranger should be able to tell.
            refusal = InvalidCredentials(slug="passkey.refused")
        again = None if underway is not None else again_of(fields)
        return show_sign_in(web, request, browser, underway, username="", refusal=refusal, again=again)


async def renew(web: Web, request: Request) -> Response:
    """``GET /login/passkey``: another challenge, for the script of a page that has been open for long.

    It is bound to the browser as the page's form is, so there is none for a browser that was shown no form.
    """
    if prefers_page(request):
        # Not the script, but a person: the page that takes the form stands under this address when it shows a problem.
        return see_other(f"{web.parts.issuer}/login")
    browser = Browser(web, request)
    if not browser.has_form_cookie:
        raise InvalidRequest("the sign-in page comes first", slug="passkey.no_page")
    begun = flow.begin_sign_in(web.parts, browser=browser.imprint(), now=web.parts.clock.now())
    if begun is None:
        raise NotFound(slug="request.no_such_path")
    return rendering.answer({"options": begun.options, "challenge": begun.sealed, "lifetime": int(LIFETIME)})
