"""The Authorization header, and what a refused token is answered."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc

from watchword.protocol.bearer import parse_basic, parse_bearer, render_basic
from watchword.protocol.rejection import TokenRejected


@rfc("6750", "2.1")
@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER   abc", "Bearer abc ", "Bearer a-._~+/b=="])
def test_a_bearer_token_is_found(header: str) -> None:
    assert parse_bearer([header]) == header.split()[1]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "token.missing"),
        ([""], "token.missing"),
        (["Basic abc"], "token.missing"),
        (["DPoP abc"], "token.missing"),
        (["Bearerabc"], "token.missing"),
        (["Bearer a", "Bearer a"], "token.two_methods"),
        (["Bearer a", "Basic b"], "token.two_methods"),
        (["Bearer"], "token.malformed"),
        (["Bearer "], "token.malformed"),
        (["Bearer a b"], "token.malformed"),
        (["Bearer a,Bearer b"], "token.malformed"),
        (["Bearer a\0"], "token.malformed"),
        (["Bearer é"], "token.malformed"),
        (["Bearer =a"], "token.malformed"),
        (["Bearer a\n"], "token.malformed"),
        (["Bearer\ta"], "token.missing"),
    ],
)
def test_anything_else_is_refused_with_its_reason(headers: list[str], reason: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        parse_bearer(headers)
    assert caught.value.reason == reason


@rfc("6749", "2.3.1")
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=50, deadline=None)
def test_credentials_survive_the_header_whatever_they_hold(client_id: str, secret: str) -> None:
    assert parse_basic(render_basic(client_id, secret)) == (client_id, secret)


def test_another_scheme_is_not_basic() -> None:
    assert parse_basic("Bearer abc") is None
    assert parse_basic("") is None


@rfc("7617", "2")
@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "!",
        "YQ",
        "YQ=",
        "Y Q==",
        base64.b64encode(b"no colon").decode(),
        base64.b64encode(b"\xff:x").decode(),
        base64.b64encode(b"a%ff:x").decode(),
        base64.urlsafe_b64encode(b"\xfb\xff:x").decode(),
    ],
)
def test_malformed_credentials_are_refused_and_not_repeated(encoded: str) -> None:
    with pytest.raises(ValueError, match="malformed HTTP Basic") as caught:
        parse_basic(f"Basic {encoded}")
    assert str(caught.value) == "malformed HTTP Basic credentials"
    assert caught.value.__cause__ is None


@rfc("6750", "3")
def test_without_a_token_the_challenge_carries_no_error() -> None:
    assert TokenRejected("token.missing").challenge() == "Bearer"
    assert TokenRejected("token.missing").challenge(realm="orders") == 'Bearer realm="orders"'


@rfc("6750", "3.1")
@pytest.mark.parametrize(
    ("reason", "status", "error"),
    [
        ("token.expired", 401, "invalid_token"),
        ("token.revoked", 401, "invalid_token"),
        ("token.malformed", 401, "invalid_token"),
        ("token.scope", 403, "insufficient_scope"),
        ("token.two_methods", 400, "invalid_request"),
        ("token.missing", 401, None),
        ("token.revocation_unknown", 503, None),
    ],
)
def test_each_reason_has_its_status_and_code(reason: str, status: int, error: str | None) -> None:
    rejected = TokenRejected(reason, "a detail for the log", scope="orders:write")  # type: ignore[arg-type]
    assert (rejected.status, rejected.error) == (status, error)
    assert "detail" not in rejected.challenge()
    assert reason not in rejected.challenge()
    assert (f'error="{error}"' in rejected.challenge()) is (error is not None)
    assert 'scope="orders:write"' in rejected.challenge()
