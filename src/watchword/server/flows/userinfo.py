"""UserInfo: what a client may know of the user who signed in.

Implements: OpenID Connect Core 1.0 §5.3, §5.4.
"""

from typing import Any

from watchword.protocol.rejection import TokenRejected
from watchword.server.domain.claims_request import about
from watchword.server.flows.live_token import verify_live
from watchword.server.flows.parts import Parts


async def userinfo(parts: Parts, token: str) -> dict[str, Any]:
    """Claims of the token's user, as far as its scope reaches.

    Raises:
        TokenRejected: not a living access token for this issuer with ``openid``.
        StorageUnavailable: the database does not answer.
    """
    now = parts.clock.now()
    verified = await verify_live(parts, token, audiences=frozenset({parts.issuer}), now=now)
    if "openid" not in verified.scope:
        raise TokenRejected("token.scope", scope="openid")
    async with parts.storage.read() as reading:
        user = await reading.user(verified.subject)
    if user is None or not user.enabled:
        raise TokenRejected("token.inactive", "the user is disabled or gone")
    return {"sub": user.sub, **about(user, verified.scope)}
