"""Best practices for JSON Web Tokens: the attacks of the last ten years, against our verifier."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey
from tests.standards.forge import (
    NOW,
    accept,
    claims,
    es256,
    forge,
    header,
    published,
    raw,
    refusal,
    rs256,
    signer,
    stranger,
)
from tests.support.rfc import rfc

from watchword.protocol import base64url, id_token, jws, revocation_feed
from watchword.protocol.jwk_set import render, render_jwk, thumbprint
from watchword.protocol.rejection import TokenRejected

NOTHING = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "NoNe",
    "none ",
    " none",
    "none\n",
    "none\0",
    "",
    "null",
    "ｎｏｎｅ",  # noqa: RUF001 - full width, on purpose
    "n\u200bone",
]


@rfc("8725", "3.2")
@pytest.mark.parametrize("alg", NOTHING)
def test_alg_none_is_refused_in_every_spelling_with_and_without_a_signature(alg: str) -> None:
    head = json.dumps(header(alg=alg)).encode()
    for sign in (lambda _: b"", lambda _: b"\0", signer(es256())):
        assert refusal(raw(head, json.dumps(claims()).encode(), sign)) in ("token.alg", "token.malformed")


@rfc("8725", "3.1")
@pytest.mark.parametrize("alg", [None, ..., 0, 1, True, False, [], ["ES256"], {}, {"ES256": 1}])
def test_alg_must_be_text(alg: object) -> None:
    assert refusal(forge(header(alg=alg))) == "token.malformed"


@rfc("8725", "3.1")
@pytest.mark.parametrize(
    "alg", ["es256", "ES256 ", "Es256", "ES256K", "ES384", "ES512", "PS256", "RS384", "RS512", "EdDSA", "HS256", "dir"]
)
def test_an_algorithm_that_is_not_allowed_is_refused_although_truly_signed(alg: str) -> None:
    assert refusal(forge(header(alg=alg))) == "token.alg"


@rfc("8725", "3.1")
def test_a_key_verifies_one_algorithm_and_no_other() -> None:
    assert refusal(forge(header(alg="RS256"))) == "token.alg"
    assert refusal(forge(header(rs256(), alg="ES256"), key=rs256())) == "token.alg"
    assert refusal(forge(header(kid="rs"))) == "token.alg"


@rfc("8725", "3.1")
def test_an_rsa_key_does_not_verify_pss_or_another_hash() -> None:
    private = rsa.generate_private_key(65537, 2048)
    key = jws.SigningKey("rs", private).verification_key
    head, payload = json.dumps(header(rs256())).encode(), json.dumps(claims()).encode()
    pss = padding.PSS(padding.MGF1(SHA512()), 32)
    for scheme, algorithm in ((pss, SHA512()), (padding.PKCS1v15(), SHA384()), (padding.PKCS1v15(), SHA512())):
        token = raw(head, payload, lambda bytes_, s=scheme, a=algorithm: private.sign(bytes_, s, a))  # type: ignore[misc]
        with pytest.raises(TokenRejected, match=r"token\.signature"):
            jws.verify(token, lambda _: key, typ="at+jwt")


def forms(key: jws.SigningKey) -> dict[str, bytes]:
    """Every form in which a public key goes around, and in which somebody has taken it for an HMAC key."""
    public = key.public
    members = render_jwk(key.verification_key)
    found = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(members).encode(),
        "compact jwk": json.dumps(members, separators=(",", ":")).encode(),
        "set": render([key.verification_key]),
        "kid": key.kid.encode(),
        "thumbprint": thumbprint(public).encode(),
        "empty": b"",
    }
    found |= {f"{name} cut": found[name].rstrip() for name in ("pem",)}
    found |= {f"{name} in base64url": base64url.encode(found[name]).encode() for name in ("pem", "der")}
    found |= {f"member {name}": members[name].encode() for name in members}
    found |= {f"bytes of {name}": base64url.decode(members[name]) for name in ("n", "x", "y") if name in members}
    if isinstance(public, ec.EllipticCurvePublicKey):
        found["point"] = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        found["short point"] = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    else:
        found["pkcs1"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    return found


@rfc("8725", "2.1")
@pytest.mark.parametrize("key", [es256, rs256], ids=["ES256", "RS256"])
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "ES256", "RS256"])
def test_a_public_key_is_no_hmac_key_in_any_byte_form(key: Callable[[], jws.SigningKey], alg: str) -> None:
    digest = getattr(hashlib, {"HS384": "sha384", "HS512": "sha512"}.get(alg, "sha256"))
    for form, secret in forms(key()).items():
        for kid in ("es", "rs"):
            head = json.dumps(header(alg=alg, kid=kid)).encode()
            token = raw(head, json.dumps(claims()).encode(), lambda m, k=secret: hmac.digest(k, m, digest))  # type: ignore[misc]
            assert refusal(token) in ("token.alg", "token.signature"), form


@rfc("8725", "3.10")
def test_a_key_in_the_header_is_not_used() -> None:
    own = render_jwk(stranger().verification_key)
    cases: tuple[dict[str, Any], ...] = (
        {"jwk": own},
        {"jwk": own, "kid": ...},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["MIIB"]},
        {"jwk": None},
        {"x5c": []},
        {"jku": ""},
    )
    for members in cases:
        for key in (stranger(), es256()):
            assert refusal(forge(header(**members), key=key)) == "token.malformed"


@rfc("8725", "3.10")
@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "es\0",
        "ES",
        " es",
        "es' OR '1'='1",
        "es; DROP TABLE signing_keys",
        "es|id",
        "http://169.254.169.254/latest",
        "${jndi:ldap://evil.example}",
        "__class__",
        "é\u0301",
        "x" * 500,
    ],
)
def test_a_kid_is_compared_and_nothing_else(kid: str) -> None:
    for key in (stranger(), es256()):
        assert refusal(forge(header(kid=kid), key=key)) == "token.unknown_key"


@pytest.mark.parametrize("kid", [..., None, "", 0, 1, True, [], ["es"], {"es": "es"}])
def test_a_token_without_a_kid_is_refused(kid: object) -> None:
    assert refusal(forge(header(kid=kid))) == "token.malformed"


@rfc("8725", "3.11")
@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        "application/jwt",
        id_token.TYP,
        revocation_feed.TYP,
        "logout+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "entity-statement+jwt",
        "JOSE",
        "at+jwt ",
        " at+jwt",
        "at+jwt;x=1",
        "at+jwt\0",
        "xat+jwt",
        "at+jwtx",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/",
        "at",
        "at%2Bjwt",
        "at jwt",
    ],
)
def test_every_other_jwt_of_the_same_issuer_is_refused(typ: str) -> None:
    assert refusal(forge(header(typ=typ))) == "token.typ"


@rfc("9068", "2.1")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_type_of_an_access_token_is_accepted_in_both_forms_and_any_case(typ: str) -> None:
    assert refusal(forge(header(typ=typ))) == ""


@pytest.mark.parametrize("typ", [..., None, "", 0, True, ["at+jwt"], {"at+jwt": 1}])
def test_a_token_without_a_type_is_refused(typ: object) -> None:
    assert refusal(forge(header(typ=typ))) == "token.malformed"


@rfc("8725", "3.12")
def test_an_id_token_and_a_feed_batch_that_we_made_ourselves_are_no_access_tokens() -> None:
    made = id_token.claims(
        issuer="https://id.example",
        subject="alice",
        client_id="app",
        issued_at=NOW,
        expires_at=NOW + 900,
        auth_time=NOW,
        acr="",
        amr=("pwd",),
        sid="sid",
        access_token="x",
    )
    assert refusal(es256().sign(made, typ=id_token.TYP)) == "token.typ"
    assert refusal(es256().sign(claims() | made, typ=id_token.TYP)) == "token.typ"
    assert refusal(es256().sign(claims(), typ=revocation_feed.TYP)) == "token.typ"
    with pytest.raises(TokenRejected, match=r"token\.typ"):
        revocation_feed.verify_batch(forge(), published, issuer="https://id.example")


@rfc("8725", "3.3")
def test_an_encrypted_token_is_never_a_signed_one() -> None:
    payload = json.dumps(claims()).encode()
    pem = rs256().public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rsa_key = RSAKey.import_key(pem)
    ec_key = ECKey.import_key(es256().public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for alg, key, kid in (("RSA-OAEP", rsa_key, "rs"), ("ECDH-ES", ec_key, "es")):
        protected = {"alg": alg, "enc": "A256GCM", "kid": kid, "typ": "at+jwt"}
        encrypted = jwe.encrypt_compact(protected, payload, key)
        assert encrypted.count(".") == 4
        assert refusal(encrypted) == "token.malformed"
        head, _, _, body, tail = encrypted.split(".")
        assert refusal(f"{head}.{body}.{tail}") == "token.malformed"


@rfc("8725", "3.8")
def test_a_token_of_another_issuer_is_refused_even_under_a_key_that_we_know() -> None:
    for issuer in ("https://evil.example", "https://id.example/", "https://ID.example", "https://id.example\0", ""):
        assert refusal(forge(payload=claims(iss=issuer))) in ("token.issuer", "token.claims")


@rfc("8725", "3.9")
def test_a_token_for_another_audience_is_refused() -> None:
    for audience in ("https://stock.example", "https://orders.example/", "", [], ["https://stock.example"]):
        assert refusal(forge(payload=claims(aud=audience))) == "token.audience"
    assert accept(forge(payload=claims(aud=["x", "https://orders.example"]))).audience[1] == "https://orders.example"
