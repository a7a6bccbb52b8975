"""Makes tokens, good and bad: any header over any payload, signed by whatever is asked for."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from watchword.protocol import base64url
from watchword.protocol.access_token import AccessToken, verify
from watchword.protocol.jws import SigningKey, VerificationKey
from watchword.protocol.rejection import TokenRejected

NOW: Final = 1_700_000_000
ISSUER: Final = "https://id.example"
AUDIENCE: Final = "https://orders.example"
CLAIMS: Final[Mapping[str, Any]] = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": AUDIENCE,
    "exp": NOW + 900,
    "iat": NOW,
    "jti": "jti",
    "client_id": "app",
    "scope": "orders:read",
}


@cache
def es256() -> SigningKey:
    """The issuer's ES256 key."""
    return SigningKey("es", ec.generate_private_key(ec.SECP256R1()))


@cache
def rs256() -> SigningKey:
    """The issuer's RS256 key."""
    return SigningKey("rs", rsa.generate_private_key(65537, 2048))


@cache
def stranger() -> SigningKey:
    """A key that the issuer does not have, under the name of one that it has."""
    return SigningKey("es", ec.generate_private_key(ec.SECP256R1()))


def published(kid: str) -> VerificationKey | None:
    """The issuer's key set."""
    return {"es": es256, "rs": rs256}[kid]().verification_key if kid in ("es", "rs") else None


def header(key: SigningKey | None = None, **changes: Any) -> dict[str, Any]:
    """The header of an access token, with changes; a member set to ... is left out."""
    key = key or es256()
    members = {"typ": "at+jwt", "alg": key.alg, "kid": key.kid, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of an access token, with changes; a member set to ... is left out."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}


def raw(head: bytes, payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The compact serialization of these very bytes."""
    signing_input = f"{base64url.encode(head)}.{base64url.encode(payload)}"
    return f"{signing_input}.{base64url.encode(sign(signing_input.encode('ascii')))}"


def signer(key: SigningKey) -> Callable[[bytes], bytes]:
    """What signs bytes under ``key``."""
    return key._sign


def forge(
    head: Mapping[str, Any] | bytes | None = None,
    payload: Mapping[str, Any] | bytes | None = None,
    key: SigningKey | None = None,
) -> str:
    """A token with this header and payload, truly signed by the issuer's key unless another is given."""
    key = key or es256()
    head = header(key) if head is None else head
    payload = claims() if payload is None else payload
    return raw(_bytes(head), _bytes(payload), signer(key))


def _bytes(value: Mapping[str, Any] | bytes) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def accept(token: str, *, now: float = NOW, leeway: float = 10) -> AccessToken:
    """Verify ``token`` as the resource server of orders would."""
    return verify(token, published, issuer=ISSUER, audiences=frozenset({AUDIENCE}), now=now, leeway=leeway)


def refusal(token: str, *, now: float = NOW, leeway: float = 10) -> str:
    """Why ``token`` is refused; the empty text if it is accepted."""
    try:
        accept(token, now=now, leeway=leeway)
    except TokenRejected as rejected:
        return rejected.reason
    return ""
