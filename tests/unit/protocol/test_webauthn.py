"""Passkeys on the wire: what options say, and how strictly responses are read."""

import json
from typing import Any

import pytest
from tests.support.rfc import standard
from tests.support.soft_authenticator import SoftPasskey

from watchword.protocol import base64url, webauthn
from watchword.protocol.webauthn import KeyOwner, parse_authentication_response, parse_registration_response

WEBAUTHN = "W3C Web Authentication Level 3"
CHALLENGE = bytes(range(32))
OWNER = KeyOwner(handle=b"ada-handle", name="ada")


def request() -> dict[str, Any]:
    return webauthn.request_options(rp_id="localhost", challenge=CHALLENGE, timeout=300)


def creation(*existing: tuple[bytes, tuple[str, ...]]) -> dict[str, Any]:
    return webauthn.creation_options(
        rp_id="localhost", owner=OWNER, challenge=CHALLENGE, existing=existing, timeout=300
    )


@standard(WEBAUTHN, "5.5")
def test_options_for_a_sign_in_name_no_credential() -> None:
    assert request() == {
        "challenge": base64url.encode(CHALLENGE),
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
        "timeout": 300_000,
    }


@standard(WEBAUTHN, "5.4")
def test_options_for_a_new_passkey_ask_for_one_that_is_discovered_and_verifies_its_user() -> None:
    options = creation((b"old", ("usb", "nfc")))
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["excludeCredentials"] == [
        {"type": "public-key", "id": base64url.encode(b"old"), "transports": ["usb", "nfc"]}
    ]
    assert base64url.decode(options["user"]["id"]) == OWNER.handle


def test_a_good_response_is_read() -> None:
    passkey = SoftPasskey(user_handle=b"ada-handle")
    found = parse_authentication_response(json.dumps(passkey.get(request())))
    assert (found.credential_id, found.user_handle) == (passkey.credential_id, b"ada-handle")
    made = parse_registration_response(json.dumps(passkey.create(creation())))
    assert (made.credential_id, made.transports) == (passkey.credential_id, ("hybrid", "internal"))


def test_unknown_transports_are_dropped() -> None:
    given = SoftPasskey().create(creation(), response={"transports": ["usb", "smoke signals", 7, None, "usb", ["usb"]]})
    assert parse_registration_response(json.dumps(given)).transports == ("usb",)
    del given["response"]["transports"]
    assert parse_registration_response(json.dumps(given)).transports == ()


BROKEN: dict[str, dict[str, Any]] = {
    "another type": {"type": "password"},
    "no type": {"type": None},
    "two ids": {"id": "AAAA"},
    "no id": {"id": None, "rawId": None},
    "an empty id": {"id": "", "rawId": ""},
    "padding": {"id": "AAA=", "rawId": "AAA="},
    "a huge id": {"id": "A" * 1368, "rawId": "A" * 1368},
    "an id of a number": {"id": 7, "rawId": 7},
    "no response": {"response": None},
    "a response of text": {"response": "x"},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_a_credential_that_is_malformed_is_refused(changes: dict[str, Any]) -> None:
    passkey = SoftPasskey(user_handle=b"ada-handle")
    with pytest.raises(ValueError, match=r"\w"):
        parse_authentication_response(json.dumps(passkey.get(request()) | changes))
    with pytest.raises(ValueError, match=r"\w"):
        parse_registration_response(json.dumps(passkey.create(creation()) | changes))


@standard(WEBAUTHN, "7.2")
@pytest.mark.parametrize("value", [None, "", "A", "====", 7, [], "A" * 30_000])
@pytest.mark.parametrize("name", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
def test_a_part_of_an_assertion_that_is_missing_or_malformed_is_refused(name: str, value: object) -> None:
    passkey = SoftPasskey(user_handle=b"ada-handle")
    with pytest.raises(ValueError, match=name):
        parse_authentication_response(json.dumps(passkey.get(request(), response={name: value})))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", '{"type":"public-key","type":"public-key"}', '"\ud800"', " " * 50_000, "[" * 30_000],
)
def test_text_that_is_no_object_or_too_long_is_refused(text: str) -> None:
    for parse in (parse_authentication_response, parse_registration_response):
        with pytest.raises(ValueError, match=r"\w"):
            parse(text)


def test_nothing_of_a_response_shows_when_it_is_printed() -> None:
    passkey = SoftPasskey(user_handle=b"ada-handle")
    shown = repr(parse_authentication_response(json.dumps(passkey.get(request()))))
    shown += repr(parse_registration_response(json.dumps(passkey.create(creation()))))
    assert shown == "AuthenticationResponse()RegistrationResponse()"
