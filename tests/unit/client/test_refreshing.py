"""Silent refresh by both sources against a real server on loopback, with faults."""

import pytest
from tests.support.fake_token_server import (
    DROP_ANSWER,
    DROP_REQUEST,
    GARBAGE,
    FakeTokenServer,
    Fault,
    refusal,
    unavailable,
)
from tests.support.rfc import rfc
from tests.unit.client.driving import PASSWORD, Clock, Driven, Make

from watchword.client import MemoryTokenStore, SignInAgain, TokenSource, TryLater

# --- refreshing


@rfc("6749", "6")
def test_a_token_is_renewed_before_it_expires_and_not_earlier(
    user: Driven, server: FakeTokenServer, clock: Clock
) -> None:
    first = user.token()
    clock.now += 900 * 0.8 - 1
    assert user.token() == first
    clock.now += 900 * 0.1 + 2
    assert user.token() != first
    assert server.count("/token", "refresh_token") == 1


@pytest.mark.parametrize(
    "fault", [DROP_ANSWER, DROP_REQUEST, GARBAGE, unavailable(), unavailable(0), refusal("server_error")]
)
def test_a_refresh_whose_answer_is_lost_is_asked_again_with_the_same_token(
    user: Driven, server: FakeTokenServer, clock: Clock, fault: Fault
) -> None:
    server.fail("/token", fault)
    clock.now += 1000
    assert user.token() in server.issued
    refreshes = [form["refresh_token"] for form in server.forms("/token")[1:]]
    assert refreshes == ["rt-0-1"] * 2
    clock.now += 1000
    user.token()
    assert server.forms("/token")[-1]["refresh_token"] == "rt-0-2"


@pytest.mark.parametrize(
    "fault", [DROP_ANSWER, unavailable(5), unavailable(5, status=429), GARBAGE, refusal("invalid_client")]
)
def test_while_the_server_is_in_trouble_the_good_token_stays_in_use(
    user: Driven, server: FakeTokenServer, clock: Clock, fault: Fault
) -> None:
    first = user.token()
    server.fail("/token", fault)
    clock.now += 900 * 0.95
    assert [user.token() for _ in range(5)] == [first] * 5
    assert server.count("/token", "refresh_token") == 1, "nobody is made to wait for another try"
    clock.now += 10
    assert user.token() != first


def test_without_a_good_token_trouble_says_when_to_come_again_and_does_not_ask_before(
    user: Driven, server: FakeTokenServer, clock: Clock
) -> None:
    server.fail("/token", unavailable(20))
    clock.now += 1000
    waits = []
    for _ in range(3):
        with pytest.raises(TryLater) as caught:
            user.token()
        waits.append(caught.value.retry_after)
    assert all(20 <= wait <= 30 for wait in waits)
    assert server.count("/token", "refresh_token") == 1
    clock.now += waits[-1] + 0.01
    assert user.token() in server.issued


@rfc("6749", "5.2")
def test_invalid_grant_alone_asks_for_a_sign_in_and_is_heard_once(
    user: Driven, server: FakeTokenServer, clock: Clock
) -> None:
    server.end("rt-0-1")
    clock.now += 1000
    for _ in range(3):
        with pytest.raises(SignInAgain) as caught:
            user.token()
        assert caught.value.reason == "grant_over"
    assert server.count("/token", "refresh_token") == 1
    user.sign_in()
    assert user.token() in server.issued
    assert [form["token"] for form in server.forms("/revoke")] == ["rt-0-1"], "the dead token is handed back"


def test_a_server_that_is_gone_is_trouble_and_not_a_sign_out(clock: Clock) -> None:
    with FakeTokenServer() as server:
        source = TokenSource(server.issuer, "app", clock=clock)
        source.sign_in("alice", PASSWORD)
    clock.now += 1000
    with pytest.raises(TryLater) as caught:
        source.token()
    assert caught.value.retry_after > 0


@rfc("9700", "4.12")
def test_tokens_are_not_sent_after_a_redirect(user: Driven, server: FakeTokenServer, clock: Clock) -> None:
    redirect = Fault(status=307, headers=(("Location", f"{server.issuer}/elsewhere"),))
    server.fail("/token", redirect, redirect, redirect)
    clock.now += 1000
    with pytest.raises(TryLater):
        user.token()
    assert server.counts["/elsewhere"] == 0


# --- a refused token, signing out


def test_a_refused_token_is_replaced_once_for_all_who_ask(user: Driven, server: FakeTokenServer) -> None:
    first = user.token()
    second = user.renew(first)
    assert second != first
    assert user.renew(first) == second
    assert server.count("/token", "refresh_token") == 1


def test_a_resource_that_refuses_everything_does_not_turn_each_call_into_a_refresh(
    user: Driven, server: FakeTokenServer, clock: Clock
) -> None:
    second = user.renew(user.token())
    assert [user.renew(second) for _ in range(5)] == [second] * 5
    assert server.count("/token", "refresh_token") == 1
    clock.now += 11
    assert user.renew(second) != second


# --- stores in trouble


class Sick(MemoryTokenStore):
    """A store of which single methods fail."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def save(self, text: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().save(text)


def test_a_token_that_cannot_be_saved_is_not_handed_out_and_nothing_is_lost(
    make: Make, server: FakeTokenServer, clock: Clock
) -> None:
    store = Sick()
    source = make(store=store)
    source.sign_in()
    clock.now += 1000
    store.full = True
    with pytest.raises(TryLater) as caught:
        source.token()
    assert caught.value.reason == "store"
    store.full = False
    clock.now += 60
    assert source.token() in server.issued
    refreshes = [form["refresh_token"] for form in server.forms("/token")[1:]]
    assert refreshes == ["rt-0-1", "rt-0-1"], "the same token was answered with the same successor"
