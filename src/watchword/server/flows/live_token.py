"""A living access token of ours: good in form and time, and not revoked as of now.

Implements: RFC 9068 §4; RFC 7662 §4.
"""

from watchword.protocol import access_token
from watchword.protocol.access_token import AccessToken, AnyAudience
from watchword.protocol.rejection import TokenRejected
from watchword.server.domain.time import Instant
from watchword.server.flows.parts import Parts


async def verify_live(
    parts: Parts, token: str, *, audiences: frozenset[str] | AnyAudience, now: Instant
) -> AccessToken:
    """The access token behind ``token``.

    Raises:
        TokenRejected: malformed, foreign, expired, revoked, or for somebody else.
        StorageUnavailable: whether it is revoked, or its key one of ours, cannot be known now.
    """
    try:
        verified = _verify(parts, token, audiences=audiences, now=now)
    except TokenRejected as rejected:
        if rejected.reason != "token.unknown_key":
            raise
        # Another node may have rotated a moment ago, and signed with a key that is not known here yet.
        await parts.log_tail.keys_anew()
        verified = _verify(parts, token, audiences=audiences, now=now)
    (await parts.log_tail.caught_up()).judge(verified)
    return verified


def _verify(parts: Parts, token: str, *, audiences: frozenset[str] | AnyAudience, now: Instant) -> AccessToken:
    # The clock that judges is the one that minted, or another node's: at most 2 s away, or it would not be ready.
    return access_token.verify(token, parts.signer.find, issuer=parts.issuer, audiences=audiences, now=now, leeway=2)


async def verify_live_or_none(parts: Parts, token: str, *, now: Instant) -> AccessToken | None:
    """As ``verify_live`` for any audience; None where that would raise ``TokenRejected``."""
    try:
        return await verify_live(parts, token, audiences=access_token.ANY_AUDIENCE, now=now)
    except TokenRejected:
        return None
