"""The token endpoint's work: who is calling, and with what grant.

Implements: RFC 6749 §3.2, §4.1.3, §4.4.2, §6.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from watchword.protocol.errors import UnsupportedGrantType
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain.client import Client
from watchword.server.flows.client_authentication import (
    ClientCredentials,
    authenticate,
    must_be_ready,
    must_have,
)
from watchword.server.flows.grant_types import authorization_code, client_credentials, refresh_token
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.parts import Parts

GrantFlow: TypeAlias = Callable[[Parts, Client, TokenRequest], Awaitable[TokenResponse]]

GRANT_FLOWS: Final[dict[str, GrantFlow]] = {
    "refresh_token": refresh_token.refresh,
    "authorization_code": authorization_code.redeem,
    "client_credentials": client_credentials.issue,
}


async def token(parts: Parts, credentials: ClientCredentials, request: TokenRequest) -> TokenResponse:
    """The tokens that ``request`` asks for.

    Raises:
        OAuthError: the refusal, with the registered code.
    """
    client = await authenticate(parts, credentials, now=request.now)
    flow = GRANT_FLOWS.get(request.grant_type)
    if flow is None:
        raise UnsupportedGrantType(slug="token.grant_type")
    must_have(client, request.grant_type)
    must_be_ready(client, now=request.now)
    return await flow(parts, client, request)
