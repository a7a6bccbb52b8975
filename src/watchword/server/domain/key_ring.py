"""The key ring: which signing key is in which state, and when it moves on.

*next* (published, not used) -> *signing* -> *retiring* (published until the last token dies) -> *gone* (the public part
is kept, unpublished, for ``id_token_hint``). A revoked key is gone at once.

Implements: OpenID Connect Core 1.0 §10.1.1 (rotation); RFC 7517 §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from watchword.server.domain.api import Algorithm
from watchword.server.domain.lifetimes import DAY, HOUR
from watchword.server.domain.time import Instant, Seconds

KeyState = Literal["next", "signing", "retiring", "gone", "revoked"]

ROTATION: Final = 30 * DAY
# How long a key is published before it may sign by the calendar, so that every key cache has seen it.
PUBLISHED_AHEAD: Final = 1 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A signing key's row.

    Attributes:
        public_jwk: the public key, JSON.
        sealed: the private key, encrypted under the server's secret; None once it is gone.
        since: when it came into its present state.
        published_until: while retiring, when the last token that it signed is dead.
    """

    kid: str
    alg: Algorithm
    state: KeyState
    public_jwk: str
    sealed: bytes | None
    created_at: Instant
    since: Instant
    published_until: Instant | None = None

    def __repr__(self) -> str:
        return f"RingKey({self.kid!r}, {self.alg!r}, {self.state!r})"

    @property
    def published(self) -> bool:
        """Whether it stands in the key set."""
        return self.state in ("next", "signing", "retiring")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the keys of one algorithm: rows that change, and whether a fresh *next* is needed."""

    changed: tuple[RingKey, ...] = ()
    wants: Literal["signing", "next"] | None = None


def advance(keys: Sequence[RingKey], *, now: Instant, longest: Seconds, force: bool = False) -> Plan:
    """What is due for the keys of one algorithm.

    Args:
        keys: all keys of the algorithm.
        now: seconds since the epoch.
        longest: seconds; the longest lifetime of any token that a key may have signed.
        force: rotate now ("keys rotate"), however young the signing key is.

    Returns:
        The plan; carried out, it may be followed by another one, until nothing is due.
    """
    changed: list[RingKey] = [
        replace(key, state="gone", since=now, sealed=None, published_until=None)
        for key in keys
        if key.state == "retiring" and key.published_until is not None and now >= key.published_until
    ]
    signing = next((key for key in keys if key.state == "signing"), None)
    following = next((key for key in keys if key.state == "next"), None)
    if signing is None:
        if following is None:
            return Plan(tuple(changed), "signing")
        changed.append(replace(following, state="signing", since=now))
        return Plan(tuple(changed), "next")
    if following is None:
        return Plan(tuple(changed), "next")
    due = now - signing.since >= ROTATION and now - following.since >= PUBLISHED_AHEAD
    if force or due:
        changed.append(replace(signing, state="retiring", since=now, published_until=now + longest + 120))
        changed.append(replace(following, state="signing", since=now))
        return Plan(tuple(changed), "next")
    return Plan(tuple(changed))


def give_up(key: RingKey, *, now: Instant) -> RingKey:
    """A *next* key that does not open, and so can never sign. It never did: nobody will miss it."""
    return replace(key, state="gone", since=now, sealed=None)


def purpose_of(kid: str) -> str:
    """What a private key is sealed for."""
    return f"signing key {kid}"


def revoke(key: RingKey, *, now: Instant) -> RingKey:
    """The key after an emergency revoke: unpublished, its private part destroyed."""
    return replace(key, state="revoked", since=now, sealed=None, published_until=None)
