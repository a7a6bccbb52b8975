"""Token revocation: a client gives a token back.

A refresh token of any generation ends its grant, and with it the grant's access tokens. An access token ends alone.

Implements: RFC 7009 §2, §2.1, §2.2.
"""

from typing import Final

from watchword.protocol.access_token import AccessToken
from watchword.protocol.errors import InvalidGrant
from watchword.server.domain import refresh_token, revocation
from watchword.server.domain.audit import TokenRevoked
from watchword.server.domain.client import Client
from watchword.server.domain.time import Instant
from watchword.server.flows.client_authentication import ClientCredentials, authenticate
from watchword.server.flows.endings import end_grant
from watchword.server.flows.live_token import verify_live_or_none
from watchword.server.flows.parts import Parts

# More single tokens than this, alive and revoked since the client was last cut off, and they are named together.
COLLAPSE_AT: Final = 1000


async def revoke(parts: Parts, credentials: ClientCredentials, token: str) -> None:
    """End what ``token`` stands for. An unknown, foreign or dead token is fine: it is of no use any more.

    Raises:
        InvalidClient: the client did not prove to be itself.
        InvalidGrant: the token is another client's; nothing changed.
        StorageUnavailable: nothing is known to be revoked (RFC 7009 §2.2.1).
    """
    now = parts.clock.now()
    client = await authenticate(parts, credentials, now=now)
    # RFC 7009 §2.1: the hint is only a hint, and the two kinds cannot be mistaken for each other.
    try:
        refresh = refresh_token.parse(token, parts.secrets, now=now)
    except refresh_token.InvalidRefreshToken:
        access = await verify_live_or_none(parts, token, now=now)
        if access is not None:
            await _revoke_access_token(parts, client, access, now=now)
        return
    await _revoke_grant(parts, client, refresh.grant_id, now=now)


async def _revoke_grant(parts: Parts, client: Client, grant_id: bytes, *, now: Instant) -> None:
    async with parts.storage.write() as tx:
        found = await tx.lock_grant(grant_id)
        if found is None:
            return
        grant = found[0]
        _must_own(client, grant.client_id)
        await end_grant(tx, grant, reason="revoked", now=now)


async def _revoke_access_token(parts: Parts, client: Client, token: AccessToken, *, now: Instant) -> None:
    _must_own(client, token.client_id)
    async with parts.storage.write() as tx:
        many = await tx.live_token_entries(client.client_id, now=now) >= COLLAPSE_AT
        if many and token.gid is not None:
            # One user must not be able to cut off another: what is named together is his own grant.
            found = await tx.grant_by_gid(token.gid)
            locked = None if found is None else await tx.lock_grant(found[0].id)
            if locked is not None:
                await end_grant(tx, locked[0], reason="many_tokens_revoked", now=now)
            return
        if many:
            longest = await tx.longest_access_token()
            cut = revocation.of_client_so_far(client.client_id, now=now, issued_at=token.issued_at, longest=longest)
            await tx.revoke(cut)
        else:
            await tx.revoke(revocation.of_token(token.jti, client_id=client.client_id, expires_at=token.expires_at))
        await tx.record(TokenRevoked(jti=token.jti, client_id=client.client_id), now=now)


def _must_own(client: Client, client_id: str) -> None:
    # RFC 7009 §2.1: "verifies whether the token was issued to the client making the revocation request".
    if client.client_id != client_id:
        raise InvalidGrant(slug="revoke.other_client", detail="issued to another client")
