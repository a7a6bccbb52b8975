"""Throttling of sign-ins: guessers are slowed, owners are not locked out.

A failure counts in three buckets: this account from this network; this network, whatever the account; this account,
whatever the network. The last one does not count for a network from which the account's owner has signed in before, so
an attacker elsewhere cannot shut him out.

Implements: NIST SP 800-63B-4 §3.2.2 (at most 100 consecutive failed attempts).
"""

from dataclasses import dataclass, replace
from typing import Final

from watchword.server.domain.lifetimes import DAY, HOUR, MINUTE
from watchword.server.domain.time import Instant, Seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """``free`` failures go unpunished; each further one doubles the wait, from ``first`` up to ``most`` seconds.

    A count is forgotten ``memory`` seconds after the last wait is over. From failure number ``stop`` on, the wait is as
    long as the memory.
    """

    free: int
    first: Seconds
    most: Seconds
    memory: Seconds
    stop: int | None = None


ACCOUNT_FROM_NETWORK: Final = Limit(free=5, first=1, most=15 * MINUTE, memory=1 * DAY)
NETWORK: Final = Limit(free=50, first=1, most=5 * MINUTE, memory=1 * HOUR)
ACCOUNT_FROM_STRANGERS: Final = Limit(free=30, first=30, most=1 * DAY, memory=30 * DAY, stop=100)
SIGN_UPS: Final = Limit(free=20, first=10, most=1 * HOUR, memory=1 * HOUR)
KNOWN_NETWORK: Final[Seconds] = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A counter's row. ``known`` marks that the account's owner signed in from this network."""

    key: bytes
    failures: int = 0
    blocked_until: Instant = 0
    known: bool = False
    until: Instant = 0


def wait(bucket: Bucket | None, *, now: Instant) -> Seconds:
    """Seconds to wait before the next try; 0 when it may come now."""
    return 0 if bucket is None or bucket.until <= now else max(0.0, bucket.blocked_until - now)


def after_failure(bucket: Bucket | None, key: bytes, limit: Limit, *, now: Instant) -> Bucket:
    """The bucket after one more failure."""
    current = bucket if bucket is not None and bucket.until > now else Bucket(key=key)
    failures = current.failures + 1
    over = failures - limit.free
    pause = min(limit.most, limit.first * 2.0 ** min(over - 1, 40)) if over > 0 else 0
    if limit.stop is not None and failures >= limit.stop:
        pause = limit.memory
    memory = KNOWN_NETWORK if current.known else limit.memory
    return replace(
        current,
        failures=failures,
        blocked_until=max(current.blocked_until, now + pause),
        until=max(current.until, now + pause + memory),
    )


def after_success(bucket: Bucket | None, key: bytes, *, now: Instant) -> Bucket | None:
    """The account-from-network bucket after a sign-in, or None when it need not be written again."""
    fresh = bucket is not None and bucket.known and bucket.failures == 0 and bucket.until - now > KNOWN_NETWORK / 2
    return None if fresh else Bucket(key=key, known=True, until=now + KNOWN_NETWORK)


def without_one(bucket: Bucket, limit: Limit) -> Bucket:
    """The bucket when a try that was counted as a failure turned out to be none."""
    failures = max(0, bucket.failures - 1)
    return replace(bucket, failures=failures, blocked_until=bucket.blocked_until if failures > limit.free else 0)


def cleared(key: bytes) -> Bucket:
    """The bucket of an account whose failures are no longer consecutive: its owner signed in, or has a new password."""
    return Bucket(key=key)


def is_known(bucket: Bucket, *, now: Instant) -> bool:
    """Whether the account's owner signed in from that network lately."""
    return bucket.known and bucket.until > now
