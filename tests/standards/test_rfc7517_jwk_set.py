"""JSON Web Key Sets: what we publish, and what we are willing to load."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.standards.forge import es256, rs256
from tests.support.rfc import rfc

from watchword.protocol import base64url, jwk_set
from watchword.protocol.jws import VerificationKey

ES, RS = es256().verification_key, rs256().verification_key
EC_JWK, RSA_JWK = jwk_set.render_jwk(ES), jwk_set.render_jwk(RS)


def load(*keys: object, **members: Any) -> dict[str, VerificationKey]:
    return jwk_set.parse(json.dumps({"keys": list(keys), **members}).encode())


def jwk(of: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**of, **changes}.items() if value is not ...}


@rfc("7517", "5")
def test_what_is_published_is_loaded_again() -> None:
    found = jwk_set.parse(jwk_set.render([ES, RS]))
    assert list(found) == ["es", "rs"]
    for key in (ES, RS):
        assert found[key.kid].alg == key.alg
        assert found[key.kid].public.public_numbers() == key.public.public_numbers()


@rfc("7517", "4")
def test_a_published_key_is_public_and_says_what_it_is_for() -> None:
    assert set(EC_JWK) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert set(RSA_JWK) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (EC_JWK["use"], EC_JWK["alg"], RSA_JWK["use"], RSA_JWK["alg"]) == ("sig", "ES256", "sig", "RS256")


@rfc("7518", "6.2.1.2")
def test_a_coordinate_has_all_its_bytes_even_if_they_begin_with_zeros() -> None:
    assert len(base64url.decode(EC_JWK["x"])) == len(base64url.decode(EC_JWK["y"])) == 32
    assert jwk_set._text(1, 32) == base64url.encode(bytes(31) + b"\1")


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("of", [EC_JWK, RSA_JWK], ids=["EC", "RSA"])
def test_a_set_with_private_material_is_refused_whole(name: str, of: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="private"):
        load(RSA_JWK | {"kid": "good"}, jwk(of, **{name: "AQAB"}))


def test_a_set_with_a_symmetric_key_is_refused_whole() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        load(EC_JWK, {"kty": "oct", "kid": "x", "alg": "HS256"})


def test_a_kid_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="kid twice"):
        load(EC_JWK, jwk(RSA_JWK, kid="es"))


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "alg": "EdDSA", "kid": "ed"},
        {"kty": "EC", "crv": "P-384", "alg": "ES384", "kid": "p384"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq"},
        jwk(RSA_JWK, use="enc", alg="RSA-OAEP", kid="enc"),
        jwk(RSA_JWK, use="enc", kid="enc"),
        jwk(RSA_JWK, alg="PS256", kid="ps"),
        jwk(RSA_JWK, alg=..., kid="no alg"),
        jwk(RSA_JWK, kid=...),
        jwk(RSA_JWK, kid=""),
        jwk(RSA_JWK, kid=7),
        jwk(RSA_JWK, key_ops=["encrypt"], kid="ops"),
        jwk(RSA_JWK, key_ops="verify", kid="ops"),
        jwk(RSA_JWK, alg=["RS256"], kid="list"),
        {},
    ],
)
@rfc("7517", "5")
def test_keys_that_are_not_for_us_are_left_out(odd: dict[str, Any]) -> None:
    assert list(load(odd, EC_JWK)) == ["es"]
    with pytest.raises(ValueError, match="not a key"):
        jwk_set.parse_jwk(odd)


@rfc("7517", "4")
def test_unknown_members_are_ignored() -> None:
    assert list(load(jwk(EC_JWK, x="AA", x5t="x") | {"x": EC_JWK["x"]}, extra=1)) == ["es"]


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a_short_rsa_key_is_refused(bits: int) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n << (bits - 1024) | 1
    with pytest.raises(ValueError, match="2048"):
        load(jwk(RSA_JWK, n=jwk_set._text(weak)))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 65536])
def test_a_small_or_even_exponent_is_refused(exponent: int) -> None:
    with pytest.raises(ValueError, match="65537"):
        load(jwk(RSA_JWK, e=base64url.encode(exponent.to_bytes(3))))


def test_an_rsa_key_so_long_that_checking_it_is_an_attack_is_refused() -> None:
    with pytest.raises(ValueError, match="8192"):
        load(jwk(RSA_JWK, n=jwk_set._text(2**16384 + 1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"x": EC_JWK["y"]},
        {"x": base64url.encode(bytes(32)), "y": base64url.encode(bytes(32))},
        {"x": base64url.encode(bytes(31))},
        {"x": base64url.encode(b"\0" + base64url.decode(EC_JWK["x"]))},
        {"x": EC_JWK["x"] + "="},
        {"x": ...},
        {"x": 1},
        {"y": None},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": ...},
        {"alg": "RS256"},
        {"kty": "RSA"},
    ],
)
@rfc("7518", "6.2")
def test_a_point_that_is_not_on_the_curve_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        load(jwk(EC_JWK, **changes))


@pytest.mark.parametrize("changes", [{"n": ...}, {"e": ...}, {"n": 1}, {"n": ""}, {"alg": "ES256"}, {"n": "+/=="}])
def test_a_broken_rsa_key_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        load(jwk(RSA_JWK, **changes))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": [1]}',
        b'{"keys": ["x"]}',
        b'{"keys": [null]}',
        b'{"keys": [], "keys": []}',
        b'{"keys": [{"kty": "RSA", "kty": "EC"}]}',
        b"<html>",
        b"\xff",
        json.dumps({"keys": [{}] * 101}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        jwk_set.parse(document)


@rfc("7638", "3.1")
def test_the_thumbprint_of_the_example_is_found() -> None:
    example = {
        "kty": "RSA",
        "n": (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
            "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn"
            "1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        ),
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    assert jwk_set.thumbprint(jwk_set.parse_jwk(example).public) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
