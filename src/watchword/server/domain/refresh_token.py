"""The refresh token's own form: a position in a grant's chain under a MAC. It is not stored anywhere.

``wwr_`` + base64url( version 1 | key id 1 | grant id 16 | generation 4 | branch 2 | expiry 4 | tag 16 ), integers big
endian. A forged, foreign, mangled or expired token is refused without touching the database.

Implements: RFC 6749 §10.4 (cannot be generated, modified, or guessed); RFC 9700 §4.14.2.
"""

import hmac
import struct

import msgspec

from watchword.protocol import base64url
from watchword.server.domain.secret_ring import MAC_BYTES, SecretRing, mac
from watchword.server.domain.time import Instant

PREFIX = "wwr_"
_VERSION = 1
_BODY = struct.Struct(">BB16sIHI")
_LENGTH = len(PREFIX) + (_BODY.size + MAC_BYTES) * 4 // 3 + ((_BODY.size + MAC_BYTES) % 3 > 0)


class InvalidRefreshToken(ValueError):
    """Not a refresh token of ours, or one whose end has come. ``expired`` tells which."""

    def __init__(self, why: str, *, expired: bool = False) -> None:
        super().__init__(why)
        self.expired = expired


class RefreshToken(msgspec.Struct, frozen=True):
    """A position in the chain of a grant. ``expires_at``: the grant's absolute end, in whole seconds."""

    grant_id: bytes
    generation: int
    branch: int
    expires_at: int

    def __repr__(self) -> str:
        return f"RefreshToken(generation={self.generation}, branch={self.branch})"


def mint(token: RefreshToken, secrets: SecretRing) -> str:
    """The token's text, the same each time for the same position and secret."""
    key = secrets.newest
    body = _BODY.pack(_VERSION, key.key_id, token.grant_id, token.generation, token.branch, token.expires_at)
    return PREFIX + base64url.encode(body + mac(key.refresh_token, body))


def parse(text: str, secrets: SecretRing, *, now: Instant) -> RefreshToken:
    """The position that ``text`` stands for.

    Raises:
        InvalidRefreshToken: foreign, mangled, forged, or past its end.
    """
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        raise InvalidRefreshToken("not the form of a refresh token")
    try:
        data = base64url.decode(text[len(PREFIX) :])
    except ValueError:
        raise InvalidRefreshToken("not the form of a refresh token") from None
    body, tag = data[: _BODY.size], data[_BODY.size :]
    version, key_id, grant_id, generation, branch, expires_at = _BODY.unpack(body)
    if version != _VERSION:
        raise InvalidRefreshToken("a version that is not known")
    for key in secrets.by_id(key_id):
        if hmac.compare_digest(mac(key.refresh_token, body), tag):
            break
    else:
        raise InvalidRefreshToken("the tag is not ours")
    if now >= expires_at:
        raise InvalidRefreshToken("past its end", expired=True)
    return RefreshToken(grant_id, generation, branch, expires_at)
