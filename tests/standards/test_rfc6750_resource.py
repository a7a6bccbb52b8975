"""RFC 6750, as a resource server has to keep it."""

import pytest
from tests.support.rfc import rfc

from watchword.protocol.bearer import parse_bearer
from watchword.protocol.rejection import TokenRejected
from watchword.resource import KeysUnavailable
from watchword.resource.refusal import render_refusal
from watchword.testing import TestIssuer


@rfc("6750", "2.1")
@pytest.mark.parametrize("header", ["Bearer mF_9.B5f-4.1JqM", "bearer mF_9.B5f-4.1JqM", "BEARER  mF_9.B5f-4.1JqM"])
def test_the_token_is_taken_from_the_header_whatever_the_case_of_the_scheme(header: str) -> None:
    assert parse_bearer([header]) == "mF_9.B5f-4.1JqM"


@rfc("6750", "2.1")
@pytest.mark.parametrize("token", ["a b", "a,b", 'a"b', "a\tb", "é", "=a", "a=b", "a\x00", "", "a\n"])
def test_what_is_no_b64token_is_refused(token: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        parse_bearer([f"Bearer {token}"])
    assert caught.value.reason == "token.malformed"


@rfc("6750", "2")
def test_more_than_one_token_in_a_request_is_an_invalid_request() -> None:
    with pytest.raises(TokenRejected) as caught:
        parse_bearer(["Bearer a", "Bearer a"])
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")


@rfc("6750", "3")
@pytest.mark.parametrize("headers", [[], ["Basic YTpi"], ["Digest x"]])
def test_a_request_without_a_token_is_told_no_error_code(headers: list[str]) -> None:
    with pytest.raises(TokenRejected) as caught:
        parse_bearer(headers)
    answer = render_refusal(caught.value)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@rfc("6750", "3")
def test_a_challenge_names_realm_and_scope_when_there_is_something_to_name() -> None:
    rejected = TokenRejected("token.scope", scope="orders:read orders:write")
    challenge = rejected.challenge(realm="orders")
    assert challenge.startswith('Bearer realm="orders", error="insufficient_scope", error_description="')
    assert challenge.endswith('scope="orders:read orders:write"')


@rfc("6750", "3.1")
def test_an_insufficient_scope_is_403_and_names_the_scope_that_is_needed() -> None:
    issuer = TestIssuer()
    with pytest.raises(TokenRejected) as caught:
        issuer.resource_server().verify(issuer.token(scope="a"), scope="a b")
    answer = render_refusal(caught.value)
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="a b"' in answer.headers["WWW-Authenticate"]


@rfc("6750", "3.1")
def test_expired_revoked_and_malformed_tokens_are_all_the_same_invalid_token() -> None:
    issuer = TestIssuer()
    server = issuer.resource_server()
    revoked = issuer.token(sid="s1")
    issuer.revoke(session="s1")
    answers = []
    for token in (issuer.token(expires_in=-60), revoked, "x.y.z", issuer.token()[:-4] + "AAAA"):
        with pytest.raises(TokenRejected) as caught:
            server.verify(token)
        answers.append(render_refusal(caught.value))
    assert {(answer.status, answer.error) for answer in answers} == {(401, "invalid_token")}
    assert len({answer.headers["WWW-Authenticate"] for answer in answers}) == 1


@rfc("6750", "5.3")
def test_answers_about_tokens_are_not_kept_by_caches() -> None:
    assert render_refusal(TokenRejected("token.expired")).headers["Cache-Control"] == "no-store"


@rfc("9110", "15.6.4")
def test_what_cannot_be_judged_is_503_with_retry_after_and_no_challenge() -> None:
    for error in (KeysUnavailable(retry_after=7), TokenRejected("token.revocation_unknown")):
        answer = render_refusal(error)
        assert (answer.status, answer.error) == (503, "temporarily_unavailable")
        assert "WWW-Authenticate" not in answer.headers
    assert render_refusal(KeysUnavailable(retry_after=7)).headers["Retry-After"] == "7"
