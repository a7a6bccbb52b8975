"""What is held, when it is due, and how it is written down."""

import msgspec
import pytest

from watchword.client import token_state
from watchword.client.account import Account
from watchword.client.errors import Misconfigured
from watchword.client.messages import (
    Answer,
    NoAnswer,
    Refusal,
    client_credentials_request,
    parse_retry_after,
    read_tokens,
)
from watchword.client.token_state import Access, Held
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse

NOW = 1_000_000.0
ACCOUNT = Account(issuer="https://auth.example", client_id="app")


def access(lifetime: float) -> Access:
    return Access("at", NOW, NOW + lifetime, "")


@pytest.mark.parametrize(
    ("lifetime", "earliest", "latest"), [(900, 720, 810), (60, 48, 54), (5, 4, 4.5), (86400, 85800, 86100)]
)
def test_a_token_falls_due_in_a_window_before_its_end(lifetime: float, earliest: float, latest: float) -> None:
    token = access(lifetime)
    for jitter, due_at in ((1.0, earliest), (0.0, latest)):
        assert not token.due(NOW + due_at - 0.01, jitter)
        assert token.due(NOW + due_at + 0.01, jitter)


def test_a_token_is_not_used_in_its_last_moments() -> None:
    assert access(900).usable(NOW + 894)
    assert not access(900).usable(NOW + 896)
    assert access(2).usable(NOW + 1.8)
    assert not access(0).usable(NOW)


def test_a_clock_set_back_makes_a_token_due() -> None:
    assert access(900).usable(NOW - 30)
    assert not access(900).usable(NOW - 100)


def held() -> Held:
    response = TokenResponse(access_token="at-1", token_type="Bearer", expires_in=900, scope="", refresh_token="rt-1")
    return Held.first(ACCOUNT, response, sent_at=NOW, asked=Scope())


def test_what_is_written_down_is_read_again() -> None:
    assert token_state.parse(token_state.encode(held())) == held()


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"\xff", b"{}", b'{"format": 0}', b'{"format": 1}', b"x" * 10])
def test_a_damaged_text_is_nothing(text: bytes) -> None:
    assert token_state.parse(text) is None


def test_a_renewal_drops_what_has_expired_and_counts_up() -> None:
    other = Account(issuer=ACCOUNT.issuer, client_id="app", resource="https://stock.example")
    response = TokenResponse(access_token="at-2", token_type="Bearer", expires_in=900, scope="")
    later = held().renewed(other, response, sent_at=NOW + 100)
    assert set(later.access) == {ACCOUNT.key, other.key}
    much_later = later.renewed(other, response, sent_at=NOW + 950)
    assert set(much_later.access) == {other.key}
    assert (much_later.generation, much_later.refresh_token) == (3, "rt-1")


def test_no_repr_shows_a_token() -> None:
    shown = (
        repr(held()) + repr(held().access[ACCOUNT.key]) + repr(Account(issuer="i", client_id="c", client_secret="s3c"))
    )
    assert not [secret for secret in ("at-1", "rt-1", "s3c") if secret in shown]
    request = client_credentials_request(ACCOUNT, "https://auth.example/token")
    assert repr(request) == "Request(POST https://auth.example/token)"
    assert "at-1" not in repr(Answer(200, b"at-1"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://auth.example"},
        {"issuer": "https://auth.example/"},
        {"client_id": ""},
        {"client_secret": ""},
        {"acts_for": "client"},
        {"acts_for": "nobody"},
        {"scope": "two  spaces"},
        {"scope": ["fine", "not fine"] * 100},
        {"resource": "no-uri"},
    ],
)
def test_an_account_that_cannot_be_right_is_refused(wrong: dict[str, object]) -> None:
    right = {"client_secret": None, "acts_for": None, "scope": "", "resource": None}
    arguments = {"issuer": "https://auth.example", "client_id": "app", **right, **wrong}
    with pytest.raises(Misconfigured):
        Account.of(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 12 Jan 1970 13:46:50 GMT", 10.0),
        ("Mon, 12 Jan 1970 13:46:30 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("9" * 30, None),
        (None, None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, now=NOW) == seconds


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": "two words"},
        {"access_token": "a\r\nX: y"},
        {"access_token": ""},
        {"access_token": 7},
        {"token_type": "DPoP"},
        {"refresh_token": "ü"},
        {"expires_in": "900"},
    ],
)
def test_an_answer_that_is_no_token_response_is_no_answer(changes: dict[str, object]) -> None:
    body = {"access_token": "at", "token_type": "Bearer", "expires_in": 900} | changes
    assert isinstance(read_tokens(Answer(200, msgspec.json.encode(body))), NoAnswer)


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("name one resource", "invalid_target: name one resource"),
        ("your token wwr_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB is bad", "invalid_target"),
        ("line\nbreak", "invalid_target"),
        ("x " * 200, "invalid_target"),
    ],
)
def test_a_servers_sentence_is_passed_on_only_if_it_is_harmless(description: str, shown: str) -> None:
    body = msgspec.json.encode({"error": "invalid_target", "error_description": description})
    refusal = read_tokens(Answer(400, body))
    assert isinstance(refusal, Refusal)
    assert str(refusal) == shown
