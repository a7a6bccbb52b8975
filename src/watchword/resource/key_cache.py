"""The issuer's keys as a resource server holds them: fresh, stale, and when to ask for them again. Pure.

Its laws: good keys are never replaced by nothing; keys that cannot be renewed are used for a day; a token with an
unknown ``kid`` causes at most one request in 30 seconds, however many such tokens arrive; and since anybody can send
such tokens, they use up nothing of what the feed may ask, whose batches come from the issuer itself.

Implements: RFC 8725 §3.10 (a ``kid`` is matched exactly and has no side effects); OpenID Connect Core 1.0 §10.1.1.
"""

import math
from collections.abc import Mapping
from typing import Final, Literal

from watchword.protocol.jws import VerificationKey

KEPT_SECONDS: Final = 24 * 3600
UNKNOWN_KID_SECONDS: Final = 30
_FEED_SECONDS: Final = 1
_FRESH_SECONDS: Final = 300
_FRESH_LEAST: Final = 60
_FRESH_MOST: Final = 3600
_RETRY_MOST: Final = 30

Asker = Literal["token", "feed"]
"""Where an unknown ``kid`` stood: in a token, which anybody may have sent, or in a batch of the issuer's feed."""

_PAUSES: Final[Mapping[Asker, float]] = {"token": UNKNOWN_KID_SECONDS, "feed": _FEED_SECONDS}


class KeyCache:
    """The keys by ``kid``, and when they were fetched.

    Attributes:
        version: raised whenever the keys change.
        in_flight: whether a fetch is under way; a token with an unknown ``kid`` is worth waiting for it.
        fetched_at: seconds since the epoch of the last good fetch; None before the first.
    """

    __slots__ = ("_asked_at", "_failures", "_fresh_for", "_keys", "_tried_at", "fetched_at", "in_flight", "version")

    def __init__(self) -> None:
        self._keys: dict[str, VerificationKey] = {}
        self._fresh_for: float = _FRESH_SECONDS
        self._failures = 0
        self._tried_at = -math.inf
        self._asked_at: dict[Asker, float] = dict.fromkeys(_PAUSES, -math.inf)
        self.fetched_at: float | None = None
        self.in_flight = False
        self.version = 0

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str) -> VerificationKey | None:
        """The key of exactly that id."""
        return self._keys.get(kid)

    def listed(self) -> list[VerificationKey]:
        """All keys."""
        return list(self._keys.values())

    @property
    def kept_until(self) -> float:
        """Seconds since the epoch until which the keys may be used without being renewed."""
        return -math.inf if self.fetched_at is None else self.fetched_at + KEPT_SECONDS

    def take(self, keys: Mapping[str, VerificationKey], *, now: float, max_age: float | None = None) -> bool:
        """Hold a newly fetched set from ``now`` on.

        Args:
            keys: the set by ``kid``.
            now: when it was fetched, in seconds since the epoch.
            max_age: for how many seconds the issuer calls it fresh; kept between a minute and an hour.

        Returns:
            Whether the keys changed.

        Raises:
            ValueError: the set is empty; the good keys stay.
        """
        if not keys:
            raise ValueError("the key set holds no key that could verify a token")
        fresh_for = _FRESH_SECONDS if max_age is None else max_age
        self._fresh_for = min(max(fresh_for, _FRESH_LEAST), _FRESH_MOST)
        self._failures = 0
        self.fetched_at = self._tried_at = now
        if _same(self._keys, keys):
            return False
        self._keys = dict(keys)
        self.version += 1
        return True

    def restore(self, keys: Mapping[str, VerificationKey], *, fetched_at: float, now: float) -> None:
        """Take keys from a snapshot, unless newer ones or none are at hand. They are due for renewal at once."""
        known = -math.inf if self.fetched_at is None else self.fetched_at
        fetched_at = min(fetched_at, now)
        if keys and fetched_at > known:
            self._keys = dict(keys)
            self.fetched_at = fetched_at
            self.version += 1

    def failed(self, now: float) -> None:
        """A fetch at ``now`` brought nothing good."""
        self._failures += 1
        self._tried_at = now

    def wait(self, now: float) -> float:
        """Seconds until the keys should be fetched again; 0 when that is due.

        After a failure: 1, 2, 4, ... up to 30 seconds.
        """
        pause = min(2.0 ** (self._failures - 1), _RETRY_MOST) if self._failures else self._fresh_for
        # A clock that was set back must not put the next fetch off.
        return min(max(self._tried_at + pause - now, 0), pause)

    def may_ask_for_unknown(self, now: float, *, asker: Asker = "token") -> bool:
        """Whether an unknown ``kid`` may cause a fetch now."""
        return not 0 <= now - self._asked_at[asker] < _PAUSES[asker]

    def asked_for_unknown(self, now: float, *, asker: Asker = "token") -> None:
        """An unknown ``kid`` causes a fetch at ``now``."""
        self._asked_at[asker] = now


def _same(known: Mapping[str, VerificationKey], found: Mapping[str, VerificationKey]) -> bool:
    if known.keys() != found.keys():
        return False
    return all(known[kid].alg == key.alg and known[kid].public == key.public for kid, key in found.items())
