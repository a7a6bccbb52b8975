"""JSON Web Key Sets: what an issuer publishes, and what a verifier is willing to load.

Implements: RFC 7517 §4, §5; RFC 7518 §6.2, §6.3; RFC 7638 §3.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from watchword.protocol import base64url, strict_json
from watchword.protocol.jws import ALGORITHMS, PublicKey, VerificationKey

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_KEYS = 100


def render_jwk(key: VerificationKey) -> dict[str, str]:
    """The public key as a JWK, marked for signatures and its one algorithm."""
    return {**_public_members(key.public), "kid": key.kid, "alg": key.alg, "use": "sig"}


def render(keys: Iterable[VerificationKey]) -> bytes:
    """The set as published at ``/jwks``."""
    return strict_json.render_object({"keys": [render_jwk(key) for key in keys]})


def thumbprint(public: PublicKey) -> str:
    """The SHA-256 thumbprint, our ``kid`` (RFC 7638 §3)."""
    members = _public_members(public)
    canonical = strict_json.render_object(dict(sorted(members.items())))
    return base64url.encode(hashlib.sha256(canonical).digest())


def parse(document: bytes) -> dict[str, VerificationKey]:
    """The keys of a set by ``kid``.

    Keys of an unknown type or algorithm, and keys for encryption, are left out: they are not for us.

    Raises:
        ValueError: the set must not be trusted at all: no JSON, private or symmetric material, a ``kid`` twice, a
            weak RSA key, or a point that is not on P-256.
    """
    members = strict_json.parse_object(document)
    listed = members.get("keys")
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise ValueError("keys must be a list of a bounded length")
    keys: dict[str, VerificationKey] = {}
    for jwk in listed:
        if not isinstance(jwk, dict):
            raise ValueError("a key must be a JSON object")
        key = _parse_jwk(jwk)
        if key is not None:
            if key.kid in keys:
                raise ValueError("a kid twice")
            keys[key.kid] = key
    return keys


def parse_jwk(jwk: Mapping[str, Any]) -> VerificationKey:
    """One public key.

    Raises:
        ValueError: as ``parse``, or a key that is not for signatures of ours.
    """
    key = _parse_jwk(jwk)
    if key is None:
        raise ValueError("not a key for signatures that we know")
    return key


def _parse_jwk(jwk: Mapping[str, Any]) -> VerificationKey | None:
    if jwk.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise ValueError("private or symmetric key material in a public key set")
    kid, alg, use, ops = jwk.get("kid"), jwk.get("alg"), jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not kid or alg not in ALGORITHMS or use != "sig":
        return None
    if not isinstance(ops, list) or "verify" not in ops:
        return None
    public = _parse_ec(jwk) if jwk.get("kty") == "EC" else _parse_rsa(jwk)
    if isinstance(public, rsa.RSAPublicKey) is not (alg == "RS256"):
        raise ValueError("alg does not fit the key")
    return VerificationKey(kid, str(alg), public)


def _parse_ec(jwk: Mapping[str, Any]) -> PublicKey:
    if jwk.get("crv") != "P-256":
        raise ValueError("ES256 wants a key on P-256")
    return ec.EllipticCurvePublicNumbers(_integer(jwk, "x", 32), _integer(jwk, "y", 32), ec.SECP256R1()).public_key()


def _parse_rsa(jwk: Mapping[str, Any]) -> PublicKey:
    modulus, exponent = _integer(jwk, "n"), _integer(jwk, "e")
    if not 2048 <= modulus.bit_length() <= 8192 or exponent < 65537:
        raise ValueError("an RSA key has 2048 to 8192 bits and an exponent of at least 65537")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _integer(jwk: Mapping[str, Any], name: str, length: int | None = None) -> int:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name} must be text")
    data = base64url.decode(text)
    if length is not None and len(data) != length:
        raise ValueError(f"{name} must have {length} bytes")
    return int.from_bytes(data)


def _public_members(public: PublicKey) -> dict[str, str]:
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        return {"kty": "RSA", "n": _text(rsa_numbers.n), "e": _text(rsa_numbers.e)}
    numbers = public.public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": _text(numbers.x, 32), "y": _text(numbers.y, 32)}


def _text(number: int, length: int | None = None) -> str:
    return base64url.encode(number.to_bytes(length or (number.bit_length() + 7) // 8))
