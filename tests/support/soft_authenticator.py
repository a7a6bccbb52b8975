"""A passkey in software: makes keys and signs as an authenticator and a browser would, or wrongly, as a test wishes.

The bytes are put together here, from the standard; only CBOR is the library's.
"""

import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor

from watchword.protocol import base64url

UP: Final = 0x01
UV: Final = 0x04
BE: Final = 0x08
BS: Final = 0x10
AT: Final = 0x40
ED: Final = 0x80
PRESENT_AND_VERIFIED: Final = UP | UV
ES256: Final = -7
EDDSA: Final = -8
RS256: Final = -257

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def new_key(alg: int = ES256) -> PrivateKey:
    """A private key for an algorithm."""
    if alg == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    if alg == RS256:
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def cose_of(key: PrivateKey) -> dict[int, Any]:
    """The public half as a COSE key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {1: 3, 3: RS256, -1: public.n.to_bytes(256), -2: public.e.to_bytes(3)}
    point = key.public_key().public_numbers()
    return {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}


def signature_of(key: PrivateKey, signed: bytes) -> bytes:
    """What the key says to ``signed``."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(signed, ec.ECDSA(hashes.SHA256()))


@dataclass
class SoftPasskey:
    """One key. ``count`` is the counter of its last signature; one that stays at 0 does not count.

    Whatever a ceremony puts together can be given otherwise: ``client`` changes members of the client data (None takes
    one away), ``flags`` and ``rp_id`` what the authenticator says, ``response`` members of the JSON.
    """

    rp_id: str = "localhost"
    origin: str = "http://localhost:8000"
    alg: int = ES256
    credential_id: bytes = b""
    user_handle: bytes = b""
    flags: int = PRESENT_AND_VERIFIED
    counts: bool = True
    count: int = 0
    key: PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = new_key(self.alg)
        self.credential_id = self.credential_id or hashlib.sha256(str(cose_of(self.key)).encode()).digest()

    def client_data(self, ceremony: str, challenge: str, client: dict[str, Any] | None = None) -> bytes:
        """What the browser writes."""
        members = {
            "type": ceremony,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": False,
            **(client or {}),
        }
        return json.dumps({name: value for name, value in members.items() if value is not None}).encode()

    def authenticator_data(
        self, *, flags: int | None = None, rp_id: str | None = None, credential: bytes = b"", extensions: bytes = b""
    ) -> bytes:
        """What the authenticator says; its counter goes up."""
        self.count += self.counts
        said = (self.flags if flags is None else flags) | (AT if credential else 0) | (ED if extensions else 0)
        site = hashlib.sha256((rp_id or self.rp_id).encode()).digest()
        return site + struct.pack(">BI", said, self.count) + credential + extensions

    def credential(self, *, cose: Any = None, credential_id: bytes | None = None) -> bytes:
        """Attested credential data: no make, the id, the public key."""
        named = self.credential_id if credential_id is None else credential_id
        return bytes(16) + struct.pack(">H", len(named)) + named + cbor.encode(cose or cose_of(self.key))

    def create(
        self,
        options: dict[str, Any],
        *,
        client: dict[str, Any] | None = None,
        authenticator_data: bytes | None = None,
        attestation: dict[str, Any] | None = None,
        response: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A registration: ``RegistrationResponseJSON``."""
        self.user_handle = base64url.decode(options["user"]["id"])
        said = (
            self.authenticator_data(credential=self.credential()) if authenticator_data is None else authenticator_data
        )
        statement = {"fmt": "none", "attStmt": {}, "authData": said, **(attestation or {})}
        return self._json(
            {
                "clientDataJSON": base64url.encode(self.client_data("webauthn.create", options["challenge"], client)),
                "attestationObject": base64url.encode(cbor.encode(statement)),
                "transports": ["internal", "hybrid"],
                **(response or {}),
            }
        )

    def get(
        self,
        options: dict[str, Any],
        *,
        client: dict[str, Any] | None = None,
        authenticator_data: bytes | None = None,
        signature: bytes | None = None,
        response: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """An assertion: ``AuthenticationResponseJSON``."""
        written = self.client_data("webauthn.get", options["challenge"], client)
        said = self.authenticator_data() if authenticator_data is None else authenticator_data
        signed = signature_of(self.key, said + hashlib.sha256(written).digest()) if signature is None else signature
        return self._json(
            {
                "clientDataJSON": base64url.encode(written),
                "authenticatorData": base64url.encode(said),
                "signature": base64url.encode(signed),
                "userHandle": base64url.encode(self.user_handle),
                **(response or {}),
            }
        )

    def _json(self, response: dict[str, Any]) -> dict[str, Any]:
        named = base64url.encode(self.credential_id)
        kept = {name: value for name, value in response.items() if value is not None}
        return {
            "id": named,
            "rawId": named,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": kept,
        }
