"""A session: one sign-in of a user on one device.

Implements: OpenID Connect Core 1.0 §2 (``auth_time``, ``acr``, ``amr``); RFC 8176 §2.
"""

from dataclasses import dataclass

from watchword.server.domain.time import Instant

ACR_PASSWORD = "urn:watchword:acr:password"


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
        device: what the user may recognise it by: a shortened user agent.
        expires_at: nothing of it is alive afterwards; the sweep takes it some time later.
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
    ended_at: Instant | None = None
    ended_reason: str | None = None
