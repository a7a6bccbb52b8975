"""A user, and what is kept of one."""

from dataclasses import dataclass

from watchword.server.domain.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who signs in.

    Attributes:
        sub: random, never reused; with the issuer it is the identity (RFC 9068 §5).
        epoch: raised by "log out everywhere"; sessions and access tokens born with a smaller one are dead.
        roles: names of roles; roles give scopes.
    """

    sub: str
    username: str
    username_key: str
    created_at: Instant
    password_hash: str | None = None
    email: str | None = None
    email_verified: bool = False
    enabled: bool = True
    epoch: int = 0
    roles: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"User({self.sub!r}, {self.username!r}, enabled={self.enabled}, epoch={self.epoch})"
