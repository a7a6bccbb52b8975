"""A grant: what one user allowed one client within a session, with its refresh-token state. One row, for ever one.

Implements: RFC 6749 §1.5, §6; RFC 9700 §4.14.2.
"""

import msgspec

from watchword.protocol.scope import Scope
from watchword.server.domain.time import Instant, Seconds


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The row.

    Attributes:
        id: 16 random bytes, secret: they stand in the refresh token and nowhere else.
        gid: the grant's public name, in access tokens and the feed.
        generation, branch: of the refresh token last redeemed; 0 and 0 at birth.
        forks: how many more answers than one the redeemed token was given.
        redeemed_at, redeemed_by: when and by which caller it was first redeemed.
        forked_by: the stranger who was given the newest fork.
        shadows, shadowed_generation: for how many generations running a stranger converged within the overlap, and
            the last such generation.
        idle: seconds that the grant may rest unused.
        auth_time, acr, amr: of the sign-in that it was given for. They never change, whatever sign-in comes after: a
            token that is renewed must not become stronger than what its user did for it (RFC 9068 §2.2.1).
    """

    id: bytes
    gid: str
    sid: str
    sub: str
    client_id: str
    scope: Scope
    audiences: tuple[str, ...]
    created_at: Instant
    last_used_at: Instant
    idle: Seconds
    absolute_end: Instant
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    generation: int = 0
    branch: int = 0
    forks: int = 0
    redeemed_at: Instant = 0
    redeemed_by: bytes | None = None
    forked_by: bytes | None = None
    shadows: int = 0
    shadowed_generation: int = 0
    ended_at: Instant | None = None
    ended_reason: str | None = None

    def __repr__(self) -> str:
        return f"Grant({self.gid!r}, generation={self.generation}, branch={self.branch}, forks={self.forks})"

    @property
    def idle_end(self) -> Instant:
        """When it dies unused."""
        return self.last_used_at + self.idle


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant stands on: its user, session and client, read in the same transaction.

    ``session_opened_in`` is the browser's session that the grant's own one was opened in, if it was.
    """

    user_enabled: bool
    user_epoch: int
    user_roles: frozenset[str]
    session_epoch: int
    session_ended_reason: str | None
    client_enabled: bool
    session_opened_in: str | None = None

    def ended_reason(self, grant: Grant) -> str | None:
        """Why the grant is over on purpose, or None while it lives."""
        if grant.ended_at is not None:
            return grant.ended_reason or "ended"
        if self.session_ended_reason is not None:
            return self.session_ended_reason
        if not self.user_enabled:
            return "user_disabled"
        if self.session_epoch != self.user_epoch:
            return "logged_out_everywhere"
        if not self.client_enabled:
            return "client_disabled"
        return None
