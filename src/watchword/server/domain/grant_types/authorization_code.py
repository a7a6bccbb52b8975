"""The authorization code: answers once, to the client with the verifier.

Implements: RFC 6749 §4.1.2, §4.1.3; RFC 7636 §4.6; RFC 9700 §2.1.1, §4.5; OAuth 2.1 §4.1.3, §7.5.2.
"""

from dataclasses import dataclass
from typing import TypeAlias

from watchword.protocol import pkce
from watchword.protocol.scope import Scope
from watchword.server.domain.caller import Caller
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """What is kept of a code: all but the code, of which only the SHA-256 is stored.

    Attributes:
        gid: of the grant that its redemption made, once there is one.
        id_token_claims: what was asked for beside the usual claims (OpenID Connect Core 1.0 §5.5).
        redirect_uri: where it was sent, or None from the authorization challenge endpoint.
    """

    code_hash: bytes
    client_id: str
    authentication: Authentication
    scope: Scope
    audiences: tuple[str, ...]
    code_challenge: str | None
    expires_at: Instant
    device: str
    redirect_uri: str | None = None
    nonce: str | None = None
    sid: str | None = None
    redeemed_at: Instant | None = None
    redeemed_by: bytes | None = None
    gid: str | None = None
    id_token_claims: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AuthorizationCode(client_id={self.client_id!r}, gid={self.gid!r})"


@dataclass(frozen=True, slots=True)
class Redeem:
    """The code is good: make the session and grant."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The code is not answered; nothing changes. ``slug`` says why, to the log."""

    slug: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """The code came a second time from somebody else who knows all: what the first time gave ends."""

    gid: str


Judgement: TypeAlias = Redeem | Refuse | Replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """A code as it came."""

    client_id: str
    code_verifier: str | None
    redirect_uri: str | None
    caller: Caller | None


def judge(code: AuthorizationCode, presented: Presentation, *, now: Instant, overlap: Seconds) -> Judgement:
    """Judge one presentation. Client and verifier come first: a replay without them must change nothing."""
    if code.client_id != presented.client_id:
        return Refuse("code.other_client")
    if not _verifier_fits(code.code_challenge, presented.code_verifier):
        return Refuse("code.wrong_verifier")
    # OAuth 2.1 drops the check of redirect_uri at the token endpoint; where one is sent, it must be the one.
    # Without a challenge the old rule stands (RFC 6749 §4.1.3): it is "REQUIRED" if it was sent before.
    wanted = code.code_challenge is None and code.redirect_uri is not None
    if (wanted or presented.redirect_uri is not None) and presented.redirect_uri != code.redirect_uri:
        return Refuse("code.other_redirect_uri")
    if code.redeemed_at is not None:
        same = presented.caller is not None and presented.caller.is_(code.redeemed_by)
        if code.gid is None or (same and now - code.redeemed_at <= overlap):
            return Refuse("code.already_redeemed")
        return Replayed(code.gid)
    if now >= code.expires_at:
        return Refuse("code.expired")
    return Redeem()


def _verifier_fits(challenge: str | None, verifier: str | None) -> bool:
    # RFC 9700 §2.1.1: a verifier without a challenge is refused as well, or dropping the challenge would go unseen.
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    return pkce.matches(verifier, challenge)
