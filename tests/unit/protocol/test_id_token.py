"""The verifier of ID tokens: what a client believes."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.rfc import rfc, standard

from watchword.protocol import id_token
from watchword.protocol.jws import SigningKey
from watchword.protocol.rejection import TokenRejected

ISSUER, CLIENT, NONCE, NOW = "https://auth.example", "shop", "a-nonce", 1_800_000_000
KEY = SigningKey("k1", rsa.generate_private_key(65537, 2048))
OTHER = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))
ACCESS = "an.access.token"


def claims(**changed: Any) -> dict[str, Any]:
    made = id_token.claims(
        issuer=ISSUER,
        subject="ada",
        client_id=CLIENT,
        issued_at=NOW,
        expires_at=NOW + 300,
        auth_time=NOW - 60,
        acr="urn:watchword:pwd",
        amr=("pwd",),
        sid="a-session",
        access_token=ACCESS,
        nonce=NONCE,
    )
    return {name: value for name, value in (made | changed).items() if value is not None}


def judged(token: str, **changed: Any) -> id_token.IdToken:
    given: dict[str, Any] = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "nonce": NONCE,
        "access_token": ACCESS,
        "now": NOW + 1.0,
        "leeway": 10.0,
    } | changed
    return id_token.verify(token, {"k1": KEY.verification_key}.get, **given)


def reason_of(token: str, **changed: Any) -> str:
    with pytest.raises(TokenRejected) as caught:
        judged(token, **changed)
    return caught.value.reason


def test_a_good_one_says_who_signed_in_and_how() -> None:
    found = judged(KEY.sign(claims(), typ="JWT"), max_age=60)
    assert (found.subject, found.client_id, found.amr, found.sid) == ("ada", CLIENT, ("pwd",), "a-session")
    assert found.auth_time == NOW - 60
    assert "ada" not in repr(found)


def test_one_audience_may_stand_in_a_list_and_azp_may_repeat_it() -> None:
    assert judged(KEY.sign(claims(aud=[CLIENT], azp=CLIENT), typ="JWT")).client_id == CLIENT


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://other.example"}, "token.issuer"),
        ({"iss": ISSUER + "/"}, "token.issuer"),
        ({"aud": "other"}, "token.audience"),
        ({"aud": [CLIENT, "other"]}, "token.audience"),
        ({"aud": []}, "token.audience"),
        ({"azp": "other"}, "token.audience"),
        ({"nonce": "another"}, "token.claims"),
        ({"nonce": None}, "token.claims"),
        ({"at_hash": id_token.at_hash("another")}, "token.claims"),
        ({"at_hash": None}, "token.claims"),
        ({"sub": ""}, "token.claims"),
        ({"sub": "x" * 256}, "token.claims"),
        ({"sub": 7}, "token.claims"),
        ({"exp": NOW - 10}, "token.expired"),
        ({"exp": None}, "token.claims"),
        ({"exp": 1e300}, "token.claims"),
        ({"iat": None}, "token.claims"),
        ({"iat": NOW + 60}, "token.not_yet_valid"),
    ],
)
@standard("OpenID Connect Core 1.0", "3.1.3.7")
def test_what_is_not_said_to_this_client_about_this_sign_in_is_refused(changed: dict[str, Any], reason: str) -> None:
    made = claims()
    made.update(changed)
    token = KEY.sign({name: value for name, value in made.items() if value is not None}, typ="JWT")
    assert reason_of(token) == reason


def test_an_old_sign_in_does_not_pass_for_a_fresh_one() -> None:
    token = KEY.sign(claims(), typ="JWT")
    assert reason_of(token, max_age=30) == "token.claims"
    assert reason_of(KEY.sign(claims(auth_time=None), typ="JWT"), max_age=3600) == "token.claims"


@rfc("8725", "3.11")
def test_another_kind_of_token_is_not_an_id_token() -> None:
    assert reason_of(KEY.sign(claims(), typ="at+jwt")) == "token.typ"
    assert reason_of(KEY.sign(claims(), typ="logout+jwt")) == "token.typ"


@rfc("8725", "3.1")
def test_another_algorithm_than_the_keys_is_refused() -> None:
    assert reason_of(OTHER.sign(claims(), typ="JWT")) == "token.alg"


def test_a_changed_signature_is_refused() -> None:
    token = KEY.sign(claims(), typ="JWT")
    head, body, tail = token.split(".")
    assert reason_of(f"{head}.{body}.{'B' if tail[0] != 'B' else 'C'}{tail[1:]}") == "token.signature"


def test_leeway_has_a_bound() -> None:
    token = KEY.sign(claims(), typ="JWT")
    assert reason_of(token, now=NOW + 300 + 301.0, leeway=100_000.0) == "token.expired"
