"""ID tokens: who signed in, told to the client.

Implements: OpenID Connect Core 1.0 §2, §3.1.3.6, §12.2.
"""

import hashlib
from typing import Any, Final

from watchword.protocol import base64url

TYP: Final = "JWT"
DEFAULT_ALG: Final = "RS256"


def at_hash(access_token: str) -> str:
    """The left half of the access token's SHA-256 (§3.1.3.6); both of our algorithms use SHA-256."""
    return base64url.encode(hashlib.sha256(access_token.encode("ascii")).digest()[:16])


def claims(
    *,
    issuer: str,
    subject: str,
    client_id: str,
    issued_at: int,
    expires_at: int,
    auth_time: int,
    acr: str,
    amr: tuple[str, ...],
    sid: str,
    access_token: str,
    nonce: str | None = None,
) -> dict[str, Any]:
    """The claims of an ID token; times are seconds since the epoch."""
    made: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "exp": expires_at,
        "iat": issued_at,
        "auth_time": auth_time,
        "acr": acr,
        "amr": list(amr),
        "sid": sid,
        "at_hash": at_hash(access_token),
    }
    if nonce is not None:
        made["nonce"] = nonce
    return made
