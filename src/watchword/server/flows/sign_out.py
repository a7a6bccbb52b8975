"""Sign-out: the holder of a token ends its session.

Implements: OWASP ASVS 5.0 §7.4.1 (sessions end on the server).
"""

from watchword.protocol import access_token
from watchword.protocol.rejection import TokenRejected
from watchword.server.domain import refresh_token
from watchword.server.domain.refresh_token import PREFIX
from watchword.server.flows.endings import end_session
from watchword.server.flows.parts import Parts


async def sign_out(parts: Parts, token: str) -> None:
    """End the session that a refresh token or an access token belongs to. Unknown and dead tokens are fine.

    Raises:
        StorageUnavailable: the session is not known to be ended.
    """
    now = parts.clock.now()
    sid = await _session_of(parts, token)
    if sid is None:
        return
    async with parts.storage.write() as tx:
        session = await tx.lock_session(sid)
        if session is not None:
            await end_session(tx, session, reason="signed_out", now=now)


async def _session_of(parts: Parts, token: str) -> str | None:
    now = parts.clock.now()
    if not token.startswith(PREFIX):
        try:
            # Revoked or not: whoever held the token may end its session, which may outlive a grant that fell.
            verified = access_token.verify(
                token, parts.signer.find, issuer=parts.issuer, audiences=access_token.ANY_AUDIENCE, now=now, leeway=2
            )
        except TokenRejected:
            return None
        return verified.sid
    try:
        parsed = refresh_token.parse(token, parts.secrets, now=now)
    except refresh_token.InvalidRefreshToken:
        return None
    async with parts.storage.read() as reading:
        found = await reading.grant(parsed.grant_id)
    return None if found is None else found[0].sid
