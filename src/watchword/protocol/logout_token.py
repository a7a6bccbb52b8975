"""Logout tokens: an issuer tells a client, server to server, that a session of a user is over; and how it is believed.

Its ``typ`` keeps it apart from all other tokens: no verifier of access tokens or ID tokens takes it.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6, §4; RFC 8725 §3.8, §3.9, §3.11, §3.12;
RFC 8417 §2.2 (``toe``).
Diverges: ``typ`` is demanded, an audience beside the client is refused, and so is a life of more than ten minutes.
"""

from typing import Any, Final

import msgspec

from watchword.protocol import jws
from watchword.protocol.rejection import TokenRejected

TYP: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
# §4: "preferably at most two minutes in the future, to prevent captured Logout Tokens from being replayable".
LIFETIME: Final = 120
LONGEST_LIFE: Final = 600
MAX_LEEWAY: Final = 120
_LONGEST_NAME: Final = 255
_MAX_DATE: Final = 1e11


def claims(
    *,
    issuer: str,
    client_id: str,
    subject: str,
    sid: str | None,
    issued_at: int,
    jti: str,
    ended_at: int | None = None,
) -> dict[str, Any]:
    """The claims of a logout token; times are seconds since the epoch.

    Without ``sid`` all sessions of the user at that client are meant. There is never a ``nonce``: §2.4, it "MUST NOT"
    be there, so that nobody takes the token for an ID token. ``ended_at``: a token may come long after the ending that
    it tells of; sessions that began since are not meant.
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
    if ended_at is not None:
        # RFC 8417 §2.2: "toe", "the date and time at which the event occurred"; iat is when the token was made.
        made["toe"] = ended_at
    return made


class LogoutToken(msgspec.Struct, frozen=True, kw_only=True):
    """A logout token that was good when it was judged; times are seconds since the epoch.

    Attributes:
        subject: whose session; None where the session alone is named.
        sid: which session; None for all of the user's.
        jti: its own name; it counts once.
        ended_at: when the sessions ended; where the issuer does not say, when it made the token.
    """

    issuer: str
    subject: str | None
    sid: str | None
    issued_at: float
    expires_at: float
    jti: str
    ended_at: float


class _Claims(msgspec.Struct, frozen=True):
    """The claims whose types we insist on; §2.4 lists the required ones."""

    iss: str
    aud: str | list[str]
    iat: int | float
    exp: int | float
    jti: str
    events: dict[str, Any]
    sub: str | None = None
    sid: str | None = None
    toe: int | float | None = None


def verify(token: str, keys: jws.KeyLookup, *, issuer: str, client_id: str, now: float, leeway: float) -> LogoutToken:
    """The logout token behind ``token``, if it is this issuer's and meant for this client (§2.6).

    Whether it came before is judged elsewhere.

    Args:
        token: the compact serialization.
        keys: the issuer's keys by ``kid``; each has one algorithm.
        issuer: compared character by character.
        client_id: the one audience.
        now: seconds since the epoch.
        leeway: seconds of clock difference allowed, at most 120.

    Raises:
        TokenRejected: with the reason.
    """
    _, members = jws.verify(token, keys, typ=TYP)
    try:
        typed = msgspec.convert(members, _Claims, strict=True)
    except ValueError as error:  # msgspec.ValidationError is one
        raise TokenRejected("token.claims", str(error)) from None
    if typed.iss != issuer:
        raise TokenRejected("token.issuer")
    if typed.aud not in (client_id, [client_id]):
        raise TokenRejected("token.audience", "meant for another client")
    _judge_content(typed, members)
    _judge_times(typed, now=now, leeway=min(leeway, MAX_LEEWAY))
    return LogoutToken(
        issuer=typed.iss,
        subject=typed.sub,
        sid=typed.sid,
        issued_at=typed.iat,
        expires_at=typed.exp,
        jti=typed.jti,
        # Nothing is told before it happened.
        ended_at=typed.iat if typed.toe is None else min(typed.toe, typed.iat),
    )


def _judge_content(typed: _Claims, members: dict[str, Any]) -> None:
    # §2.4: "A nonce Claim MUST NOT be present": what has one is an ID token.
    if "nonce" in members:
        raise TokenRejected("token.claims", "a nonce is there")
    # §2.6: "Verify that the Logout Token contains an events Claim whose value is JSON object containing the member
    # name http://schemas.openid.net/event/backchannel-logout", whose own value "MUST be a JSON object" (§2.4).
    if not isinstance(typed.events.get(EVENT), dict):
        raise TokenRejected("token.claims", "events does not name a back-channel logout")
    # §2.4: "A Logout Token MUST contain either a sub or a sid Claim, and MAY contain both."
    names = [name for name in (typed.sub, typed.sid) if name is not None]
    if not names or not all(0 < len(name) <= _LONGEST_NAME for name in (*names, typed.jti)):
        raise TokenRejected("token.claims", "sub, sid and jti are names, and one of the first two is there")


def _judge_times(typed: _Claims, *, now: float, leeway: float) -> None:
    if not all(0 <= date <= _MAX_DATE for date in (typed.iat, typed.exp, typed.toe or 0)):
        raise TokenRejected("token.claims", "a date out of range")
    if typed.exp - typed.iat > LONGEST_LIFE:
        raise TokenRejected("token.claims", "a longer life than a logout token has")
    if now - leeway >= typed.exp:
        raise TokenRejected("token.expired")
    if typed.iat > now + leeway:
        raise TokenRejected("token.not_yet_valid", "issued in the future")
