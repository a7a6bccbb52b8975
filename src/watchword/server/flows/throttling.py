"""Keys of throttle buckets, and the turns that tries in flight take.

Keys are hashed, as they hold names of accounts and networks.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from watchword.protocol.errors import TooManyTries
from watchword.server.domain.secret_ring import SecretRing

# As many as the queue of passwords takes.
_MOST_WAITING: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleKeys:
    """The buckets that a sign-in may count in; see domain/throttle. Without evidence of the network two are missing."""

    account_from_network: bytes | None
    network: bytes | None
    account_from_known: bytes
    account: bytes

    @classmethod
    def of(cls, secrets: SecretRing, *, account: str, network: str | None) -> Self:
        """The keys for one account tried from one network; ``network`` is None when nothing tells which."""
        strangers, known = account_keys(secrets, account)
        return cls(
            account_from_network=None if network is None else _key(secrets, "account from network", account, network),
            network=None if network is None else _key(secrets, "network", network),
            account_from_known=known,
            account=strangers,
        )

    @property
    def of_account(self) -> tuple[bytes, ...]:
        """Those that count tries at this one account."""
        keys = (self.account_from_network, self.account_from_known, self.account)
        return tuple(key for key in keys if key is not None)

    @property
    def turn(self) -> bytes:
        """What tries take turns at: one account from one network, so that no stranger stands in the owner's way."""
        return self.account if self.account_from_network is None else self.account_from_network


def account_keys(secrets: SecretRing, account: str) -> tuple[bytes, bytes]:
    """The buckets that count all tries at an account, by its folded user name: strangers', and known networks'."""
    return _key(secrets, "account", account), _key(secrets, "account from known", account)


def sign_up_key(secrets: SecretRing, network: str | None) -> bytes:
    """The bucket that counts sign-ups from a network, or all those of which nothing tells where from."""
    return _key(secrets, "sign-up", network or "unknown")


def forgotten_key(secrets: SecretRing, network: str) -> bytes:
    """The bucket that counts forgotten passwords told from a network."""
    return _key(secrets, "forgotten", network)


def wrong_code_key(secrets: SecretRing, *, sub: str) -> bytes:
    """The bucket that counts wrong codes after a right password; it slows nobody. Locked with the user locked alone."""
    return _key(secrets, "wrong code", sub)


def mail_key(secrets: SecretRing, *, reader: str) -> bytes:
    """The bucket that counts mails that anybody could have caused, by the reader's ``sub`` or his folded address."""
    return _key(secrets, "mail", reader)


def proof_key(secrets: SecretRing, *, sub: str) -> bytes:
    """The bucket that counts mails by which a user would prove addresses, whosever they are."""
    return _key(secrets, "proof", sub)


def proofs_key(secrets: SecretRing, network: str) -> bytes:
    """The bucket that counts such mails of all users of a network."""
    return _key(secrets, "proofs from network", network)


def _key(secrets: SecretRing, *words: str) -> bytes:
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    return hmac.digest(secrets.newest.throttle, text, "sha256")[:16]


@dataclass(slots=True)
class _Queue:
    length: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Turns:
    """One at a time for each key, in this process.

    A try is counted as a failure before it is judged, so that a thousand guesses at once are not all the first. Those
    in flight would then stand in each other's way though all of them are right: so each is judged before the next one
    is counted.
    """

    def __init__(self) -> None:
        self._queues: dict[bytes, _Queue] = {}

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait for the turn, and have it.

        Raises:
            TooManyTries: too many are waiting for this one.
        """
        queue = self._queues.setdefault(key, _Queue())
        if queue.length > _MOST_WAITING:
            raise TooManyTries(slug="sign_in.throttled", retry_after=1)
        queue.length += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.length -= 1
            if queue.length == 0:
                del self._queues[key]
