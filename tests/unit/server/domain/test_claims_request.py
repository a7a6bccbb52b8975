"""The claims parameter: what it may say, and what of it counts."""

import json
from typing import Any

import pytest
from tests.support.builders import a_user
from tests.support.rfc import standard

from watchword.protocol.scope import Scope
from watchword.server.domain.claims_request import MAX_LENGTH, SCOPE_OF, ClaimsRequest, about, parse_claims


def parsed(**members: Any) -> ClaimsRequest:
    return parse_claims(json.dumps(members))


@standard("OpenID Connect Core 1.0", "5.5")
def test_unknown_members_and_claims_are_ignored() -> None:
    assert parsed(id_token={"nickname": None, "email": None}, userinfo={"x": {"essential": True}}, other=1) == (
        ClaimsRequest(id_token=("email",))
    )
    assert parse_claims("{}") == ClaimsRequest()


@standard("OpenID Connect Core 1.0", "5.5.1.1")
def test_a_demanded_class_of_sign_in_is_taken_from_value_and_values() -> None:
    assert parsed(id_token={"acr": {"essential": True, "values": ["a", "b"]}}).acr_values == ("a", "b")
    assert parsed(id_token={"acr": {"essential": True, "value": "a"}}).acr_values == ("a",)
    assert parsed(id_token={"acr": {"essential": True}}).acr_values == ()
    assert parsed(id_token={"acr": None}).acr_values == ()


@standard("OpenID Connect Core 1.0", "5.5.1")
@pytest.mark.parametrize("marked", [{}, {"essential": False}])
def test_a_class_that_is_not_essential_is_a_wish(marked: dict[str, bool]) -> None:
    found = parsed(id_token={"acr": {"values": ["a", "b"], **marked}})
    assert (found.acr_values, found.acr_wished) == ((), ("a", "b"))


@standard("OpenID Connect Core 1.0", "5.5.1")
def test_a_subject_is_named_once() -> None:
    assert parsed(id_token={"sub": {"value": "s"}}, userinfo={"sub": {"value": "s"}}).sub == "s"
    with pytest.raises(ValueError, match="several subjects"):
        parsed(id_token={"sub": {"value": "s"}}, userinfo={"sub": {"value": "t"}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"id_token":[]}',
        '{"id_token":{"acr":1}}',
        '{"id_token":{"acr":{"values":"a"}}}',
        '{"id_token":{"acr":{"values":[1]}}}',
        '{"id_token":{"acr":{"value":["a"]}}}',
        '{"id_token":{"acr":{"value":"a","essential":"yes"}}}',
        '{"id_token":{"acr":null,"acr":null}}',
        '{"userinfo":{"sub":{"value":7}}}',
        json.dumps({"id_token": {"acr": {"values": ["a"] * 21}}}),
        json.dumps({"x": "y" * MAX_LENGTH}),
    ],
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="claims"):
        parse_claims(text)


def test_what_is_told_of_a_user_is_what_the_scope_covers() -> None:
    user = a_user(email="ada@example.org", email_verified=True)
    assert about(user, Scope.parse("openid")) == {}
    assert about(user, Scope.parse("openid profile")) == {"preferred_username": user.username}
    everything = about(user, Scope.parse("openid profile email"))
    assert everything.keys() == SCOPE_OF.keys()
    assert about(a_user(email=None), Scope.parse("email")) == {}
