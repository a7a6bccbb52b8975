"""Sign-out at the simple door: the holder of a token ends its session.

The door is for first-party clients. Another client's token ends no more than what it stands for: its grant.

Implements: OWASP ASVS 5.0 §7.4.1 (sessions end on the server); RFC 6749 §2.3.
"""

from dataclasses import dataclass

from watchword.protocol import access_token
from watchword.protocol.errors import InvalidClient
from watchword.protocol.rejection import TokenRejected
from watchword.server.domain import refresh_token
from watchword.server.domain.client import Client
from watchword.server.domain.refresh_token import PREFIX
from watchword.server.domain.time import Instant
from watchword.server.flows.endings import end_grant, end_session
from watchword.server.flows.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """What a token stands for."""

    client_id: str
    sid: str
    gid: str
    renews: bool


async def sign_out(parts: Parts, token: str, *, client: Client | None) -> None:
    """End the session of a first-party client's refresh token or access token; the grant alone of another client's.

    Unknown and dead tokens are fine, and so is one that is not ``client``'s: nothing changes.

    Args:
        parts: of the node.
        token: what was sent.
        client: who sent it, if it proved to be itself or needs no proof; None if nobody said who he is.

    Raises:
        InvalidClient: it is a confidential client's refresh token, and the client did not prove to be itself.
        StorageUnavailable: nothing is known to be ended.
    """
    now = parts.clock.now()
    meant = await _meant_by(parts, token, now=now)
    if meant is None or (client is not None and client.client_id != meant.client_id):
        return
    async with parts.storage.write() as tx:
        owner = await tx.client(meant.client_id)
        if owner is None:
            return
        if client is None and meant.renews and owner.auth_method != "none":
            raise InvalidClient(slug="client.method", detail=f"registered for {owner.auth_method}, came without proof")
        if owner.first_party:
            session = await tx.lock_session(meant.sid)
            if session is not None:
                await end_session(tx, session, reason="signed_out", now=now)
            return
        found = await tx.grant_by_gid(meant.gid)
        locked = None if found is None else await tx.lock_grant(found[0].id)
        if locked is not None:
            await end_grant(tx, locked[0], reason="signed_out", now=now)


async def _meant_by(parts: Parts, token: str, *, now: Instant) -> _Meant | None:
    if not token.startswith(PREFIX):
        return _meant_by_access_token(parts, token, now=now)
    try:
        parsed = refresh_token.parse(token, parts.secrets, now=now)
    except refresh_token.InvalidRefreshToken:
        return None
    async with parts.storage.read() as reading:
        found = await reading.grant(parsed.grant_id)
    if found is None:
        return None
    grant = found[0]
    return _Meant(client_id=grant.client_id, sid=grant.sid, gid=grant.gid, renews=True)


def _meant_by_access_token(parts: Parts, token: str, *, now: Instant) -> _Meant | None:
    try:
        # Revoked or not: whoever held the token may end its session, which may outlive a grant that fell.
        verified = access_token.verify(
            token, parts.signer.find, issuer=parts.issuer, audiences=access_token.ANY_AUDIENCE, now=now, leeway=2
        )
    except TokenRejected:
        return None
    if verified.sid is None or verified.gid is None:
        return None
    return _Meant(client_id=verified.client_id, sid=verified.sid, gid=verified.gid, renews=False)
