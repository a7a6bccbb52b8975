"""The claims of an access token.

Implements: RFC 9068 §2.2, §2.2.1, §2.2.3.
"""

from typing import Any

from watchword.protocol.scope import Scope
from watchword.server.domain.grant import Grant, Standing


def of_user_token(
    grant: Grant, standing: Standing, *, issuer: str, audience: str, scope: Scope, jti: str, iat: int, exp: int
) -> dict[str, Any]:
    """A user's token: beside the required claims it names session, grant and epoch, so that each can be revoked."""
    return {
        "iss": issuer,
        "sub": grant.sub,
        "aud": audience,
        "exp": exp,
        "iat": iat,
        "jti": jti,
        "client_id": grant.client_id,
        "scope": str(scope),
        "sid": grant.sid,
        "gid": grant.gid,
        "epoch": standing.session_epoch,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": list(grant.amr),
    }


def of_client_token(
    client_id: str, *, issuer: str, audience: str, scope: Scope, jti: str, iat: int, exp: int
) -> dict[str, Any]:
    """A client's own token. RFC 9068 §2.2: without a resource owner "sub" identifies the client."""
    return {
        "iss": issuer,
        "sub": client_id,
        "aud": audience,
        "exp": exp,
        "iat": iat,
        "jti": jti,
        "client_id": client_id,
        "scope": str(scope),
    }
