"""JWT access tokens: their claims, judged."""

import json
from typing import Any

import pytest
from tests.standards.forge import AUDIENCE, ISSUER, NOW, accept, claims, forge, published, refusal
from tests.support.rfc import rfc

from watchword.protocol.access_token import ANY_AUDIENCE, MAX_LEEWAY, verify
from watchword.protocol.rejection import TokenRejected

REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]


@rfc("9068", "2.2")
@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [..., None])
def test_a_required_claim_must_be_there(name: str, value: object) -> None:
    assert refusal(forge(payload=claims(**{name: value}))) == "token.claims"


@rfc("9068", "2.2")
@pytest.mark.parametrize("name", ["sub", "jti", "client_id"])
@pytest.mark.parametrize("value", ["", 0, 7, True, [], ["x"], {}, {"x": 1}])
def test_a_name_must_be_text_and_not_empty(name: str, value: object) -> None:
    assert refusal(forge(payload=claims(**{name: value}))) == "token.claims"


@rfc("9068", "4")
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", [str(NOW), "", True, False, [NOW], {"t": NOW}, -1, -0.001, -1e300, 1e12, 1e300, 2**64, 10**400, "1e9"]
)
def test_a_date_must_be_a_number_of_this_age_of_the_world(name: str, value: object) -> None:
    assert refusal(forge(payload=claims(**{name: value}))) == "token.claims"


@rfc("7519", "2")
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("literal", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1_700_000_000", "0x65", "01"])
def test_a_number_that_is_none_is_refused(name: str, literal: str) -> None:
    payload = json.dumps(claims(**{name: "HERE"})).replace('"HERE"', literal).encode()
    assert refusal(forge(payload=payload)) in ("token.malformed", "token.claims")


@pytest.mark.parametrize("literal", ["1700000900", "1700000900.0", "1700000900.5", "1.7000009e9", "17000009E2"])
def test_a_date_may_be_written_as_any_number(literal: str) -> None:
    payload = json.dumps(claims(exp="HERE")).replace('"HERE"', literal).encode()
    assert int(accept(forge(payload=payload)).expires_at) == NOW + 900


@rfc("9068", "4")
@pytest.mark.parametrize(
    ("now", "leeway", "reason"),
    [
        (NOW + 899.9, 0, ""),
        (NOW + 900, 0, "token.expired"),
        (NOW + 909.9, 10, ""),
        (NOW + 910, 10, "token.expired"),
        (NOW + 959.9, 60, ""),
        (NOW + 960, 60, "token.expired"),
        (NOW + 960, 3600, "token.expired"),
        (NOW + 960, float("inf"), "token.expired"),
        (NOW, 0, ""),
        (NOW - 0.1, 0, "token.not_yet_valid"),
        (NOW - 10, 10, ""),
        (NOW - 61, 3600, "token.not_yet_valid"),
    ],
)
def test_time_is_judged_with_a_leeway_of_at_most_a_minute(now: float, leeway: float, reason: str) -> None:
    assert refusal(forge(), now=now, leeway=leeway) == reason


@rfc("7519", "4.1.5")
@pytest.mark.parametrize(
    ("nbf", "reason"), [(NOW - 100, ""), (NOW + 10, ""), (NOW + 11, "token.not_yet_valid"), (0, "")]
)
def test_a_token_is_not_valid_before_its_time(nbf: float, reason: str) -> None:
    assert refusal(forge(payload=claims(nbf=nbf))) == reason


def test_a_token_seen_before_is_judged_again_by_the_clock() -> None:
    token = accept(forge(payload=claims(nbf=NOW - 5)))
    token.judge_times(NOW + 899, 0)
    for now, reason in ((NOW + 900, "token.expired"), (NOW - 6, "token.not_yet_valid")):
        with pytest.raises(TokenRejected) as caught:
            token.judge_times(now, 0)
        assert caught.value.reason == reason


@rfc("9068", "4")
@pytest.mark.parametrize(
    "issuer", ["https://evil.example", ISSUER + "/", ISSUER.upper(), ISSUER + ".evil.example", "", " " + ISSUER]
)
def test_the_issuer_is_compared_character_by_character(issuer: str) -> None:
    assert refusal(forge(payload=claims(iss=issuer))) == "token.issuer"


@rfc("9068", "4")
@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        (AUDIENCE, ""),
        ([AUDIENCE], ""),
        (["https://stock.example", AUDIENCE], ""),
        ("https://stock.example", "token.audience"),
        (["https://stock.example"], "token.audience"),
        ([], "token.audience"),
        ("", "token.audience"),
        (AUDIENCE + "/", "token.audience"),
        (f"{AUDIENCE} https://stock.example", "token.audience"),
        ({AUDIENCE: 1}, "token.claims"),
        ([AUDIENCE, 1], "token.claims"),
        ([[AUDIENCE]], "token.claims"),
        (True, "token.claims"),
    ],
)
def test_the_audience_must_name_this_resource(audience: object, reason: str) -> None:
    assert refusal(forge(payload=claims(aud=audience))) == reason


def test_without_an_audience_of_its_own_a_verifier_accepts_nothing() -> None:
    with pytest.raises(TokenRejected, match="audience"):
        verify(forge(), published, issuer=ISSUER, audiences=frozenset(), now=NOW, leeway=0)


def test_only_the_authorization_server_says_any_audience() -> None:
    found = verify(forge(), published, issuer=ISSUER, audiences=ANY_AUDIENCE, now=NOW, leeway=0)
    assert found.audience == (AUDIENCE,)
    assert not ANY_AUDIENCE.isdisjoint(())


@rfc("9449", "7.2")
@pytest.mark.parametrize(
    "cnf", [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "x"}, {}, "", None]
)
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(cnf: object) -> None:
    assert refusal(forge(payload=claims(cnf=cnf))) == "token.bound"


@rfc("9068", "2.2.3")
@pytest.mark.parametrize(
    ("scope", "found"), [(..., set()), ("", set()), ("a", {"a"}), ("a b", {"a", "b"}), ("b a b", {"a", "b"})]
)
def test_scope_is_read(scope: object, found: set[str]) -> None:
    assert set(accept(forge(payload=claims(scope=scope))).scope) == found


@pytest.mark.parametrize("scope", ["a  b", " a", "a ", "a\tb", 'a"b', "é", ["a"], 1, None, True, "x" * 200, "a " * 200])
def test_a_malformed_scope_is_refused(scope: object) -> None:
    assert refusal(forge(payload=claims(scope=scope))) == "token.claims"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sid", 1),
        ("gid", ["x"]),
        ("epoch", "1"),
        ("epoch", 1.5),
        ("epoch", True),
        ("auth_time", "now"),
        ("acr", 1),
        ("amr", "pwd"),
        ("amr", [1]),
    ],
)
def test_an_optional_claim_must_have_its_type(name: str, value: object) -> None:
    assert refusal(forge(payload=claims(**{name: value}))) == "token.claims"


def test_everything_about_a_good_token_is_told() -> None:
    extra: dict[str, Any] = {"sid": "sid", "gid": "gid", "epoch": 3, "nbf": NOW, "amr": ["pwd"], "org": {"id": 1}}
    token = accept(forge(payload=claims(**extra)))
    assert (token.issuer, token.subject, token.client_id, token.jti) == (ISSUER, "alice", "app", "jti")
    assert (token.issued_at, token.expires_at, token.not_before) == (NOW, NOW + 900, NOW)
    assert (token.sid, token.gid, token.epoch, token.kid) == ("sid", "gid", 3, "es")
    assert token.claims == claims(**extra), "unknown claims are kept"


def test_lifetime_in_the_past_and_the_far_future_are_both_numbers() -> None:
    assert refusal(forge(payload=claims(exp=0))) == "token.expired"
    assert refusal(forge(payload=claims(exp=1e11))) == ""
    assert refusal(forge(payload=claims(exp=1e11 + 1))) == "token.claims"
    assert MAX_LEEWAY == 60
