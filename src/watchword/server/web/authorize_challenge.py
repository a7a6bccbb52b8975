"""Authorization challenge endpoint: first-party sign-in at the standard door.

Implements: draft-ietf-oauth-first-party-apps §5, §5.2.2, §5.3.
Diverges: draft-ietf-oauth-first-party-apps §5.2.2.1 (``insufficient_authorization`` is answered with 400, not 403).
"""

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol import pkce
from watchword.protocol.errors import InvalidRequest
from watchword.server.flows.challenge import ChallengeRequest, go_on
from watchword.server.flows.challenge import challenge as flow
from watchword.server.flows.open_session import Continuation, SessionRequest, first_party
from watchword.server.flows.second_step import OfferedCode
from watchword.server.flows.sign_in import PasswordSignIn
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_form
from watchword.server.web.rendering import answer
from watchword.server.web.token import resources


async def authorize_challenge(web: Web, request: Request) -> Response:
    """``POST /authorize-challenge``: name and password; or ``auth_session`` and a code, for the second step."""
    form = await read_form(request)
    now = web.parts.clock.now()
    client = await first_party(web.parts, client_credentials(request, form), now=now)
    origin = web.network.origin(request)
    auth_session = form.get("auth_session")
    if auth_session is not None:
        # The challenge of the code that is wanted came with the password, and counts.
        offered = OfferedCode.of(otp=form.get("otp"), recovery_code=form.get("recovery_code"), network=origin.network)
        step = Continuation(auth_session=auth_session, code=offered, device=origin.device, now=now)
        return answer({"authorization_code": await go_on(web.parts, client, step)})
    try:
        code_challenge = pkce.parse_challenge(form.need("code_challenge"), form.get("code_challenge_method") or "plain")
    except ValueError as error:
        raise InvalidRequest(str(error), slug="code.challenge") from None
    asked = SessionRequest(
        sign_in=PasswordSignIn(username=form.need("username"), password=form.need("password"), network=origin.network),
        scope=form.get("scope"),
        resources=resources(form.resources),
        device=origin.device,
        now=now,
    )
    code = await flow(web.parts, client, ChallengeRequest(session=asked, code_challenge=code_challenge))
    return answer({"authorization_code": code})
