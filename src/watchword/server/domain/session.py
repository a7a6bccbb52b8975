"""A session: one sign-in of a user on one device.

Implements: OpenID Connect Core 1.0 §2 (``auth_time``, ``acr``, ``amr``); RFC 8176 §2.
"""

from dataclasses import dataclass

from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User

# RFC 8176 §1: other values than the registered ones are fine among those who know them. A code from paper is no "otp".
RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """How and when a user proved to be himself. ``auth_time`` is in whole seconds since the epoch."""

    sub: str
    epoch: int
    auth_time: int
    acr: str
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in that lasts.

    Attributes:
        epoch: the user's epoch that it was born with, or was lifted to.
        cookie_hash: SHA-256 of the browser's cookie; None for a session of an application that signed in by itself.
        idle: seconds that a browser's session may rest unused.
        last_seen_at: of a browser's session, written at most once per tenth of the idle time.
        device: what the user may recognise it by: a shortened user agent.
        expires_at: nothing of it is alive afterwards; the sweep takes it some time later.
        opened_in: the browser's session in which it was opened, for a session that a grant was given of its own, to
            outlive that one. Applications know it by this name alone.
    """

    sid: str
    sub: str
    epoch: int
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    device: str
    created_at: Instant
    expires_at: Instant
    cookie_hash: bytes | None = None
    idle: Seconds | None = None
    last_seen_at: Instant = 0
    ended_at: Instant | None = None
    ended_reason: str | None = None
    opened_in: str | None = None

    def __repr__(self) -> str:
        return f"Session({self.sid!r}, sub={self.sub!r}, epoch={self.epoch}, ended_reason={self.ended_reason!r})"

    def lives(self, *, user: User, now: Instant) -> bool:
        """Whether the session is good for anything now."""
        return self.may_go_on(user=user, now=now) and (self.idle is None or now < self.last_seen_at + self.idle)

    def may_go_on(self, *, user: User, now: Instant) -> bool:
        """Whether a new sign-in of its user takes it up again: it has rested too long at most."""
        return not self.was_ended(user=user) and now < self.expires_at

    def was_ended(self, *, user: User) -> bool:
        """Whether somebody ended it, alone or with all of its user's. In one that only ran out, grants may live on."""
        return self.ended_at is not None or not user.enabled or self.epoch != user.epoch
