"""Both ceremonies of passkeys, verified: good ones of every algorithm, and one broken rule at a time."""

import json
import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fido2 import cbor
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc, standard
from tests.support.soft_authenticator import (
    BE,
    BS,
    EDDSA,
    ES256,
    PRESENT_AND_VERIFIED,
    RS256,
    UP,
    UV,
    SoftPasskey,
    cose_of,
    new_key,
)

from watchword.protocol import base64url, webauthn
from watchword.protocol.webauthn import KeyOwner, parse_authentication_response, parse_registration_response
from watchword.server.adapters.fido2_passkeys import Fido2Passkeys, passkeys_of
from watchword.server.domain.passkey import Assertion
from watchword.server.ports.passkeys import NewKey, PasskeyRefused

WEBAUTHN = "W3C Web Authentication Level 3"
CHALLENGE = bytes(range(32))
SITE = Fido2Passkeys(origin="https://auth.example", rp_id="auth.example")
OWNER = KeyOwner(handle=b"the-sub-of-ada", name="ada")


def a_passkey(**changes: Any) -> SoftPasskey:
    return SoftPasskey(**{"rp_id": "auth.example", "origin": "https://auth.example", **changes})


def registered(passkey: SoftPasskey, **wrong: Any) -> NewKey:
    options = webauthn.creation_options(rp_id=SITE.rp_id, owner=OWNER, challenge=CHALLENGE, existing=(), timeout=300)
    response = parse_registration_response(json.dumps(passkey.create(options, **wrong)))
    return SITE.verify_registration(response, challenge=CHALLENGE)


def asserted(passkey: SoftPasskey, *, public_key: bytes | None = None, **wrong: Any) -> Assertion:
    passkey.user_handle = passkey.user_handle or OWNER.handle
    options = webauthn.request_options(rp_id=SITE.rp_id, challenge=CHALLENGE, timeout=300)
    response = parse_authentication_response(json.dumps(passkey.get(options, **wrong)))
    known = public_key or cbor.encode(cose_of(passkey.key))
    return SITE.verify_assertion(response, challenge=CHALLENGE, public_key=known)


@standard(WEBAUTHN, "7.1")
@standard(WEBAUTHN, "7.2")
@rfc("9053", "2.1")
@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
def test_a_key_of_every_algorithm_on_the_list_registers_and_signs_in(alg: int) -> None:
    passkey = a_passkey(alg=alg)
    made = registered(passkey)
    assert made.credential_id == passkey.credential_id
    assert (made.sign_count, made.backup_eligible, made.backed_up) == (1, False, False)
    said = asserted(passkey, public_key=made.public_key)
    assert said == Assertion(sign_count=2, backup_eligible=False, backed_up=False)


@standard(WEBAUTHN, "6.1.3")
def test_what_a_key_says_of_its_backup_is_told() -> None:
    eligible = a_passkey(flags=PRESENT_AND_VERIFIED | BE)
    assert registered(eligible).backup_eligible
    assert asserted(eligible) == Assertion(sign_count=2, backup_eligible=True, backed_up=False)
    copied = a_passkey(flags=PRESENT_AND_VERIFIED | BE | BS, counts=False)
    assert registered(copied).backed_up
    assert asserted(copied) == Assertion(sign_count=0, backup_eligible=True, backed_up=True)


def test_extensions_that_nobody_asked_for_are_ignored() -> None:
    passkey = a_passkey()
    extended = passkey.authenticator_data(extensions=cbor.encode({"credProtect": 2}))
    assert asserted(passkey, authenticator_data=extended).sign_count == 1


# R114: whatever either ceremony must hold.
BROKEN_CLIENT_DATA: dict[str, dict[str, Any]] = {
    "another type": {"type": "payment.get"},
    "no type": {"type": None},
    "another challenge": {"challenge": base64url.encode(bytes(32))},
    "a challenge with padding": {"challenge": base64url.encode(CHALLENGE) + "="},
    "no challenge": {"challenge": None},
    "another origin": {"origin": "https://evil.example"},
    "a page of a subdomain": {"origin": "https://shop.auth.example"},
    "a page of the parent domain": {"origin": "https://example"},
    "another port": {"origin": "https://auth.example:8443"},
    "plain http": {"origin": "http://auth.example"},
    "an origin with a slash": {"origin": "https://auth.example/"},
    "an app's origin": {"origin": "android:apk-key-hash:2p3wj5Q9"},
    "no origin": {"origin": None},
    "a frame of another site": {"crossOrigin": True},
    "a frame, said in other words": {"crossOrigin": "false"},
    "below another site": {"topOrigin": "https://evil.example"},
}


@standard(WEBAUTHN, "7.1")
@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize("client", BROKEN_CLIENT_DATA.values(), ids=BROKEN_CLIENT_DATA)
def test_client_data_of_another_ceremony_are_refused(client: dict[str, Any]) -> None:
    for ceremony in (registered, asserted):
        with pytest.raises(PasskeyRefused):
            ceremony(a_passkey(), client=client)


def test_an_assertion_is_no_registration_and_a_registration_no_assertion() -> None:
    with pytest.raises(PasskeyRefused, match="another ceremony"):
        registered(a_passkey(), client={"type": "webauthn.get"})
    with pytest.raises(PasskeyRefused, match="another ceremony"):
        asserted(a_passkey(), client={"type": "webauthn.create"})


@pytest.mark.parametrize(
    "written",
    [
        b'{"type":"webauthn.get","type":"webauthn.get"}',
        b"\xef\xbb\xbf{}",
        b"[]",
        b"not json",
        b'{"type": NaN}',
    ],
)
def test_client_data_that_can_be_read_in_two_ways_are_refused(written: bytes) -> None:
    with pytest.raises(PasskeyRefused):
        asserted(a_passkey(), response={"clientDataJSON": base64url.encode(written)})


@standard(WEBAUTHN, "7.1")
@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rp_id": "evil.example"}, "another site"),
        ({"rp_id": "example"}, "another site"),
        ({"flags": UV}, "present"),
        ({"flags": UP}, "verified"),
        ({"flags": 0}, "present"),
        ({"flags": PRESENT_AND_VERIFIED | BS}, "eligible"),
    ],
)
def test_authenticator_data_that_break_a_rule_are_refused(said: dict[str, Any], why: str) -> None:
    passkey = a_passkey()
    with pytest.raises(PasskeyRefused, match=why):
        registered(passkey, authenticator_data=passkey.authenticator_data(credential=passkey.credential(), **said))
    with pytest.raises(PasskeyRefused, match=why):
        asserted(passkey, authenticator_data=passkey.authenticator_data(**said))


@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
def test_a_signature_that_does_not_fit_is_refused(alg: int) -> None:
    passkey, other = a_passkey(alg=alg), a_passkey(alg=alg)
    public_key = registered(passkey).public_key
    with pytest.raises(PasskeyRefused, match="signature"):
        asserted(other, public_key=public_key)
    for signature in (b"\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", bytes(64), bytes(256)):
        with pytest.raises(PasskeyRefused, match="signature"):
            asserted(passkey, public_key=public_key, signature=signature)
    # Signed for other client data: these have one member more, which nobody looks at.
    challenge = base64url.encode(CHALLENGE)
    signed = passkey.get({"challenge": challenge})["response"]
    changed = base64url.encode(passkey.client_data("webauthn.get", challenge, {"more": 1}))
    with pytest.raises(PasskeyRefused, match="signature"):
        asserted(passkey, public_key=public_key, response={**signed, "clientDataJSON": changed})


def test_an_assertion_that_brings_a_key_of_its_own_is_refused() -> None:
    passkey = a_passkey()
    with pytest.raises(PasskeyRefused, match="brings a key"):
        asserted(passkey, authenticator_data=passkey.authenticator_data(credential=passkey.credential()))


@standard(WEBAUTHN, "7.1")
def test_a_registration_without_a_key_or_with_another_id_is_refused() -> None:
    passkey = a_passkey()
    with pytest.raises(PasskeyRefused, match="no key"):
        registered(passkey, authenticator_data=passkey.authenticator_data())
    other = passkey.authenticator_data(credential=passkey.credential(credential_id=b"another"))
    with pytest.raises(PasskeyRefused, match="another id"):
        registered(passkey, authenticator_data=other)


def test_what_an_attestation_claims_is_not_looked_at() -> None:
    statement = {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"anything", "x5c": [b"no certificate"]}}
    passkey = a_passkey()
    assert registered(passkey, attestation=statement).credential_id == passkey.credential_id


def _rsa(bits: int, exponent: int = 65537) -> dict[int, Any]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {1: 3, 3: RS256, -1: numbers.n.to_bytes(bits // 8), -2: exponent.to_bytes(3)}


GOOD = cose_of(new_key(ES256))
UNUSABLE: dict[str, dict[Any, Any]] = {
    "ES384": {**GOOD, 3: -35},
    "no algorithm": {key: value for key, value in GOOD.items() if key != 3},
    "an algorithm of another type": {**GOOD, 3: RS256},
    "another curve": {**GOOD, -1: 2},
    "a point beside the curve": {**GOOD, -3: bytes(31) + b"\x01"},
    "the point at infinity": {**GOOD, -2: bytes(32), -3: bytes(32)},
    "a short coordinate": {**GOOD, -2: GOOD[-2][1:]},
    "a long coordinate": {**GOOD, -2: b"\x00" + GOOD[-2]},
    "a coordinate of text": {**GOOD, -2: "x" * 32},
    "no coordinate": {key: value for key, value in GOOD.items() if key != -3},
    "a private part": {**GOOD, -4: bytes(32)},
    "an EdDSA key of another curve": {1: 1, 3: EDDSA, -1: 7, -2: bytes(57)},
    "a short EdDSA key": {1: 1, 3: EDDSA, -1: 6, -2: bytes(31)},
    "a small RSA key": _rsa(1024),
    "a huge RSA key": {1: 3, 3: RS256, -1: b"\xff" * 1025, -2: b"\x01\x00\x01"},
    "an RSA key with exponent 1": _rsa(2048, 1),
    "a symmetric key": {1: 4, 3: 5, -1: bytes(32), -2: b"x"},
}


@standard(WEBAUTHN, "7.1")
@rfc("9052", "7")
@pytest.mark.parametrize("cose", UNUSABLE.values(), ids=UNUSABLE)
def test_a_public_key_that_is_none_of_ours_is_refused_at_registration(cose: dict[int, Any]) -> None:
    passkey = a_passkey()
    with pytest.raises(PasskeyRefused):
        registered(passkey, authenticator_data=passkey.authenticator_data(credential=passkey.credential(cose=cose)))


@settings(max_examples=300, deadline=None)
@given(junk=st.binary(max_size=300), at=st.integers(min_value=0, max_value=150), ceremony=st.booleans())
def test_bytes_that_mean_nothing_are_refused_and_nothing_else(junk: bytes, at: int, ceremony: bool) -> None:
    passkey = a_passkey()
    if ceremony:
        whole = cbor.encode(
            {"fmt": "none", "attStmt": {}, "authData": passkey.authenticator_data(credential=passkey.credential())}
        )
        response = {"attestationObject": base64url.encode(whole[:at] + junk or b"x")}
        with pytest.raises(PasskeyRefused):
            registered(passkey, response=response)
    else:
        said = base64url.encode(passkey.authenticator_data()[:at] + junk or b"x")
        with pytest.raises(PasskeyRefused):
            asserted(passkey, response={"authenticatorData": said}, signature=b"x")


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x81" * 16_000,
        b"\x9b" + b"\xff" * 8,
        b"\xa1" * 8000,
        b"\x9f\xff",
        b"\xc0\x00",
        b"\xf9\x7e\x00",
        b"\xa1\x81\x00\x00",
    ],
)
def test_nested_and_boundless_structures_are_refused(bomb: bytes) -> None:
    with pytest.raises(PasskeyRefused):
        registered(a_passkey(), response={"attestationObject": base64url.encode(bomb)})


@standard(WEBAUTHN, "5.1.2")
def test_an_issuer_at_an_address_has_no_passkeys() -> None:
    for issuer in ("http://127.0.0.1:8000", "https://192.0.2.1", "http://[::1]:8000", "https://[2001:db8::1]/x"):
        assert passkeys_of(issuer) is None
    found = passkeys_of("https://Auth.Example:8443/tenant")
    assert found is not None
    assert found.rp_id == "auth.example"
    passkey = a_passkey(origin="https://auth.example:8443")
    passkey.user_handle = OWNER.handle
    options = webauthn.request_options(rp_id=found.rp_id, challenge=CHALLENGE, timeout=300)
    response = parse_authentication_response(json.dumps(passkey.get(options)))
    public_key = cbor.encode(cose_of(passkey.key))
    assert found.verify_assertion(response, challenge=CHALLENGE, public_key=public_key).sign_count == 1


def test_the_library_is_loaded_by_the_first_ceremony_that_comes_back_and_not_before() -> None:
    probe = (
        "import sys\n"
        "import watchword.server.node\n"
        "from watchword.server.adapters.fido2_passkeys import passkeys_of\n"
        "assert passkeys_of('https://auth.example').rp_id == 'auth.example'\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'fido2']\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)
