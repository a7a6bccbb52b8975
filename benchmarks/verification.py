"""Verifying access tokens in a service: what it costs beside the raw signature check, and once a token was seen.

``python -m benchmarks.verification`` measures by itself.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks import measuring
from benchmarks.measuring import MICROSECONDS, Finding
from watchword.protocol import base64url, jwk_set
from watchword.protocol.jws import PrivateKey, SigningKey
from watchword.resource import ResourceServer
from watchword.resource.assembly import Knowledge
from watchword.testing import TestIssuer

ROUNDS: Final = 15
_TOKENS: Final = 400
_REVOKED: Final = 1000
_TIMES_SEEN: Final = 10
_SCOPE: Final = "orders.read"


def verification(*, rounds: int = ROUNDS) -> list[Finding]:
    """Fresh and cached, ES256 and RS256."""
    return [*_of("ES256", ec.generate_private_key(ec.SECP256R1()), rounds), *_of("RS256", _rsa_key(), rounds)]


def _of(alg: str, private: PrivateKey, rounds: int) -> list[Finding]:
    issuer, resource = _stage(private)
    tokens = [issuer.token(scope="orders.read orders.write", acr="password", amr=["pwd"]) for _ in range(_TOKENS)]
    checks = [_raw_check(private, token) for token in tokens]
    verify, forget = resource.verify, resource.knowledge.verifier.forget_tokens
    raw, fresh, seen = [], [], []
    for _ in range(rounds):
        raw.append(_time(checks))
        forget()
        fresh.append(_time([lambda token=token: verify(token, scope=_SCOPE) for token in tokens]))  # type: ignore[misc]
        seen.append(_time_seen(verify, tokens))
    return [
        measuring.compared(f"verifying a fresh token, {alg}", fresh, raw, unit="us", target=1.15),
        Finding(
            name=f"verifying a token seen before, {alg}",
            value=sorted(seen)[len(seen) // 2],
            unit="us",
            target=3,
            remark=f"times, scope and {_REVOKED} revocations are judged each time",
        ),
    ]


def _stage(private: PrivateKey) -> tuple[TestIssuer, ResourceServer]:
    """An issuer with that key and some revocations, and a resource server that knows both."""
    issuer = TestIssuer()
    key = SigningKey(jwk_set.thumbprint(private.public_key()), private)
    issuer.signing_key, issuer.published = key, {key.kid: key.verification_key}
    for at in range(_REVOKED):
        issuer.revoke(session=f"revoked-{at}")
    resource = issuer.resource_server()
    resource.verify(issuer.token())
    known = resource.knowledge
    # The clock of a real one, in place of one that plays the network.
    resource.knowledge = Knowledge(known.verifier, known.attendant, time.time)
    return issuer, resource


def _raw_check(private: PrivateKey, token: str) -> Callable[[], Any]:
    signing_input, _, tail = token.rpartition(".")
    signed, signature = signing_input.encode(), base64url.decode(tail)
    if isinstance(private, rsa.RSAPrivateKey):
        rsa_key, pkcs1, sha256 = private.public_key(), padding.PKCS1v15(), SHA256()
        return lambda: rsa_key.verify(signature, signed, pkcs1, sha256)
    pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    ec_key, es256 = private.public_key(), ec.ECDSA(SHA256())
    return lambda: ec_key.verify(pair, signed, es256)


def _time(work: Sequence[Callable[[], Any]]) -> float:
    """CPU microseconds for each."""
    begun = time.thread_time()
    for one in work:
        one()
    return (time.thread_time() - begun) / len(work) * MICROSECONDS


def _time_seen(verify: Callable[..., Any], tokens: Sequence[str]) -> float:
    begun = time.thread_time()
    for _ in range(_TIMES_SEEN):
        for token in tokens:
            verify(token, scope=_SCOPE)
    return (time.thread_time() - begun) / len(tokens) / _TIMES_SEEN * MICROSECONDS


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


if __name__ == "__main__":
    print(measuring.show(verification()))
