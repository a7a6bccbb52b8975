"""Logout tokens: their claims, and what a client believes."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.rfc import rfc, standard

from watchword.protocol import logout_token
from watchword.protocol.jws import SigningKey
from watchword.protocol.rejection import TokenRejected

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"
ISSUER, CLIENT, NOW = "https://auth.example", "shop", 1_800_000_000
KEY = SigningKey("k1", rsa.generate_private_key(65537, 2048))
OTHER = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))
EVENTS: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}


def signed(*, typ: str = "logout+jwt", key: SigningKey = KEY, **changed: Any) -> str:
    """A good one with some claims changed; those that are None are left out."""
    made = logout_token.claims(
        issuer=ISSUER, client_id=CLIENT, subject="ada", sid="a-session", issued_at=NOW, jti="once"
    )
    return key.sign({name: value for name, value in (made | changed).items() if value is not None}, typ=typ)


def judged(token: str, *, now: float = NOW + 1.0, leeway: float = 10.0) -> logout_token.LogoutToken:
    keys = {"k1": KEY.verification_key}.get
    return logout_token.verify(token, keys, issuer=ISSUER, client_id=CLIENT, now=now, leeway=leeway)


def reason_of(token: str, **judging: float) -> str:
    with pytest.raises(TokenRejected) as caught:
        judged(token, **judging)
    return caught.value.reason


@standard(LOGOUT, "2.4")
@pytest.mark.parametrize("sid", ["a-session", None])
def test_a_logout_token_says_who_and_which_session_and_lives_two_minutes(sid: str | None) -> None:
    made = logout_token.claims(
        issuer="https://auth.example", client_id="shop", subject="ada", sid=sid, issued_at=1000, jti="once"
    )
    assert made == {
        "iss": "https://auth.example",
        "aud": "shop",
        "sub": "ada",
        "iat": 1000,
        "exp": 1120,
        "jti": "once",
        # §2.4: the member's value "MUST be a JSON object and SHOULD be the empty JSON object {}".
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        **({} if sid is None else {"sid": sid}),
    }
    assert "nonce" not in made


@rfc("8417", "2.2")
def test_an_ending_may_lie_before_its_token_and_never_after_it() -> None:
    made = logout_token.claims(
        issuer=ISSUER, client_id=CLIENT, subject="ada", sid=None, issued_at=NOW, jti="once", ended_at=NOW - 5000
    )
    assert (made["iat"], made["exp"], made["toe"]) == (NOW, NOW + 120, NOW - 5000)
    assert judged(signed(**made)).ended_at == NOW - 5000
    assert judged(signed()).ended_at == NOW
    assert judged(signed(toe=NOW + 5000)).ended_at == NOW
    for strange in ("1000", -1, 1e12, True, [1]):
        assert reason_of(signed(toe=strange)) == "token.claims"


@standard(LOGOUT, "2.6")
def test_a_good_one_names_a_session_or_a_user_or_both() -> None:
    both = judged(signed())
    assert (both.issuer, both.subject, both.sid, both.jti) == (ISSUER, "ada", "a-session", "once")
    assert (both.issued_at, both.expires_at) == (NOW, NOW + 120)
    assert (judged(signed(sid=None)).subject, judged(signed(sid=None)).sid) == ("ada", None)
    assert (judged(signed(sub=None)).subject, judged(signed(sub=None)).sid) == (None, "a-session")
    assert judged(signed(aud=[CLIENT])).sid == "a-session"
    assert judged(signed(events=EVENTS | {"https://other.example/event": {}})).sid == "a-session"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://other.example"}, "token.issuer"),
        ({"iss": None}, "token.claims"),
        ({"aud": "other"}, "token.audience"),
        ({"aud": [CLIENT, "other"]}, "token.audience"),
        ({"aud": []}, "token.audience"),
        ({"aud": None}, "token.claims"),
        ({"iat": None}, "token.claims"),
        ({"iat": NOW + 60}, "token.not_yet_valid"),
        ({"iat": -1}, "token.claims"),
        ({"exp": None}, "token.claims"),
        ({"exp": NOW - 10}, "token.expired"),
        ({"exp": NOW + 601}, "token.claims"),
        ({"exp": 1e300}, "token.claims"),
        ({"exp": "soon"}, "token.claims"),
        ({"jti": None}, "token.claims"),
        ({"jti": ""}, "token.claims"),
        ({"jti": "x" * 256}, "token.claims"),
        ({"events": None}, "token.claims"),
        ({"events": {}}, "token.claims"),
        ({"events": list(EVENTS)}, "token.claims"),
        ({"events": dict.fromkeys(EVENTS, True)}, "token.claims"),
        ({"events": {"https://other.example/event": {}}}, "token.claims"),
        ({"sub": None, "sid": None}, "token.claims"),
        ({"sub": "", "sid": None}, "token.claims"),
        ({"sid": ""}, "token.claims"),
        ({"sid": 7}, "token.claims"),
        ({"sub": "x" * 256}, "token.claims"),
        ({"nonce": "a-nonce"}, "token.claims"),
    ],
)
@standard(LOGOUT, "2.6")
def test_what_does_not_end_a_session_at_this_client_now_is_refused(changed: dict[str, Any], reason: str) -> None:
    assert reason_of(signed(**changed)) == reason


@standard(LOGOUT, "2.4")
def test_a_nonce_is_refused_even_when_it_is_null() -> None:
    made = logout_token.claims(issuer=ISSUER, client_id=CLIENT, subject="ada", sid=None, issued_at=NOW, jti="once")
    assert reason_of(KEY.sign(made | {"nonce": None}, typ="logout+jwt")) == "token.claims"


@rfc("8725", "3.11")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "revocations+jwt"])
def test_another_kind_of_token_ends_no_session(typ: str) -> None:
    assert reason_of(signed(typ=typ)) == "token.typ"


@rfc("8725", "3.1")
def test_keys_are_the_issuers_and_each_has_one_algorithm() -> None:
    assert reason_of(signed(key=OTHER)) == "token.alg"
    stranger = SigningKey("k2", ec.generate_private_key(ec.SECP256R1()))
    assert reason_of(signed(key=stranger)) == "token.unknown_key"
    forger = SigningKey("k1", rsa.generate_private_key(65537, 2048))
    assert reason_of(signed(key=forger)) == "token.signature"


def test_leeway_has_a_bound() -> None:
    assert judged(signed(), now=NOW + 239.0, leeway=100_000.0).jti == "once"
    assert reason_of(signed(), now=NOW + 240.0, leeway=100_000.0) == "token.expired"
