"""Logout tokens: an issuer tells a client, server to server, that a session of a user is over.

Its ``typ`` keeps it apart from all other tokens: no verifier of access tokens or ID tokens takes it.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.4, §4; RFC 8725 §3.11, §3.12.
"""

from typing import Any, Final

TYP: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
# §4: "preferably at most two minutes in the future, to prevent captured Logout Tokens from being replayable".
LIFETIME: Final = 120


def claims(*, issuer: str, client_id: str, subject: str, sid: str | None, issued_at: int, jti: str) -> dict[str, Any]:
    """The claims of a logout token; times are seconds since the epoch.

    Without ``sid`` all sessions of the user at that client are meant. There is never a ``nonce``: §2.4, it "MUST NOT"
    be there, so that nobody takes the token for an ID token.
    """
    made: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": issued_at,
        "exp": issued_at + LIFETIME,
        "jti": jti,
        "events": {EVENT: {}},
    }
    if sid is not None:
        made["sid"] = sid
    return made
