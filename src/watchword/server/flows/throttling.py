"""Keys of throttle buckets: hashed, as they hold names of accounts and networks."""

import hmac
from dataclasses import dataclass
from typing import Self

from watchword.server.domain.secret_ring import SecretRing


@dataclass(frozen=True, slots=True)
class ThrottleKeys:
    """The three buckets that a sign-in counts in; see domain/throttle."""

    account_from_network: bytes
    network: bytes
    account: bytes

    @classmethod
    def of(cls, secrets: SecretRing, *, account: str, network: str) -> Self:
        """The keys for one account tried from one network."""
        return cls(
            _key(secrets, "account from network", account, network),
            _key(secrets, "network", network),
            account_key(secrets, account),
        )

    @property
    def all(self) -> tuple[bytes, ...]:
        """In one order everywhere, so that two sign-ins never wait for each other's locks."""
        return tuple(sorted((self.account_from_network, self.network, self.account)))


def account_key(secrets: SecretRing, account: str) -> bytes:
    """The bucket that counts strangers' tries at an account, by its folded user name."""
    return _key(secrets, "account", account)


def sign_up_key(secrets: SecretRing, network: str) -> bytes:
    """The bucket that counts sign-ups from a network."""
    return _key(secrets, "sign-up", network)


def _key(secrets: SecretRing, *words: str) -> bytes:
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    return hmac.digest(secrets.newest.throttle, text, "sha256")[:16]
