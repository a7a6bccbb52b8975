"""The token endpoint's answer, and the errors that a client may see."""

import msgspec
import pytest
from tests.support.rfc import rfc

from watchword.protocol import errors
from watchword.protocol.token_response import TokenResponse, parse


@rfc("6749", "5.1")
def test_an_answer_is_read_and_unknown_members_are_ignored() -> None:
    found = parse(
        b'{"access_token":"a","token_type":"bEaReR","expires_in":9,"scope":"x","refresh_token":"r","extra":1}'
    )
    assert found == TokenResponse(access_token="a", token_type="Bearer", expires_in=9, scope="x", refresh_token="r")


@rfc("6749", "5.1")
def test_what_is_only_recommended_may_be_missing() -> None:
    found = parse(b'{"access_token":"a","token_type":"Bearer"}')
    assert (found.expires_in, found.scope, found.refresh_token) == (60, "", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"access_token":"a"}',
        b'{"token_type":"Bearer"}',
        b'{"access_token":"","token_type":"Bearer"}',
        b'{"access_token":1,"token_type":"Bearer"}',
        b'{"access_token":"a","token_type":"DPoP"}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":"9"}',
        b'{"access_token":"a","token_type":"Bearer","refresh_token":1}',
        b"\xff",
    ],
)
def test_another_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(body)


def test_what_we_answer_leaves_out_what_is_not_there_and_reads_back() -> None:
    response = TokenResponse(access_token="secret-a", token_type="Bearer", expires_in=9, scope="")
    body = msgspec.json.encode(response)
    assert set(msgspec.json.decode(body)) == {"access_token", "token_type", "expires_in", "scope"}
    assert parse(body) == response
    assert "secret" not in repr(response)


def every_error() -> list[type[errors.OAuthError]]:
    found, queue = list[type[errors.OAuthError]](), [errors.OAuthError]
    while queue:
        one = queue.pop()
        found.append(one)
        queue += one.__subclasses__()
    return [one for one in found if one.__module__ == errors.__name__]


@rfc("6749", "5.2")
@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_an_error_has_two_readers(kind: type[errors.OAuthError]) -> None:
    error = kind(slug="area.what", detail="for the log alone")
    assert error.description == kind.bland
    assert "log alone" not in error.description
    assert "area.what" in str(error)
    assert 400 <= kind.status <= 503
    # RFC 6749 §5.2: error and error_description "MUST NOT include characters outside the set" of printable ASCII.
    for text in (kind.code, kind.bland):
        assert text.isascii()
        assert text.isprintable()
        assert not set('"\\') & set(text)
