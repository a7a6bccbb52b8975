"""The end of every way to sign in at the pages: a session, its cookie, and on to where the user wanted to go."""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.errors import InvalidCredentials
from watchword.server.domain.session import Authentication
from watchword.server.flows import authorize as authorize_flow
from watchword.server.flows import browser_session
from watchword.server.flows.authorize import Underway
from watchword.server.web.authorize import resume_url
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web
from watchword.server.web.page_answers import see_other


async def underway_of(web: Web, fields: dict[str, str], *, now: float) -> Underway | None:
    """The application's request that the user signs in for; None where he came by himself.

    Raises:
        NotToBeRedirected: what came is no request of ours, or too old.
        ToTheClient: its client was changed meanwhile, and may not ask for this any more.
    """
    sealed = fields.get("request")
    return await authorize_flow.resume(web.parts, sealed, now=now) if sealed else None


async def sign_in_at_pages(
    web: Web, request: Request, browser: Browser, proof: Authentication, underway: Underway | None, *, now: float
) -> Response:
    """The answer to who has just proved to be himself.

    Raises:
        InvalidCredentials: the user was disabled, or logged out everywhere, in between.
    """
    device = web.network.origin(request).device
    begun = await browser_session.begin(web.parts, proof, device=device, cookie=browser.session_cookie, now=now)
    if begun is None:
        raise InvalidCredentials(slug="session.user_gone")
    browser.keep(begun[0])
    url = f"{web.parts.issuer}/account" if underway is None else resume_url(web, underway.sealed)
    return browser.dress(see_other(url))
