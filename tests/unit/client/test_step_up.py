"""A service wants a fresher or stronger sign-in: no refresh helps, and the caller is told what would."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.support.fake_token_server import FakeTokenServer
from tests.support.rfc import rfc
from tests.unit.client.driving import PASSWORD

from watchword.client import AsyncTokenSource, Misconfigured, SignInAgain, StepUpRequired, TokenSource
from watchword.client.authorization import Wish
from watchword.client.integrations.httpx2 import TokenAuth
from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_TWO_FACTOR

ORDERS = "https://orders.example"
CHALLENGE = (
    f'Bearer error="insufficient_user_authentication", acr_values="{ACR_TWO_FACTOR} {ACR_PASSKEY}", max_age="60"'
)


class Answering:
    """Answers each request with the next challenge, and with 200 when there is none left."""

    def __init__(self, *challenges: str | list[str]) -> None:
        self.challenges = list(challenges)
        self.tokens: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.tokens.append(request.headers["Authorization"])
        if not self.challenges:
            return httpx2.Response(200)
        said = self.challenges.pop(0)
        values = [said] if isinstance(said, str) else said
        return httpx2.Response(401, headers=[("WWW-Authenticate", value) for value in values])


Call = Callable[[Answering], httpx2.Response]


@pytest.fixture
def source(server: FakeTokenServer) -> TokenSource:
    source = TokenSource(server.issuer, "app")
    source.sign_in("alice", PASSWORD)
    return source


@pytest.fixture(params=["sync", "async", "async client with a source for threads"])
def call(request: pytest.FixtureRequest, server: FakeTokenServer, source: TokenSource) -> Call:
    async def send(service: Answering) -> httpx2.Response:
        its_source: Any = source
        if request.param == "async":
            its_source = AsyncTokenSource(server.issuer, "app", store=source._store)
        auth = TokenAuth(its_source, origins=[ORDERS])
        async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(service)) as client:
            return await client.post(ORDERS, json={"cancel": 1})

    def sync(service: Answering) -> httpx2.Response:
        auth = TokenAuth(source, origins=[ORDERS])
        with httpx2.Client(auth=auth, transport=httpx2.MockTransport(service)) as client:
            return client.post(ORDERS, json={"cancel": 1})

    return sync if request.param == "sync" else lambda service: asyncio.run(send(service))


@rfc("9470", "4")
def test_the_caller_learns_what_sign_in_is_wanted_and_nothing_is_refreshed(call: Call, server: FakeTokenServer) -> None:
    service = Answering(CHALLENGE)
    with pytest.raises(StepUpRequired) as caught:
        call(service)
    assert caught.value.acr_values == (ACR_TWO_FACTOR, ACR_PASSKEY)
    assert caught.value.max_age == 60
    assert caught.value.reason == "insufficient_user_authentication"
    assert isinstance(caught.value, SignInAgain), "who knows of no step-up signs in again"
    assert len(service.tokens) == 1
    assert server.count("/token", "refresh_token") == 0


def test_the_token_stays_and_serves_other_calls(call: Call, server: FakeTokenServer) -> None:
    service = Answering(CHALLENGE)
    with pytest.raises(StepUpRequired):
        call(service)
    assert call(service).status_code == 200
    assert len(set(service.tokens)) == 1
    assert server.count("/token", "refresh_token") == 0


def test_a_demand_made_of_the_token_of_a_second_try_counts_as_well(call: Call, server: FakeTokenServer) -> None:
    service = Answering('Bearer error="invalid_token"', CHALLENGE)
    with pytest.raises(StepUpRequired) as caught:
        call(service)
    assert caught.value.max_age == 60
    assert len(service.tokens) == 2
    assert server.count("/token", "refresh_token") == 1


def test_a_challenge_among_others_is_found(call: Call) -> None:
    with pytest.raises(StepUpRequired) as caught:
        call(Answering(['Basic realm="x"', f'Digest realm="y", nonce="z", {CHALLENGE}']))
    assert caught.value.max_age == 60


def test_a_challenge_that_demands_nothing_in_particular_wants_a_fresh_sign_in(call: Call) -> None:
    with pytest.raises(StepUpRequired) as caught:
        call(Answering('Bearer error="insufficient_user_authentication"'))
    assert (caught.value.max_age, caught.value.acr_values) == (0, ())


def test_a_malformed_challenge_is_an_ordinary_401(call: Call, server: FakeTokenServer) -> None:
    service = Answering(f'{CHALLENGE}, realm="unclosed')
    assert call(service).status_code == 200
    assert server.count("/token", "refresh_token") == 1


def test_a_demand_of_another_origin_is_nobodys(source: TokenSource) -> None:
    auth = TokenAuth(source, origins=[ORDERS])
    answer = httpx2.Response(401, headers={"WWW-Authenticate": CHALLENGE})
    with httpx2.Client(auth=auth, transport=httpx2.MockTransport(lambda _: answer)) as client:
        assert client.get("https://evil.example/").status_code == 401


@pytest.mark.parametrize("demand", [{"max_age": -1}, {"max_age": 1.5}, {"acr_values": ['"']}, {"acr_values": ["a b"]}])
def test_a_sign_in_is_not_begun_with_demands_that_cannot_be_right(source: TokenSource, demand: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        source.begin_sign_in("http://127.0.0.1/callback", **demand)


def test_classes_may_be_given_as_one_text(source: TokenSource) -> None:
    wish = source._memory.wish(
        scope=None, resources=(), login_hint=None, max_age=0, acr_values=f"{ACR_TWO_FACTOR} {ACR_PASSKEY}"
    )
    assert wish == Wish(max_age=0, acr_values=(ACR_TWO_FACTOR, ACR_PASSKEY))
