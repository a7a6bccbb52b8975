"""The request that a browser carries, and the answer it brings."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from tests.support.rfc import rfc

from watchword.client import ClientError, Misconfigured, SignInAgain, TryLater
from watchword.client.authorization import Transaction, Wish, address, parse_answer, take_code
from watchword.client.web_session import WebSession, encode_session, local_path, parse_session
from watchword.protocol.pkce import challenge_of

NOW = 1_800_000_000.0
VERIFIER = "v" * 43


def transaction(**wish: Any) -> Transaction:
    return Transaction(
        issuer="https://auth.example",
        client_id="tool",
        redirect_uri="http://127.0.0.1:4711/callback",
        state="the-state",
        nonce="the-nonce",
        verifier=VERIFIER,
        begun_at=NOW,
        wish=Wish(**wish),
    )


def asked(**wish: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address(transaction(**wish), "https://auth.example/authorize")).query)


@rfc("7636", "4.3")
def test_the_address_carries_the_challenge_and_never_the_verifier() -> None:
    found = asked(scope=("openid", "orders.read"), resources=("https://a.example", "https://b.example"), max_age=0)
    assert found["code_challenge"] == [challenge_of(VERIFIER)]
    assert found["code_challenge_method"] == ["S256"]
    assert found["scope"] == ["openid orders.read"]
    assert found["resource"] == ["https://a.example", "https://b.example"]
    assert (found["state"], found["nonce"], found["max_age"]) == (["the-state"], ["the-nonce"], ["0"])
    assert VERIFIER not in str(found)


def test_without_openid_there_is_no_nonce() -> None:
    assert "nonce" not in asked(scope=("orders.read",))


def test_nothing_secret_is_in_the_repr_of_a_transaction() -> None:
    assert not any(secret in repr(transaction()) for secret in ("the-state", "the-nonce", VERIFIER))


GOOD = "code=c0de&state=the-state&iss=https%3A%2F%2Fauth.example"


def refused(answer: str, *, now: float = NOW) -> ClientError:
    with pytest.raises(ClientError) as caught:
        take_code(transaction(), parse_answer(answer), now=now)
    return caught.value


def test_the_answer_to_this_transaction_gives_its_code() -> None:
    assert take_code(transaction(), parse_qsl(GOOD), now=NOW + 599) == "c0de"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "wrong_state"),
        (GOOD.replace("the-state", "the-stat"), "wrong_state"),
        (GOOD.replace("state=the-state&", ""), "wrong_state"),
        (GOOD.replace("auth.example", "evil.example"), "wrong_issuer"),
        (GOOD + "%2F", "wrong_issuer"),
        (GOOD.partition("&iss")[0], "wrong_issuer"),
        (GOOD + "&code=other", "wrong_answer"),
        (GOOD + "&state=the-state", "wrong_answer"),
        (GOOD.replace("c0de", ""), "wrong_answer"),
        (GOOD.replace("code=", "error=made_up&x="), "wrong_answer"),
        (GOOD.replace("code=", "error=access_denied&x="), "denied"),
        (GOOD.replace("code=", "error=login_required&x="), "login_required"),
        ("x" * 20_000, "wrong_answer"),
        ("&".join(f"p{n}=1" for n in range(100)), "wrong_answer"),
        ("state=%ff", "wrong_answer"),
    ],
)
@rfc("9207", "2.4")
def test_every_other_answer_is_refused(answer: str, reason: str) -> None:
    found = refused(answer)
    assert isinstance(found, SignInAgain)
    assert found.reason == reason
    assert "c0de" not in str(found)


def test_an_error_is_not_believed_from_anybody_but_the_issuer() -> None:
    assert refused("error=access_denied&state=the-state").reason == "wrong_issuer"


def test_errors_come_in_the_three_families() -> None:
    assert isinstance(refused(GOOD.replace("code=", "error=server_error&x=")), TryLater)
    assert isinstance(refused(GOOD.replace("code=", "error=invalid_scope&x=")), Misconfigured)


@pytest.mark.parametrize("late", [600.0, 1e9, -600.0])
def test_a_transaction_is_over_after_ten_minutes(late: float) -> None:
    assert refused(GOOD, now=NOW + late).reason == "abandoned"


@pytest.mark.parametrize("good", ["/", "/orders", "/orders?tab=2&x=%2F", "/a//b"])
def test_a_path_of_this_site_is_gone_on_to(good: str) -> None:
    assert local_path(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        *(None, "", "orders", "//evil.example", "///evil.example", "/\\evil.example", "/a\\b", "https://evil.example"),
        *("/\tx", "/a b", "/a\r\nSet-Cookie: x=1", "/é", " /a", "/" + "a" * 3000, "\\/evil.example", "/\n/evil"),
    ],
)
@rfc("9700", "4.11.1")
def test_everything_else_leads_to_the_front_page(bad: str | None) -> None:
    assert local_path(bad) == "/"


def test_a_session_is_over_at_its_end_and_a_damaged_one_is_none() -> None:
    session = WebSession(
        issuer="https://auth.example",
        subject="ada",
        session_id=None,
        auth_time=NOW,
        acr=None,
        amr=("pwd",),
        claims={"sub": "ada"},
        id_token="ey.secret",
        until=NOW,
    )
    text = encode_session(session)
    assert parse_session(text, now=NOW - 1) == session
    assert parse_session(text, now=NOW) is None
    assert parse_session(text[:-5], now=NOW - 1) is None
    assert "secret" not in repr(session)
    assert "secret" not in repr(session.identity)
