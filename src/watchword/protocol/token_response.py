"""The token endpoint's answer.

Implements: RFC 6749 §5.1; OpenID Connect Core 1.0 §3.1.3.3.
"""

import msgspec


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client gets. ``expires_in`` is the access token's lifetime in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str | None = None
    id_token: str | None = None
    sid: str | None = None

    def __repr__(self) -> str:
        return f"TokenResponse(scope={self.scope!r}, expires_in={self.expires_in})"


def parse(body: bytes) -> TokenResponse:
    """A server's answer, read by a client; unknown members are ignored.

    Raises:
        ValueError: not a token response, or another token type than Bearer.
    """
    response = msgspec.json.decode(body, type=_Received)
    if response.token_type.lower() != "bearer" or not response.access_token:
        raise ValueError("the answer is no bearer token response")
    return TokenResponse(
        access_token=response.access_token,
        token_type="Bearer",
        expires_in=response.expires_in,
        scope=response.scope or "",
        refresh_token=response.refresh_token,
        id_token=response.id_token,
        sid=response.sid,
    )


class _Received(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    # RFC 6749 §5.1: expires_in is RECOMMENDED; without it we assume little.
    expires_in: int = 60
    scope: str | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    sid: str | None = None
