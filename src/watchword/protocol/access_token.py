"""JWT access tokens: their claims, and the one verifier that resource servers and the authorization server share.

Implements: RFC 9068 §2.1, §2.2, §4; RFC 7519 §4.1; RFC 8725 §3.8, §3.9; RFC 9449 §7.2; RFC 9470 §3, §6.1.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from watchword.protocol import jws
from watchword.protocol.authentication_class import satisfies
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.protocol.step_up import SignInDemand

TYP: Final = "at+jwt"
MAX_LEEWAY: Final = 60
# A NumericDate beyond the year 5138 is no date but an attack on arithmetic.
_MAX_DATE: Final = 1e11


class AnyAudience:
    """Stands for "whoever is meant": for the authorization server alone, which judges tokens made for others."""

    def isdisjoint(self, _: object) -> bool:
        """Nobody is left out."""
        return False


ANY_AUDIENCE: Final = AnyAudience()


class _Claims(msgspec.Struct, frozen=True):
    """The claims whose types we insist on; RFC 9068 §2.2 lists the required ones."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    jti: str
    client_id: str
    scope: str = ""
    nbf: int | float | None = None
    sid: str | None = None
    gid: str | None = None
    epoch: int | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: list[str] | None = None


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token whose signature, form, issuer, audience and times were good when it was judged.

    Attributes:
        issued_at, expires_at: seconds since the epoch.
        sid, gid, epoch: session, grant and user epoch; None for a client's own token.
        auth_time: when the user proved who he is, in seconds since the epoch; None for a client's own token.
        acr, amr: how he did.
        claims: all claims, as they stood in the token.
    """

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str
    scope: Scope
    issued_at: float
    expires_at: float
    not_before: float | None
    jti: str
    kid: str
    sid: str | None
    gid: str | None
    epoch: int | None
    claims: Mapping[str, Any]
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()

    def judge_times(self, now: float, leeway: float) -> None:
        """Judge expiry and start again; a token seen before is judged each time.

        Raises:
            TokenRejected: ``token.expired`` or ``token.not_yet_valid``.
        """
        # RFC 9068 §4: "The current time MUST be before the time represented by the "exp" claim."
        if now - leeway >= self.expires_at:
            raise TokenRejected("token.expired")
        if self.not_before is not None and now + leeway < self.not_before:
            raise TokenRejected("token.not_yet_valid")

    def judge_sign_in(self, demand: SignInDemand, *, now: float, leeway: float) -> None:
        """Judge age and strength of the user's sign-in; a token seen before is judged each time.

        Args:
            demand: what is wanted of it.
            now: seconds since the epoch.
            leeway: seconds of clock difference allowed.

        Raises:
            TokenRejected: ``token.acr`` or ``token.auth_time``; a token without a user's sign-in meets no demand.
        """
        if not satisfies(self.acr or "", demand.acr_values):
            raise TokenRejected("token.acr", "the user's sign-in is of another class", sign_in=demand)
        if demand.max_age is None:
            return
        if self.auth_time is None:
            raise TokenRejected("token.auth_time", "auth_time is missing", sign_in=demand)
        if self.auth_time + demand.max_age + leeway < now:
            raise TokenRejected("token.auth_time", "the user's sign-in lies too far back", sign_in=demand)
        if self.auth_time > now + leeway:
            # Else one date in the future would be fresh for ever.
            raise TokenRejected("token.auth_time", "auth_time is in the future", sign_in=demand)


def verify(
    token: str, keys: jws.KeyLookup, *, issuer: str, audiences: frozenset[str] | AnyAudience, now: float, leeway: float
) -> AccessToken:
    """The access token behind ``token``, if it is this issuer's and for one of ``audiences``.

    Revocation and scope are judged elsewhere.

    Args:
        token: the compact serialization.
        keys: the issuer's keys by ``kid``.
        issuer: compared character by character (RFC 9068 §4).
        audiences: who may be meant; one of them must be in ``aud``.
        now: seconds since the epoch.
        leeway: seconds of clock difference allowed, at most 60.

    Raises:
        TokenRejected: with the reason.
    """
    header, claims = jws.verify(token, keys, typ=TYP)
    try:
        typed = msgspec.convert(claims, _Claims, strict=True)
        audience = (typed.aud,) if isinstance(typed.aud, str) else tuple(typed.aud)
        scope = Scope.parse(typed.scope)
    except ValueError as error:  # msgspec.ValidationError is one
        raise TokenRejected("token.claims", str(error)) from None
    for date in (typed.exp, typed.iat, typed.nbf or 0, typed.auth_time or 0):
        if not 0 <= date <= _MAX_DATE:  # NaN compares false; an integer may have any size
            raise TokenRejected("token.claims", "a date out of range")
    if not typed.sub or not typed.jti or not typed.client_id:
        raise TokenRejected("token.claims", "sub, jti and client_id must not be empty")
    if typed.iss != issuer:
        raise TokenRejected("token.issuer")
    if audiences.isdisjoint(audience):
        raise TokenRejected("token.audience", "meant for another resource")
    # RFC 9449 §7.2: a resource "MUST reject a DPoP-bound access token received as a bearer token". Nobody here asks
    # for a proof of any kind of binding, so whoever stole the token could use it.
    if "cnf" in claims:
        raise TokenRejected("token.bound", "it has a cnf claim")
    verified = AccessToken(
        issuer=typed.iss,
        subject=typed.sub,
        audience=audience,
        client_id=typed.client_id,
        scope=scope,
        issued_at=typed.iat,
        expires_at=typed.exp,
        not_before=typed.nbf,
        jti=typed.jti,
        kid=header.kid,
        sid=typed.sid,
        gid=typed.gid,
        epoch=typed.epoch,
        claims=claims,
        auth_time=typed.auth_time,
        acr=typed.acr,
        amr=tuple(typed.amr or ()),
    )
    verified.judge_times(now, min(leeway, MAX_LEEWAY))
    if typed.iat > now + min(leeway, MAX_LEEWAY):
        raise TokenRejected("token.not_yet_valid", "issued in the future")
    return verified
