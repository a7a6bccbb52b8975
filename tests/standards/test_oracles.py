"""Two other implementations as oracles: what is valid for us is valid for them, and the other way about.

joserfc and PyJWT judge signature and form here; they are laxer than we are, so the law that matters is one-sided:
whatever our verifier accepts, both of them accept, with the same claims.
"""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jws import JWSRegistry
from tests.standards.forge import accept, claims, es256, forge, header, published, refusal, rs256, signer
from tests.support.rfc import rfc

from watchword.protocol import jwk_set
from watchword.protocol.jws import SigningKey
from watchword.protocol.rejection import TokenRejected

KEYS = {"es": es256, "rs": rs256}
ALGORITHMS = ["ES256", "RS256"]


def by_pyjwt(token: str, kid: str) -> dict[str, Any]:
    """The claims that PyJWT finds behind a token."""
    payload = jwt.PyJWS().decode(token, KEYS[kid]().public, algorithms=ALGORITHMS)
    return dict(json.loads(payload))


def by_joserfc(token: str, kid: str) -> dict[str, Any]:
    """The claims that joserfc finds behind a token."""
    pem = KEYS[kid]().public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = ECKey.import_key(pem) if kid == "es" else RSAKey.import_key(pem)
    # RFC 7515 §4: header parameters that are not understood "MUST be ignored"; joserfc refuses them unless told.
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    found = joserfc_jws.deserialize_compact(token, key, registry=registry)
    return dict(json.loads(found.payload))


@pytest.mark.parametrize("kid", ["es", "rs"])
@rfc("7515", "3.1")
def test_what_we_sign_both_oracles_verify(kid: str) -> None:
    token = KEYS[kid]().sign(claims(name="Zoë 🗝"), typ="at+jwt")
    assert by_pyjwt(token, kid) == by_joserfc(token, kid) == claims(name="Zoë 🗝")


@pytest.mark.parametrize("kid", ["es", "rs"])
@rfc("7515", "3.1")
def test_what_both_oracles_sign_we_verify(kid: str) -> None:
    private = signer_key(KEYS[kid]())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    head = header(KEYS[kid]())
    theirs = jwt.encode(claims(), private, algorithm=head["alg"], headers=head)
    assert accept(theirs).claims == claims()
    key = ECKey.import_key(pem) if kid == "es" else RSAKey.import_key(pem)
    theirs = joserfc_jws.serialize_compact(head, json.dumps(claims()), key, algorithms=ALGORITHMS)
    assert accept(theirs).claims == claims()


def signer_key(key: SigningKey) -> Any:
    """The private key inside."""
    closure = signer(key).__closure__
    assert closure is not None
    return next(cell.cell_contents for cell in closure if hasattr(cell.cell_contents, "private_bytes"))


@rfc("7517", "5")
def test_both_oracles_read_our_key_set() -> None:
    document = json.loads(jwk_set.render([es256().verification_key, rs256().verification_key]))
    assert {key.key_id for key in jwt.PyJWKSet.from_dict(document).keys} == {"es", "rs"}
    theirs = KeySet.import_key_set(document)
    assert {key.kid for key in theirs.keys} == {"es", "rs"}
    for key in (es256(), rs256()):
        token = key.sign(claims(), typ="at+jwt")
        found = joserfc_jws.deserialize_compact(token, theirs, algorithms=ALGORITHMS)
        assert json.loads(found.payload or b"") == claims()


@rfc("7638", "3")
def test_both_of_us_name_a_key_by_the_same_thumbprint() -> None:
    for key in (es256(), rs256()):
        pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        theirs = (ECKey if key.alg == "ES256" else RSAKey).import_key(pem)
        assert jwk_set.thumbprint(key.public) == theirs.thumbprint()


def agree(token: str) -> None:
    """What we accept, both oracles accept, with the same claims."""
    try:
        found = accept(token)
    except TokenRejected:
        return
    assert by_pyjwt(token, found.kid) == dict(found.claims)
    assert by_joserfc(token, found.kid) == dict(found.claims)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "x"])
HEADER_VALUES = ANYTHING | st.sampled_from(["ES256", "RS256", "none", "HS256", "es", "rs", "at+jwt", "JWT", ["b64"]])
KINDS_OF_EDIT = st.sampled_from(["insert", "drop", "change", "swap", "double"])
CLAIM_NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "epoch", "x"])
CLAIM_VALUES = ANYTHING | st.sampled_from([1_700_000_000, 1.7e9, 1_700_000_900, "https://id.example"])


@given(
    kid=st.sampled_from(["es", "rs"]),
    head=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=3),
    body=st.dictionaries(CLAIM_NAMES, CLAIM_VALUES, max_size=3),
    gone=st.sets(CLAIM_NAMES, max_size=1),
)
@settings(max_examples=150, deadline=None)
def test_of_truly_signed_tokens_with_strange_contents_we_accept_none_that_they_refuse(
    kid: str, head: dict[str, Any], body: dict[str, Any], gone: set[str]
) -> None:
    payload = {name: value for name, value in {**claims(), **body}.items() if name not in gone}
    agree(forge({**header(KEYS[kid]()), **head}, payload, KEYS[kid]()))


@given(
    kid=st.sampled_from(["es", "rs"]),
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), KINDS_OF_EDIT, st.characters()),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=150, deadline=None)
def test_a_token_whose_text_was_changed_anywhere_is_accepted_by_nobody(
    kid: str, edits: list[tuple[int, str, str]]
) -> None:
    original = forge(key=KEYS[kid]())
    token = original
    for place, kind, character in edits:
        at = place % len(token)
        token = {
            "insert": token[:at] + character + token[at:],
            "drop": token[:at] + token[at + 1 :],
            "change": token[:at] + character + token[at + 1 :],
            "swap": token[:at] + token[at : at + 2][::-1] + token[at + 2 :],
            "double": token[:at] + token[at : at + 1] + token[at:],
        }[kind]
    assert (refusal(token) == "") is (token == original)


def test_the_oracles_do_refuse() -> None:
    """The law above would hold of oracles that accept everything."""
    bad = forge()[:-4] + "AAAA"
    with pytest.raises(jwt.InvalidSignatureError):
        by_pyjwt(bad, "es")
    with pytest.raises(JoseError):
        by_joserfc(bad, "es")
    assert published("xx") is None
