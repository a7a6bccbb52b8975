"""The edge under a crowd, under trouble that nobody foresaw, and what every answer carries.

R041, R042, R088; DESIGN section 9.
"""

import asyncio
import http.client
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.cast import APP_ORIGIN, PASSWORD, basic, bearer
from tests.support.door import HOME, Door
from tests.support.exchange import exchange
from tests.support.ready_made import sqlite_server
from tests.support.rfc import rfc
from tests.support.running_server import RunningServer

from watchword.server.flows.directory import Directory
from watchword.server.web import edge

JSON = ("content-type", "application/json")
VITAL = ["/healthz", "/readyz", "/jwks", "/.well-known/openid-configuration", "/revocations"]
RENEWAL = {"grant_type": "refresh_token", "client_id": "web"}


@asynccontextmanager
async def full(door: Door, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """All of the node's five places are taken, by requests that wait for the database."""
    token = (await door.sign_in(door.caller()))["refresh_token"]
    monkeypatch.setattr(edge, "_MAX_IN_FLIGHT", 5)
    redeem, goes_on, waiting = door.parts.storage.redeem, asyncio.Event(), asyncio.Semaphore(0)

    async def slow(*arguments: Any) -> Any:
        waiting.release()
        await goes_on.wait()
        return await redeem(*arguments)

    monkeypatch.setattr(door.parts.storage, "redeem", slow)
    async with asyncio.timeout(10):
        crowd = [asyncio.create_task(door.refresh(door.caller(), token)) for _ in range(5)]
        for _ in crowd:
            await waiting.acquire()
        yield
        goes_on.set()
        assert [answer.status_code for answer in await asyncio.gather(*crowd)] == [200] * 5


async def test_clients_that_dawdle_with_their_bodies_shed_nobody(door: Door) -> None:
    http = door.caller()
    await door.parts.log_tail.fresh()
    async with asyncio.timeout(20), AsyncExitStack() as crowd:
        for pieces in ([], [b"{"]):
            for _ in range(edge._MAX_IN_FLIGHT // 2 + 1):
                dawdling = exchange(door, "POST", "/session", headers=[JSON], pieces=pieces, stalls=True)
                await (await crowd.enter_async_context(dawdling)).asked.wait()
        assert {path: (await http.get(path)).status_code for path in VITAL} == dict.fromkeys(VITAL, 200)
        answer = await http.post("/token", data=RENEWAL | {"refresh_token": "x"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_beyond_the_bound_the_next_is_told_to_come_back(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    http = door.caller()
    async with full(door, monkeypatch):
        answer = await http.post("/token", data=RENEWAL | {"refresh_token": "x"})
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert (await http.post("/token", data=RENEWAL | {"refresh_token": "x"})).json()["error"] == "invalid_grant"


async def test_what_is_answered_from_memory_is_answered_in_any_crowd(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = door.caller()
    await door.parts.log_tail.fresh()
    async with full(door, monkeypatch):
        assert {path: (await http.get(path)).status_code for path in VITAL} == dict.fromkeys(VITAL, 200)


async def test_a_body_that_comes_into_a_full_house_is_not_taken_in(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    comes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    form = (b"content-type", b"application/x-www-form-urlencoded")
    scope = {"type": "http", "method": "POST", "path": "/token", "headers": [form], "client": HOME}
    late = asyncio.create_task(door(scope, comes.get, send))
    async with full(door, monkeypatch):
        comes.put_nowait({"type": "http.request", "body": b"client_id=web&grant_type=x", "more_body": False})
        await late
    assert statuses[0] == 503


async def test_unforeseen_trouble_with_the_list_of_origins_is_told_as_any_other(
    door: Door, home: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such table: clients")

    monkeypatch.setattr(Directory, "origins", broken)
    answer = await home.post("/token", data={"client_id": "web", "grant_type": "x"}, headers={"origin": APP_ORIGIN})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert "access-control-allow-origin" not in answer.headers
    ((_, fields),) = [said for said in door.heard.said if said[0] == "server.error"]
    assert fields["exception"] == "RuntimeError"


async def test_trouble_everywhere_is_one_line_in_the_log_under_the_id_of_the_answer(
    door: Door, home: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such table: clients")

    monkeypatch.setattr(Directory, "origins", broken)
    monkeypatch.setattr(door.cheap, "verify", broken)
    body = {"client_id": "web", "username": "ada", "password": PASSWORD}
    answer = await home.post("/session", json=body, headers={"origin": APP_ORIGIN})
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert [fields["error_id"] for slug, fields in door.heard.said if slug == "server.error"] == [
        answer.json()["error_id"]
    ]


async def test_a_page_may_read_the_id_of_its_error(home: httpx2.AsyncClient) -> None:
    answer = await home.post("/token", headers={"origin": APP_ORIGIN})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert "x-request-id" in exposed
    assert answer.headers["x-request-id"]


@rfc("6749", "5.2")
async def test_a_client_that_used_basic_is_challenged_with_basic(home: httpx2.AsyncClient) -> None:
    sign_in = {"client_id": "backend", "username": "ada", "password": PASSWORD}
    for path in ("/session", "/session/refresh"):
        answer = await home.post(path, json=sign_in, headers=basic("backend", "wrong"))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="watchword"'


@rfc("6749", "5.2")
async def test_at_the_simple_door_no_browser_asks_for_a_password(home: httpx2.AsyncClient) -> None:
    sign_in = {"client_id": "backend", "username": "ada", "password": PASSWORD}
    for members in (sign_in, sign_in | {"client_secret": "wrong"}, sign_in | {"client_id": "web", "password": "x"}):
        answer = await home.post("/session", json=members)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="watchword"'


@rfc("6750", "3.1")
async def test_a_refused_access_token_is_described_as_what_it_is(door: Door, home: httpx2.AsyncClient) -> None:
    weak = bearer((await door.sign_in(home, scope="profile"))["access_token"])
    twice = [*weak.items(), *weak.items()]
    for headers, status, says in (
        ({}, 401, "wants an access token"),
        (bearer("x"), 401, "expired, revoked, malformed"),
        (weak, 403, "lacks a scope"),
        (twice, 400, "send one access token"),
    ):
        answer = await home.get("/userinfo", headers=headers)
        assert answer.status_code == status
        assert says in answer.json()["error_description"]


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose issuer is https."""
    server = sqlite_server(tmp_path_factory.mktemp("server"), issuer="https://auth.example")
    server.environment["WATCHWORD_TRUSTED_PROXIES"] = "none"
    yield server.start()
    assert server.stop() == 0


def answers(server: RunningServer) -> dict[str, http.client.HTTPResponse]:
    """An answer of every part of the server that gives some: endpoints, the edge, the HTTP server below it."""
    found = {}
    for what, path, headers in (
        ("endpoint", "/jwks", {}),
        ("refusal", "/nothing", {}),
        ("too large", "/", {"x": "a" * 45_000}),
        ("no HTTP", "/", {"content-length": "x"}),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path, headers=headers)
        found[what] = connection.getresponse()
        connection.close()
    assert [answer.status for answer in found.values()] == [200, 404, 431, 400]
    return found


@rfc("6797", "7.1")
@pytest.mark.slow
def test_every_answer_of_an_https_issuer_wants_https_for_a_year(behind_tls: RunningServer) -> None:
    for what, answer in answers(behind_tls).items():
        assert answer.getheader("strict-transport-security") == "max-age=31536000", what


@rfc("6797", "7.2")
@pytest.mark.slow
def test_an_http_issuer_says_nothing_of_https(tmp_path: Path) -> None:
    server = sqlite_server(tmp_path).start()
    try:
        for what, answer in answers(server).items():
            assert answer.getheader("strict-transport-security") is None, what
    finally:
        assert server.stop() == 0
