"""ID tokens: who signed in, told to the client; what goes into one, and the verifier of a client that gets one.

Implements: OpenID Connect Core 1.0 §2, §3.1.3.6, §3.1.3.7, §3.1.3.8, §12.2; RFC 8725 §3.8, §3.9, §3.11.
Diverges: an audience beside the client is refused, as no other is trusted; ``at_hash`` and a ``typ`` are demanded.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from watchword.protocol import base64url, jws
from watchword.protocol.rejection import TokenRejected

TYP: Final = "JWT"
DEFAULT_ALG: Final = "RS256"
# A nonce says that the token is fresh, so clocks may differ by more than for access tokens.
MAX_LEEWAY: Final = 300
_MAX_DATE: Final = 1e11


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


class IdToken(msgspec.Struct, frozen=True, kw_only=True):
    """An ID token that was good when it was judged; times are seconds since the epoch.

    Attributes:
        auth_time: when the user proved who he is; None where the issuer did not say.
        claims: all claims, as they stood in the token.
    """

    issuer: str
    subject: str
    client_id: str
    issued_at: float
    expires_at: float
    auth_time: float | None
    acr: str | None
    amr: tuple[str, ...]
    sid: str | None
    claims: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"IdToken(issuer={self.issuer!r}, client_id={self.client_id!r})"


class _Claims(msgspec.Struct, frozen=True):
    """The claims whose types we insist on; §2 lists the required ones."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    at_hash: str
    azp: str | None = None
    nonce: str | None = None
    auth_time: int | float | None = None
    acr: str | None = None
    amr: list[str] | None = None
    sid: str | None = None


def verify(
    token: str,
    keys: jws.KeyLookup,
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
    now: float,
    leeway: float,
    max_age: float | None = None,
) -> IdToken:
    """The ID token that came with ``access_token``, if it answers this client's own request (§3.1.3.7).

    Args:
        token: the compact serialization.
        keys: the issuer's keys by ``kid``; each has one algorithm.
        issuer: compared character by character.
        client_id: the one audience.
        nonce: what the request carried.
        access_token: what came beside it.
        now: seconds since the epoch.
        leeway: seconds of clock difference allowed, at most 300.
        max_age: seconds that the user's sign-in may lie back, if the request said so.

    Raises:
        TokenRejected: with the reason.
    """
    _, claims = jws.verify(token, keys, typ=TYP.lower())
    try:
        typed = msgspec.convert(claims, _Claims, strict=True)
    except ValueError as error:  # msgspec.ValidationError is one
        raise TokenRejected("token.claims", str(error)) from None
    if not all(0 <= date <= _MAX_DATE for date in (typed.exp, typed.iat, typed.auth_time or 0)):
        raise TokenRejected("token.claims", "a date out of range")
    # §2: sub "MUST NOT exceed 255 ASCII characters in length".
    if not typed.sub or len(typed.sub) > 255 or not typed.sub.isascii():
        raise TokenRejected("token.claims", "sub is no subject")
    if typed.iss != issuer:
        raise TokenRejected("token.issuer")
    # §3.1.3.7: rejected "if it contains additional audiences not trusted by the Client".
    if typed.aud not in (client_id, [client_id]):
        raise TokenRejected("token.audience", "meant for another client")
    if typed.azp not in (None, client_id):
        raise TokenRejected("token.audience", "azp is another client")
    if not _same(typed.nonce, nonce):
        raise TokenRejected("token.claims", "nonce is not the request's")
    if not _same(typed.at_hash, at_hash(access_token)):
        raise TokenRejected("token.claims", "at_hash is not the access token's")
    _judge_times(typed, now=now, leeway=min(leeway, MAX_LEEWAY), max_age=max_age)
    return IdToken(
        issuer=typed.iss,
        subject=typed.sub,
        client_id=client_id,
        issued_at=typed.iat,
        expires_at=typed.exp,
        auth_time=typed.auth_time,
        acr=typed.acr,
        amr=tuple(typed.amr or ()),
        sid=typed.sid,
        claims=claims,
    )


def _judge_times(typed: _Claims, *, now: float, leeway: float, max_age: float | None) -> None:
    if now - leeway >= typed.exp:
        raise TokenRejected("token.expired")
    if typed.iat > now + leeway:
        raise TokenRejected("token.not_yet_valid", "issued in the future")
    if max_age is not None:
        # §3.1.2.1: with max_age "the ID Token returned MUST include an auth_time Claim Value".
        if typed.auth_time is None:
            raise TokenRejected("token.claims", "auth_time is missing, though max_age was asked for")
        if typed.auth_time + max_age + leeway < now:
            raise TokenRejected("token.claims", "the user's sign-in lies too far back")


def _same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
