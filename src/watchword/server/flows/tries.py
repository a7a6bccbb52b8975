"""Tries at an account: counted before they are judged, in the same buckets whichever door and factor they come by.

Implements: NIST SP 800-63B-4 §3.2.2; OWASP ASVS 5.0 §6.3.1.
"""

import math
from dataclasses import dataclass

from watchword.protocol.errors import TooManyTries
from watchword.server.domain import throttle
from watchword.server.domain.throttle import Bucket, Limit
from watchword.server.domain.time import Instant
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys
from watchword.server.ports.transaction import Writing


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was counted as a failure, until it is known to be none. ``there``: rows of the account by then."""

    keys: ThrottleKeys
    counted: list[tuple[Bucket, Limit]]
    there: frozenset[bytes]

    @property
    def counted_in(self) -> list[bytes]:
        """The keys of the buckets."""
        return [bucket.key for bucket, _ in self.counted]


async def count(parts: Parts, keys: ThrottleKeys, *, now: Instant) -> Try:
    """Count the try before its outcome is known, so that a thousand at once are not all the first.

    Raises:
        TooManyTries: it may not come now, and is not counted.
    """
    async with parts.storage.write() as tx:
        # Looked at before any lock: it says which to take.
        there = await tx.buckets(keys.of_account)
        here = None if keys.account_from_network is None else there.get(keys.account_from_network)
        counting = _counting(keys, known=here is not None and throttle.is_known(here, now=now))
        found = await tx.lock_buckets([key for key, _ in counting])
        wait = max(throttle.wait(found[key], now=now) for key, _ in counting)
        if wait > 0:
            raise TooManyTries(slug="sign_in.throttled", retry_after=math.ceil(wait))
        counted = [(throttle.after_failure(found[key], key, limit, now=now), limit) for key, limit in counting]
        await tx.put_buckets([bucket for bucket, _ in counted])
    return Try(keys, counted, frozenset(there))


async def forgive(tx: Writing, tried: Try) -> None:
    """Take back this one try, and nothing else: nobody guessed wrong, but nobody has signed in either."""
    found = await tx.lock_buckets(tried.counted_in)
    await tx.put_buckets(list(_without(found, tried).values()))


async def succeed(tx: Writing, tried: Try, *, now: Instant) -> None:
    """The account's owner signed in: the failures before are not in a row any more, and the network is known to be his.

    Users come before buckets in the order of locks.
    """
    keys = tried.keys
    # To lock a row that was not there would make it, and there is nothing in it to forget.
    found = await tx.lock_buckets([*tried.there.union(tried.counted_in)])
    changed = _without(found, tried)
    # The failures before this were not the account's last word: what counts is how many come in a row.
    for key in (keys.account, keys.account_from_known):
        if key in found and found[key].failures > 0:
            changed[key] = throttle.cleared(key)
    if keys.account_from_network is not None:
        key = keys.account_from_network
        # None: the row need not be written again. The try was counted there, so it is not so here.
        changed[key] = throttle.after_success(found[key], key, now=now) or changed[key]
    await tx.put_buckets(list(changed.values()))


def _counting(keys: ThrottleKeys, *, known: bool) -> list[tuple[bytes, Limit]]:
    """The buckets that a try counts in, and no others: every one of them is a row."""
    strangers = (keys.account, throttle.ACCOUNT_FROM_STRANGERS)
    if keys.account_from_network is None or keys.network is None:
        # No evidence: what everybody shares must not count, or one guesser would shut out all.
        return [strangers]
    here = (keys.account_from_network, throttle.ACCOUNT_FROM_NETWORK)
    # The owner's own networks are counted apart, so neither strangers nor his neighbours' failures can shut him out.
    if known:
        return [here, (keys.account_from_known, throttle.ACCOUNT_FROM_KNOWN)]
    return [here, (keys.network, throttle.NETWORK), strangers]


def _without(found: dict[bytes, Bucket], tried: Try) -> dict[bytes, Bucket]:
    return {
        bucket.key: throttle.without_one(found[bucket.key], limit, counted=bucket) for bucket, limit in tried.counted
    }
