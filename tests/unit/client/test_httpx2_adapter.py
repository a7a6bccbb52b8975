"""The httpx2 adapter: where the token goes, where it does not, and what a 401 leads to."""

import asyncio
from collections.abc import Callable, Iterator

import httpx2
import pytest
from tests.support.fake_token_server import FakeTokenServer
from tests.support.rfc import rfc
from tests.unit.client.driving import PASSWORD

from watchword.client import AsyncTokenSource, Misconfigured, SignInAgain, TokenSource
from watchword.client.integrations.httpx2 import TokenAuth

ORDERS = "https://orders.example"


class Services:
    """Answers for every host, and notes what it saw. Tokens in ``bad`` are refused."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, bytes]] = []
        self.bad: set[str] = set()
        self.redirects: dict[str, str] = {}
        self.challenge: str | None = 'Bearer error="invalid_token"'

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        url, authorization = str(request.url), request.headers.get("Authorization")
        self.seen.append((url, authorization, request.content))
        if url in self.redirects:
            return httpx2.Response(307, headers={"Location": self.redirects[url]})
        if authorization is None or authorization.removeprefix("Bearer ") in self.bad:
            return httpx2.Response(401, headers={} if self.challenge is None else {"WWW-Authenticate": self.challenge})
        return httpx2.Response(200, text="here you are")

    @property
    def tokens(self) -> list[str | None]:
        return [authorization for _, authorization, _ in self.seen]


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def source(server: FakeTokenServer) -> TokenSource:
    source = TokenSource(server.issuer, "app")
    source.sign_in("alice", PASSWORD)
    return source


Get = Callable[..., httpx2.Response]


@pytest.fixture(params=["sync", "async", "async client with a source for threads"])
def get(request: pytest.FixtureRequest, server: FakeTokenServer, source: TokenSource, services: Services) -> Get:
    """Sends one request through each combination of source and client."""

    async def send(url: str, **options: object) -> httpx2.Response:
        its_source: TokenSource | AsyncTokenSource = source
        if request.param == "async":
            its_source = AsyncTokenSource(server.issuer, "app", store=source._store)
        auth = TokenAuth(its_source, origins=[ORDERS])
        async with httpx2.AsyncClient(
            base_url=ORDERS, auth=auth, transport=httpx2.MockTransport(services), follow_redirects=True
        ) as client:
            return await client.request("POST", url, **options)  # type: ignore[arg-type]

    def sync(url: str, **options: object) -> httpx2.Response:
        auth = TokenAuth(source, origins=[ORDERS])
        with httpx2.Client(
            base_url=ORDERS, auth=auth, transport=httpx2.MockTransport(services), follow_redirects=True
        ) as client:
            return client.request("POST", url, **options)  # type: ignore[arg-type]

    return sync if request.param == "sync" else lambda url, **options: asyncio.run(send(url, **options))


@rfc("6750", "2.1")
def test_the_token_goes_to_the_stated_origin(get: Get, services: Services, source: TokenSource) -> None:
    assert get("/orders").status_code == 200
    assert services.tokens == [f"Bearer {source.token()}"]


@rfc("9700", "4.10")
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/orders",
        "http://orders.example/orders",
        "https://orders.example:8443/orders",
        "https://orders.example.evil.example/orders",
        "https://orders.example@evil.example/orders",
    ],
)
def test_the_token_goes_nowhere_else_and_a_401_there_leads_to_nothing(
    get: Get, services: Services, server: FakeTokenServer, url: str
) -> None:
    assert get(url).status_code == 401
    assert len(services.seen) == 1
    assert "Bearer" not in str(services.tokens)
    assert server.count("/token", "refresh_token") == 0


def test_a_redirect_to_another_origin_carries_no_token_and_its_401_no_refresh(
    get: Get, services: Services, server: FakeTokenServer
) -> None:
    services.redirects = {f"{ORDERS}/orders": "https://evil.example/orders"}
    assert get("/orders").status_code == 401
    assert services.tokens[1:] == [None]
    assert server.count("/token", "refresh_token") == 0


def test_a_redirect_that_comes_back_from_elsewhere_gets_no_token(get: Get, services: Services) -> None:
    services.redirects = {f"{ORDERS}/a": "https://evil.example/b", "https://evil.example/b": f"{ORDERS}/c"}
    assert get("/a").status_code == 401
    assert services.tokens[1:] == [None, None]


@rfc("6750", "3.1")
def test_a_401_is_answered_once_with_another_token_and_the_same_body(
    get: Get, services: Services, source: TokenSource, server: FakeTokenServer
) -> None:
    services.bad = {source.token()}
    assert get("/orders", json={"item": 1}).status_code == 200
    assert [body for _, _, body in services.seen] == [b'{"item":1}'] * 2
    assert server.count("/token", "refresh_token") == 1


def test_a_second_401_is_the_callers(get: Get, services: Services, server: FakeTokenServer) -> None:
    services.bad = {f"at-{number}" for number in range(10)}
    assert get("/orders").status_code == 401
    assert len(services.seen) == 2
    assert server.count("/token", "refresh_token") == 1


def test_a_401_of_another_scheme_or_a_403_leads_to_no_refresh(
    get: Get, services: Services, source: TokenSource, server: FakeTokenServer
) -> None:
    services.bad, services.challenge = {source.token()}, 'Basic realm="the proxy"'
    assert get("/orders").status_code == 401
    assert server.count("/token", "refresh_token") == 0


def test_a_401_without_a_challenge_counts_as_one(get: Get, services: Services, source: TokenSource) -> None:
    services.bad, services.challenge = {source.token()}, None
    assert get("/orders").status_code == 200


def test_what_the_caller_authorizes_himself_is_left_alone(get: Get, services: Services) -> None:
    get("/orders", headers={"Authorization": "Basic eDp5"})
    assert services.tokens == ["Basic eDp5"]


def test_with_nobody_signed_in_no_request_goes_out(get: Get, services: Services, source: TokenSource) -> None:
    source.sign_out()
    with pytest.raises(SignInAgain):
        get("/orders")
    assert services.seen == []


def test_a_streamed_body_is_not_sent_twice(source: TokenSource, services: Services) -> None:
    services.bad = {source.token()}

    def body() -> Iterator[bytes]:
        yield b"once"

    # A transport that reads the stream, as a real one does, without keeping it on the request.
    def read_and_forget(request: httpx2.Request) -> httpx2.Response:
        response = services(httpx2.Request("POST", request.url, headers=request.headers))
        assert isinstance(request.stream, httpx2.SyncByteStream)
        list(request.stream)
        return response

    class Reading(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            return read_and_forget(request)

    with httpx2.Client(auth=TokenAuth(source, origins=[ORDERS]), transport=Reading()) as client:
        assert client.post(f"{ORDERS}/orders", content=body()).status_code == 401
    assert len(services.seen) == 1


@pytest.mark.parametrize("origins", [[], ["orders.example"], ["http://orders.example"], ["ftp://orders.example"], [""]])
def test_an_adapter_wants_origins_that_are_safe(source: TokenSource, origins: list[str]) -> None:
    with pytest.raises(Misconfigured):
        TokenAuth(source, origins=origins)


def test_a_base_url_counts_with_its_origin(source: TokenSource, services: Services) -> None:
    auth = TokenAuth(source, origins=["https://Orders.example:443/v1/"])
    with httpx2.Client(auth=auth, transport=httpx2.MockTransport(services)) as client:
        assert client.get(f"{ORDERS}/v2").status_code == 200


def test_a_source_for_tasks_refuses_a_client_for_threads(server: FakeTokenServer, services: Services) -> None:
    auth = TokenAuth(AsyncTokenSource(server.issuer, "app"), origins=[ORDERS])
    with httpx2.Client(auth=auth, transport=httpx2.MockTransport(services)) as client, pytest.raises(Misconfigured):
        client.get(ORDERS)
