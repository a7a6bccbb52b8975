"""JSON Web Signature, compact form, as strict as the field has learned to be.

Only three parts of canonical base64url, a bounded size, one algorithm per key, an expected ``typ``, and a key that the
verifier already holds. Header parameters that name or carry a key are refused, as is ``crit``.

Implements: RFC 7515 §2, §3.1, §4.1, §5.2, §7.1; RFC 7518 §3.3, §3.4; RFC 8725 §3.1, §3.2, §3.11.
Diverges: ``crit`` is refused whatever it lists, as no extension is understood; ``jwk``, ``jku``, ``x5u``, ``x5c``,
``x5t``, ``zip`` and ``b64`` are refused rather than ignored (RFC 8725 §3.10).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from watchword.protocol import base64url, strict_json
from watchword.protocol.rejection import TokenRejected

ALGORITHMS: Final = ("ES256", "RS256")
MAX_LENGTH: Final = 8192
_MAX_HEADER: Final = 1024

_ES256 = ec.ECDSA(SHA256())
_RS256 = padding.PKCS1v15()
_SHA256 = SHA256()
_REFUSED_PARAMETERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "b64", "enc"})

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Header(NamedTuple):
    """The three parameters that count."""

    alg: str
    kid: str
    typ: str


class VerificationKey(msgspec.Struct, frozen=True):
    """A public key that verifies one algorithm and no other (RFC 8725 §3.1)."""

    kid: str
    alg: str
    public: PublicKey

    def verify(self, signing_input: bytes, signature: bytes) -> None:
        """Return if the signature is this key's.

        Raises:
            TokenRejected: it is not (``token.signature``).
        """
        try:
            if self.alg == "ES256":
                if len(signature) != 64:
                    raise TokenRejected("token.signature", "an ES256 signature has 64 bytes")
                # RFC 7518 §3.4: R and S are octet strings of 32 bytes, big endian, one after the other.
                pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
                cast("ec.EllipticCurvePublicKey", self.public).verify(pair, signing_input, _ES256)
            else:
                cast("rsa.RSAPublicKey", self.public).verify(signature, signing_input, _RS256, _SHA256)
        except InvalidSignature:
            raise TokenRejected("token.signature") from None


class KeyLookup(Protocol):
    """Where a verifier finds the issuer's keys."""

    def __call__(self, kid: str, /) -> VerificationKey | None:
        """The key of that exact id, or None. No side effects (RFC 8725 §3.10)."""


def verify(token: str, keys: KeyLookup, *, typ: str, max_length: int = MAX_LENGTH) -> tuple[Header, dict[str, Any]]:
    """The header and claims of a token whose signature and form are good. The claims are not judged here.

    Args:
        token: the compact serialization.
        keys: finds the issuer's key by ``kid``.
        typ: the one media type expected, without ``application/`` (RFC 8725 §3.11).
        max_length: characters; longer ones are refused before any work.

    Raises:
        TokenRejected: with the reason.
    """
    if len(token) > max_length:
        raise TokenRejected("token.malformed", "longer than any token of ours")
    signing_input, _, tail = token.rpartition(".")
    head, _, body = signing_input.partition(".")
    if not head or not body or "." in body:
        raise TokenRejected("token.malformed", "a token has three parts")
    if len(head) > _MAX_HEADER:
        # Headers are kept below, before anybody knows whose they are.
        raise TokenRejected("token.malformed", "a header longer than any of ours")
    try:
        header = _parse_header(head)
        signature = base64url.decode(tail)
        payload = base64url.decode(body)
    except ValueError as error:
        raise TokenRejected("token.malformed", str(error)) from None
    if header.typ != typ:
        raise TokenRejected("token.typ", f"typ is not {typ}")
    if header.alg not in ALGORITHMS:
        raise TokenRejected("token.alg", "alg is not allowed")
    key = keys(header.kid)
    if key is None:
        raise TokenRejected("token.unknown_key", "no key of the issuer has this kid")
    if key.alg != header.alg:
        raise TokenRejected("token.alg", "alg is not the key's")
    key.verify(signing_input.encode("ascii"), signature)
    try:
        return header, strict_json.parse_object(payload)
    except ValueError as error:
        raise TokenRejected("token.malformed", str(error)) from None


@lru_cache(maxsize=1024)
def _parse_header(segment: str) -> Header:
    # Headers repeat from token to token, so the parsed form is kept by its exact spelling.
    members = strict_json.parse_object(base64url.decode(segment))
    if not _REFUSED_PARAMETERS.isdisjoint(members):
        raise ValueError("a header parameter that is not allowed")
    values = [members.get(name) for name in ("alg", "kid", "typ")]
    if not all(type(value) is str and value for value in values):
        raise ValueError("alg, kid and typ must be text")
    alg, kid, typ = (str(value) for value in values)
    # RFC 7515 §4.1.9: "application/" may be left out, and media types ignore case.
    return Header(alg, kid, typ.lower().removeprefix("application/"))


class SigningKey:
    """A private key with its id and its one algorithm."""

    def __init__(self, kid: str, private: PrivateKey) -> None:
        self.kid = kid
        self.alg = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
        self.public = private.public_key()
        self._sign: Callable[[bytes], bytes] = _signer(private)
        self._heads: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r}, {self.alg!r})"

    @property
    def verification_key(self) -> VerificationKey:
        """The public half."""
        return VerificationKey(self.kid, self.alg, self.public)

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """The compact serialization of ``claims`` under this key."""
        head = self._heads.get(typ)
        if head is None:
            members = {"typ": typ, "alg": self.alg, "kid": self.kid}
            head = self._heads[typ] = base64url.encode(strict_json.render_object(members))
        signing_input = f"{head}.{base64url.encode(msgspec.json.encode(claims))}"
        return f"{signing_input}.{base64url.encode(self._sign(signing_input.encode('ascii')))}"


def _signer(private: PrivateKey) -> Callable[[bytes], bytes]:
    if isinstance(private, rsa.RSAPrivateKey):
        return lambda data: private.sign(data, _RS256, _SHA256)

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, _ES256))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign
