"""Token introspection: is this token alive, and what does it say?

A client that serves an API learns about that API's access tokens; a client learns about its own tokens; about all
else it learns that it is not active.

Implements: RFC 7662 §2, §2.1, §2.2, §4.
"""

import math
from typing import Any

from watchword.protocol.errors import InvalidClient
from watchword.protocol.introspection import INACTIVE, active_access_token
from watchword.server.domain import refresh_token
from watchword.server.domain.client import Client
from watchword.server.domain.refresh_token import PREFIX, RefreshToken
from watchword.server.domain.time import Instant
from watchword.server.flows.client_authentication import ClientCredentials, authenticate
from watchword.server.flows.live_token import verify_live_or_none
from watchword.server.flows.parts import Parts


async def introspect(parts: Parts, credentials: ClientCredentials, token: str) -> dict[str, Any]:
    """What the asking client may know about ``token``.

    Raises:
        InvalidClient: the client did not prove to be itself; a public client cannot (RFC 7662 §2.1).
        StorageUnavailable: whether the token is alive cannot be known now.
    """
    now = parts.clock.now()
    client = await authenticate(parts, credentials, now=now)
    if client.type == "public":
        raise InvalidClient("introspection is for clients that have a secret", slug="introspect.public_client")
    if token.startswith(PREFIX):
        return await _refresh_token(parts, client, token, now=now)
    verified = await verify_live_or_none(parts, token, now=now)
    if verified is None:
        return INACTIVE
    meant = client.serves is not None and client.serves in verified.audience
    if not meant and verified.client_id != client.client_id:
        return INACTIVE
    return active_access_token(verified)


async def _refresh_token(parts: Parts, client: Client, token: str, *, now: Instant) -> dict[str, Any]:
    try:
        parsed = refresh_token.parse(token, parts.secrets, now=now)
    except refresh_token.InvalidRefreshToken:
        return INACTIVE
    async with parts.storage.read() as reading:
        found = await reading.grant(parsed.grant_id)
    if found is None:
        return INACTIVE
    grant, standing = found
    dead = standing.ended_reason(grant) is not None or now >= min(grant.idle_end, grant.absolute_end)
    if dead or grant.client_id != client.client_id or not _is_live_position(parsed, grant.generation, grant.branch):
        return INACTIVE
    # RFC 7662 §4: nothing in the answer lets a refresh token pass for an access token: no aud, no token_type.
    return {
        "active": True,
        "client_id": grant.client_id,
        "sub": grant.sub,
        "scope": str(grant.scope),
        "iss": parts.issuer,
        "exp": math.floor(grant.absolute_end),
        "sid": grant.sid,
        "gid": grant.gid,
    }


def _is_live_position(token: RefreshToken, generation: int, branch: int) -> bool:
    """Whether the token is the next one or the one last redeemed; older ones would be refused."""
    return token.generation > generation or (token.generation, token.branch) == (generation, branch)
