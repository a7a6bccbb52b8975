"""Encryption at rest: what must be read again but must not be readable in a database dump.

Implements: NIST SP 800-38D §8.2.2 (random 96-bit nonces).
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from watchword.server.domain.secret_ring import SecretRing
from watchword.server.ports.entropy import Entropy
from watchword.server.ports.sealing import CannotUnseal

_VERSION: Final = b"\x01"
_NONCE: Final = 12


class Sealing:
    """AES-256-GCM under keys derived from the server's secrets; the newest seals, all unseal."""

    def __init__(self, secrets: SecretRing, entropy: Entropy) -> None:
        self._keys = [AESGCM(key.at_rest) for key in secrets.keys]
        self._entropy = entropy

    def seal(self, plain: bytes, *, purpose: str) -> bytes:
        """``plain``, encrypted and bound to ``purpose``, so that one row's value cannot stand in another row."""
        nonce = self._entropy.draw(_NONCE)
        return _VERSION + nonce + self._keys[0].encrypt(nonce, plain, purpose.encode())

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed for ``purpose``.

        Raises:
            CannotUnseal: no listed secret opens it.
        """
        return self._opened(sealed, purpose=purpose)[1]

    def resealed(self, sealed: bytes, *, purpose: str) -> bytes | None:
        """See ``ports.sealing.Sealer``."""
        key, plain = self._opened(sealed, purpose=purpose)
        return None if key is self._keys[0] else self.seal(plain, purpose=purpose)

    def _opened(self, sealed: bytes, *, purpose: str) -> tuple[AESGCM, bytes]:
        nonce, data = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] == _VERSION:
            for key in self._keys:
                try:
                    return key, key.decrypt(nonce, data, purpose.encode())
                except InvalidTag:
                    continue
        raise CannotUnseal(f"a value for {purpose} does not open under the listed secrets")
