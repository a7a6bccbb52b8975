"""Throttling of sign-ins: guessers are slowed, owners are not locked out.

A network from which the account's owner has signed in before is *known* to the account. A try from there counts for
this account from this network, and for this account from all known networks together. A try from anywhere else counts
for this account from this network; for this network, whatever the account; and for this account, from all strangers
together. So an attacker elsewhere cannot shut the owner out, neither can a neighbour who tries other accounts, and both
sums are bounded: 60 by strangers, 40 from known networks. Where nothing tells networks apart everybody is a stranger,
and only the last one counts.

Implements: NIST SP 800-63B-4 §3.2.2 (at most 100 consecutive failed attempts).
Diverges: a stop lasts a month, and then one more try a month is let in, so that nobody is shut out for good.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from watchword.server.domain.lifetimes import DAY, HOUR, MINUTE
from watchword.server.domain.login import CLOCKS_APART
from watchword.server.domain.time import Instant, Seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """``free`` failures go unpunished; each further one doubles the wait, from ``first`` up to ``most`` seconds.

    A count is forgotten ``memory`` seconds after the last wait is over. Where it ``leaks``, it shrinks all the time, by
    ``free`` failures in ``memory`` seconds. From failure number ``stop`` on, the wait is as long as the memory.

    With ``each``, few failures are forgotten sooner: after so many seconds for each of them, ``memory`` at most.
    """

    free: int
    first: Seconds
    most: Seconds
    memory: Seconds
    stop: int | None = None
    leaks: bool = False
    each: Seconds | None = None


ACCOUNT_FROM_NETWORK: Final = Limit(free=5, first=1, most=4 * HOUR, memory=1 * DAY)
ACCOUNT_FROM_KNOWN: Final = Limit(free=36, first=1 * MINUTE, most=1 * HOUR, memory=30 * DAY, stop=40)
# A row for every name that anybody thinks of: so one that was tried once is gone after a day. It is forgotten whether
# somebody has the name or not, and patience gains nothing: a try a day is also what thirty a month come to.
ACCOUNT_FROM_STRANGERS: Final = Limit(free=30, first=30, most=1 * DAY, memory=30 * DAY, stop=60, each=1 * DAY)
# Many people share a network: a slip every five minutes, from all of them, costs nobody anything.
NETWORK: Final = Limit(free=50, first=1, most=5 * MINUTE, memory=4 * HOUR, leaks=True)
SIGN_UPS: Final = Limit(free=20, first=10, most=1 * HOUR, memory=5 * HOUR, leaks=True)
# Where nothing tells networks apart, all share this one, and nobody may shut the door for the others.
SIGN_UPS_FROM_ANYWHERE: Final = Limit(free=600, first=1, most=5, memory=1 * HOUR, leaks=True)
# Whoever forgot his password asks once or twice; a network that asks more names other people's accounts.
FORGOTTEN_FROM_NETWORK: Final = Limit(free=20, first=10, most=1 * HOUR, memory=5 * HOUR, leaks=True)
# Many people share a network, but few of them prove an address in the same hours.
PROOFS_FROM_NETWORK: Final = Limit(free=20, first=10, most=1 * HOUR, memory=5 * HOUR, leaks=True)
# Nobody's mailbox is flooded by who only knows a name or an address: three mails in a row, then two an hour at most.
MAILS: Final = Limit(free=2, first=20 * MINUTE, most=1 * HOUR, memory=1 * HOUR, leaks=True)
# Counts only, and slows nobody: wrong codes after a right password, in a row.
WRONG_CODES: Final = Limit(free=1000, first=1, most=1, memory=30 * DAY)
KNOWN_NETWORK: Final[Seconds] = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A counter's row. ``known`` marks that the account's owner signed in from this network.

    After ``until`` the row means nothing; where the count leaks, that is when it has run dry.
    """

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
    failures = _remembered(current, limit, now=now) + 1
    over = failures - limit.free
    pause = min(limit.most, limit.first * 2.0 ** min(over - 1, 40)) if over > 0 else 0
    if limit.stop is not None and failures >= limit.stop:
        pause = limit.memory
    memory = KNOWN_NETWORK if current.known else _memory(limit, failures)
    return replace(
        current,
        failures=failures,
        # No penalty, no instant: the next try may come to a node whose clock is behind this one's.
        blocked_until=max(current.blocked_until, now + pause) if pause > 0 else current.blocked_until,
        until=max(current.until, now) + _leak(limit) if limit.leaks else max(current.until, now + pause + memory),
    )


def _remembered(current: Bucket, limit: Limit, *, now: Instant) -> int:
    if limit.leaks:
        # Noted perhaps by a node whose clock is ahead of this one's: what has leaked there has leaked.
        return max(0, math.ceil((current.until - now - CLOCKS_APART) / _leak(limit)))
    # The row of a known network outlives its count.
    forgotten = current.known and now >= current.until - KNOWN_NETWORK + limit.memory
    return 0 if forgotten else current.failures


def _memory(limit: Limit, failures: int) -> Seconds:
    return limit.memory if limit.each is None else min(limit.memory, failures * limit.each)


def _leak(limit: Limit) -> Seconds:
    return limit.memory / limit.free


def after_success(bucket: Bucket | None, key: bytes, *, now: Instant) -> Bucket | None:
    """The account-from-network bucket after a sign-in, or None when it need not be written again."""
    fresh = bucket is not None and bucket.known and bucket.failures == 0 and bucket.until - now > KNOWN_NETWORK / 2
    return None if fresh else Bucket(key=key, known=True, until=now + KNOWN_NETWORK)


def without_one(bucket: Bucket, limit: Limit, *, counted: Bucket) -> Bucket:
    """The bucket when a try that was counted as a failure turned out to be none.

    Args:
        bucket: as it is now.
        limit: the bucket's.
        counted: as it was when the try had been counted. It was let in, so any wait in there is its own doing.
    """
    failures = max(0, bucket.failures - 1)
    # Nothing is left to remember, so that a flood of tries that nobody could judge leaves nothing behind.
    until = bucket.until if failures > 0 or bucket.known else 0
    return replace(
        bucket,
        failures=failures,
        blocked_until=0 if bucket.blocked_until <= counted.blocked_until else bucket.blocked_until,
        until=max(0, bucket.until - _leak(limit)) if limit.leaks else until,
    )


def cleared(key: bytes) -> Bucket:
    """The bucket of an account whose failures are no longer consecutive: its owner signed in, or has a new password."""
    return Bucket(key=key)


def is_known(bucket: Bucket, *, now: Instant) -> bool:
    """Whether the account's owner signed in from that network lately."""
    return bucket.known and bucket.until > now
