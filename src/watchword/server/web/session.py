"""The simple door: sign-in, renewal and sign-out in plain JSON, for first-party clients.

The same flows as behind the standard door; only the edge differs.
"""

import math

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.bearer import parse_bearer
from watchword.protocol.errors import InvalidGrant, InvalidRequest, SignInAgain
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain.client import Client
from watchword.server.flows.client_authentication import authenticate, must_have
from watchword.server.flows.grant_types.refresh_token import refresh as refresh_flow
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.open_session import Continuation, SessionRequest, first_party, go_on, open_session
from watchword.server.flows.second_step import OfferedCode
from watchword.server.flows.sign_in import PasswordSignIn
from watchword.server.flows.sign_out import sign_out
from watchword.server.web import session_cookie
from watchword.server.web.context import Web
from watchword.server.web.reading import client_credentials, read_json
from watchword.server.web.rendering import answer, nothing
from watchword.server.web.token import resources


async def start(web: Web, request: Request) -> Response:
    """``POST /session``: user name and password for tokens; or ``auth_session`` and a code, for the second step."""
    fields = await read_json(request)
    now = web.parts.clock.now()
    client = await first_party(web.parts, client_credentials(request, fields), now=now)
    session_cookie.must_be_allowed(web.parts, client, request)
    origin = web.network.origin(request)
    auth_session = fields.get("auth_session")
    if auth_session is not None:
        code = OfferedCode.of(otp=fields.get("otp"), recovery_code=fields.get("recovery_code"), network=origin.network)
        step = Continuation(auth_session=auth_session, code=code, device=origin.device, now=now)
        return _tokens(web, client, await go_on(web.parts, client, step), status=201, in_cookie=fields.cookie)
    asked = SessionRequest(
        sign_in=PasswordSignIn(
            username=fields.need("username"), password=fields.need("password"), network=origin.network
        ),
        scope=fields.get("scope"),
        resources=resources(fields.resources),
        device=origin.device,
        now=now,
    )
    tokens = await open_session(web.parts, client, asked)
    return _tokens(web, client, tokens, status=201, in_cookie=fields.cookie)


async def refresh(web: Web, request: Request) -> Response:
    """``POST /session/refresh``: a refresh token, from body or cookie, for new tokens; 401 when it is no good."""
    fields = await read_json(request)
    now = web.parts.clock.now()
    client = await first_party(web.parts, client_credentials(request, fields), now=now)
    session_cookie.must_be_allowed(web.parts, client, request)
    must_have(client, "refresh_token")
    token = fields.get("refresh_token") or _from_cookie(web, request, client.client_id)
    if token is None:
        raise InvalidRequest("refresh_token is missing, and there is no cookie", slug="session.no_token")
    origin = web.network.origin(request)
    asked = TokenRequest(
        grant_type="refresh_token",
        now=now,
        caller=origin.caller,
        device=origin.device,
        scope=fields.get("scope"),
        resources=fields.resources,
        refresh_token=token,
    )
    try:
        tokens = await refresh_flow(web.parts, client, asked)
    except InvalidGrant as error:
        raise SignInAgain(error.description, slug=error.slug, detail=error.detail) from None
    # A token that came from the cookie goes back into it, asked or not: it must never become readable for scripts.
    in_cookie = fields.cookie or fields.get("refresh_token") is None
    return _tokens(web, client, tokens, status=200, in_cookie=in_cookie)


async def end(web: Web, request: Request) -> Response:
    """``DELETE /session`` and ``POST /session/end``: end the session of a refresh or access token.

    204, also for a token that is not known or another client's. A confidential client that sends a refresh token proves
    to be itself, as at ``/token``.
    """
    fields = await read_json(request, optional=True)
    client, response = None, nothing()
    token = fields.get("refresh_token")
    if fields.get("client_id") is not None or _offers_basic(request):
        offered = client_credentials(request, fields, beside_bearer=True)
        client = await authenticate(web.parts, offered, now=web.parts.clock.now())
        session_cookie.must_be_allowed(web.parts, client, request)
        kept = _from_cookie(web, request, client.client_id)
        if kept is not None:
            session_cookie.drop(response, issuer=web.parts.issuer, client_id=client.client_id)
        token = kept if token is None else token
    if token is None:
        token = _bearer(request)
    if token is not None:
        await sign_out(web.parts, token, client=client)
    return response


def _offers_basic(request: Request) -> bool:
    return any(sent.lower().startswith("basic ") for sent in request.headers.getlist("authorization"))


def _bearer(request: Request) -> str | None:
    """The token in the header; None for one that no token of ours can look like.

    Raises:
        TokenRejected: no token was sent at all, or two.
    """
    try:
        return parse_bearer(request.headers.getlist("authorization"))
    except TokenRejected as rejected:
        if rejected.reason == "token.malformed":
            return None
        raise


def _from_cookie(web: Web, request: Request, client_id: str) -> str | None:
    return request.cookies.get(session_cookie.cookie_name(web.parts.issuer, client_id))


def _tokens(web: Web, client: Client, tokens: TokenResponse, *, status: int, in_cookie: bool) -> Response:
    if tokens.refresh_token is None or not in_cookie:
        return answer(tokens, status=status)
    response = answer(msgspec.structs.replace(tokens, refresh_token=None), status=status)
    session_cookie.put(
        response,
        issuer=web.parts.issuer,
        client_id=client.client_id,
        token=tokens.refresh_token,
        max_age=math.floor(web.parts.lifetimes.refresh_of(client.lifetime).absolute),
    )
    return response
