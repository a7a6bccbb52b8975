"""Keys derived from the server's secret.

Several secrets may be listed, newest first: the newest makes, all are tried.

Implements: RFC 5869 §2; RFC 2104 §2, §4, §5.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_BYTES = 32
MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """All that one secret gives. ``key_id`` is one byte: a hint which secret to try, no proof."""

    key_id: int
    refresh_token: bytes
    caller: bytes
    at_rest: bytes
    throttle: bytes
    form: bytes
    link: bytes
    check: str

    def __repr__(self) -> str:
        return f"DerivedKeys(key_id={self.key_id})"


@dataclass(frozen=True, slots=True)
class SecretRing:
    """Derived keys, newest secret first. Never empty."""

    keys: tuple[DerivedKeys, ...]

    @property
    def newest(self) -> DerivedKeys:
        """The keys that make new things."""
        return self.keys[0]

    @property
    def caller_keys(self) -> tuple[bytes, ...]:
        """Keys for caller hashes."""
        return tuple(key.caller for key in self.keys)

    def by_id(self, key_id: int) -> tuple[DerivedKeys, ...]:
        """All keys with that id; with one byte there may be several."""
        return tuple([key for key in self.keys if key.key_id == key_id])

    def knows(self, check: str) -> bool:
        """Whether a check value found in a database was made by one of the secrets."""
        return any(hmac.compare_digest(check, key.check) for key in self.keys)

    def led_by(self, check: str) -> "SecretRing":
        """The same secrets, the one that made ``check`` in front of all."""
        return SecretRing(tuple(sorted(self.keys, key=lambda key: not hmac.compare_digest(check, key.check))))


def parse_secrets(text: str) -> SecretRing:
    """The ring of the secrets in ``text``, separated by white space, newest first.

    Raises:
        ValueError: none, or one of fewer than 32 bytes.
    """
    secrets = [secret.encode() for secret in text.split()]
    if not secrets:
        raise ValueError("the secret is empty")
    if any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
        raise ValueError("a secret has at least 32 bytes of text")
    return SecretRing(tuple(_derive(secret) for secret in secrets))


def mac(key: bytes, content: bytes) -> bytes:
    """HMAC-SHA256 of ``content`` under a derived key, cut to 16 bytes (RFC 2104 §5)."""
    keyed = _keyed(key).copy()
    keyed.update(content)
    return keyed.finalize()[:MAC_BYTES]


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> HMAC:
    # RFC 2104 §4: what depends on the key alone is computed once; that is more than half of the work.
    return HMAC(key, SHA256())


def _derive(secret: bytes) -> DerivedKeys:
    def key(purpose: str) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=b"watchword", info=purpose.encode()).derive(secret)

    return DerivedKeys(
        key_id=key("id")[0],
        refresh_token=key("refresh token"),
        caller=key("caller"),
        at_rest=key("at rest"),
        throttle=key("throttle"),
        form=key("form"),
        link=key("link"),
        check=hashlib.sha256(key("check")).hexdigest(),
    )
