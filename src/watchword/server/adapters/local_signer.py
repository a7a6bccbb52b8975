"""Signing with private keys that live in this process, sealed in the database.

Implements: RFC 7518 §3.3, §3.4 (key sizes); RFC 7638 §3 (``kid`` is the thumbprint).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from watchword.protocol import jwk_set, strict_json
from watchword.protocol.jws import PrivateKey, SigningKey, VerificationKey
from watchword.server.adapters.sealing import Sealing
from watchword.server.domain.api import Algorithm
from watchword.server.domain.key_ring import RingKey, purpose_of
from watchword.server.domain.time import Instant
from watchword.server.ports.sealing import CannotUnseal
from watchword.server.ports.signing import NoSigningKey

_RSA_BITS = 2048


class LocalSigner:
    """Holds the ring that was loaded last."""

    def __init__(self, sealing: Sealing) -> None:
        self.turn = asyncio.Lock()
        self._sealing = sealing
        self._signing: dict[str, SigningKey] = {}
        self._published: dict[str, VerificationKey] = {}
        self._known: dict[str, VerificationKey] = {}
        self._stuck: set[Algorithm] = set()

    def load(self, keys: list[RingKey]) -> None:
        """See ``ports.signing.Signer``."""
        self._stuck = {key.alg for key in keys if key.state == "next" and not self.opens(key)}
        held = {key.kid: key for key in self._signing.values()}
        signing: dict[str, SigningKey] = {
            key.alg: held.get(key.kid) or self._unseal(key) for key in keys if key.state == "signing"
        }
        known = {
            key.kid: jwk_set.parse_jwk(strict_json.parse_object(key.public_jwk.encode()))
            for key in keys
            if key.state != "revoked"
        }
        published = {key.kid: known[key.kid] for key in keys if key.published}
        self._signing, self._published, self._known = signing, published, known

    async def make(self, alg: Algorithm, *, now: Instant) -> RingKey:
        """See ``ports.signing.Signer``. RSA takes a tenth of a second, so it is made off the event loop."""
        private: PrivateKey
        if alg == "RS256":
            private = await asyncio.to_thread(rsa.generate_private_key, 65537, _RSA_BITS)
        else:
            private = ec.generate_private_key(ec.SECP256R1())
        public = private.public_key()
        kid = jwk_set.thumbprint(public)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return RingKey(
            kid=kid,
            alg=alg,
            state="next",
            public_jwk=strict_json.render_object(jwk_set.render_jwk(VerificationKey(kid, alg, public))).decode(),
            sealed=self._sealing.seal(der, purpose=purpose_of(kid)),
            created_at=now,
            since=now,
        )

    def sign(self, claims: Mapping[str, Any], *, typ: str, alg: Algorithm) -> str:
        """See ``ports.signing.Signer``."""
        key = self._signing.get(alg)
        if key is None:
            raise NoSigningKey(alg)
        return key.sign(claims, typ=typ)

    def can_sign(self, alg: Algorithm) -> bool:
        """See ``ports.signing.Signer``."""
        return alg in self._signing

    def can_go_on(self, alg: Algorithm) -> bool:
        """See ``ports.signing.Signer``."""
        return alg not in self._stuck

    def opens(self, key: RingKey) -> bool:
        """See ``ports.signing.Signer``."""
        try:
            self._sealing.unseal(key.sealed or b"", purpose=purpose_of(key.kid))
        except CannotUnseal:
            return False
        return True

    def published(self) -> list[VerificationKey]:
        """See ``ports.signing.Signer``."""
        return list(self._published.values())

    def find(self, kid: str, /) -> VerificationKey | None:
        """See ``ports.signing.Signer``."""
        return self._published.get(kid)

    def recognise(self, kid: str, /) -> VerificationKey | None:
        """See ``ports.signing.Signer``."""
        return self._known.get(kid)

    def _unseal(self, key: RingKey) -> SigningKey:
        der = self._sealing.unseal(key.sealed or b"", purpose=purpose_of(key.kid))
        # What was sealed is what was made here; proving the primes of an RSA key again would take 30 ms.
        private = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError("a signing key is on a curve or RSA")
        return SigningKey(key.kid, private)
