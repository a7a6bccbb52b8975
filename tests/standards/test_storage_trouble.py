"""Trouble with the database: 503 with Retry-After at every point of every request, and never "sign in again".

R088, I4, I5; R-F05, R-F06, R-F08; the issue's "A locked, full or read-only database gives 503".
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.cast import PASSWORD, basic, bearer
from tests.support.codes import challenge_form, code_for, code_form
from tests.support.databases import sqlite_template
from tests.support.door import Door, Plan, opener_of
from tests.support.rfc import rfc

from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite_driver import driver

Prepare = Callable[[Door, httpx2.AsyncClient], Awaitable[tuple[str, str, dict[str, Any]]]]
MOST_POINTS = 60
SIGN_IN = {"client_id": "web", "username": "ada", "password": PASSWORD}


async def client_credentials(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/token", {"data": {"grant_type": "client_credentials"}, "headers": basic("machine")}


async def refresh(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    token = (await door.sign_in(http))["refresh_token"]
    return "POST", "/token", {"data": {"grant_type": "refresh_token", "client_id": "web", "refresh_token": token}}


async def simple_refresh(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    token = (await door.sign_in(http))["refresh_token"]
    return "POST", "/session/refresh", {"json": {"client_id": "web", "refresh_token": token}}


async def code(_: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/token", {"data": code_form(await code_for(http))}


async def sign_in(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/session", {"json": SIGN_IN}


async def challenge(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/authorize-challenge", {"data": challenge_form()}


async def sign_up(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/users", {"json": {"username": "eve", "password": "four words in a row"}}


async def sign_out(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "DELETE", "/session", {"headers": bearer((await door.sign_in(http))["access_token"])}


async def sign_out_by_refresh_token(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "POST", "/session/end", {"json": {"refresh_token": (await door.sign_in(http))["refresh_token"]}}


async def revocation(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    token = (await door.sign_in(http))["refresh_token"]
    return "POST", "/revoke", {"data": {"client_id": "web", "token": token}}


async def introspection(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    token = (await door.sign_in(http))["access_token"]
    return "POST", "/introspect", {"data": {"token": token}, "headers": basic("orders")}


async def userinfo(door: Door, http: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "GET", "/userinfo", {"headers": bearer((await door.sign_in(http, scope="openid"))["access_token"])}


async def feed(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "GET", "/revocations", {}


async def feed_stream(_: Door, __: httpx2.AsyncClient) -> tuple[str, str, dict[str, Any]]:
    return "GET", "/revocations", {"headers": {"accept": "text/event-stream"}}


REQUESTS = [
    *(client_credentials, refresh, simple_refresh, code, sign_in, challenge, sign_up),
    *(sign_out, sign_out_by_refresh_token, revocation, introspection, userinfo, feed),
]
every_request = pytest.mark.parametrize("prepare", REQUESTS, ids=lambda prepare: prepare.__name__)


def judge(answer: httpx2.Response) -> None:
    """An honest word of trouble, which no client takes for the end of its session."""
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    for inside in ("Traceback", "sqlite", "wire", "SELECT", "database"):
        assert inside not in answer.text


@rfc("9110", "15.6.4")
@rfc("7009", "2.2.1")
@every_request
async def test_trouble_at_any_point_is_503_and_afterwards_the_same_request_works(
    sign_up_everywhere: Door, prepare: Prepare
) -> None:
    door, http = sign_up_everywhere, sign_up_everywhere.caller()
    method, path, request = await prepare(door, http)
    for point in range(MOST_POINTS):
        door.trouble.listen(fails_at=point)
        door.clock.advance(3)  # so that nothing is known from before
        answer = await http.request(method, path, **request)
        failed = len(door.trouble.operations) > point
        door.trouble.listen()
        if not failed:
            break
        judge(answer)
    else:
        raise AssertionError("it never got through")
    assert answer.is_success, answer.text
    assert point >= 1
    assert "refresh.theft" not in await door.kinds()
    assert "server.error" not in door.heard.slugs()


async def test_a_stream_is_refused_rather_than_begun(door: Door, home: httpx2.AsyncClient) -> None:
    method, path, request = await feed_stream(door, home)
    door.trouble.down = True
    judge(await home.request(method, path, **request))


async def test_a_lost_commit_is_no_logout(everywhere: Door) -> None:
    # R-F08, I2: the token is answered after the trouble, by the same successor as if nothing had been.
    http = everywhere.caller()
    held = (await everywhere.sign_in(http))["refresh_token"]
    for point in (0, 1, 2, 3):
        everywhere.trouble.listen(fails_at=point)
        everywhere.clock.advance(120)
        answer = await everywhere.refresh(http, held)
        everywhere.trouble.listen()
        assert answer.status_code in (200, 503)
        held = (await everywhere.refreshed(http, held))["refresh_token"]


@pytest.mark.parametrize("prepare", [refresh, simple_refresh], ids=lambda prepare: prepare.__name__)
async def test_a_commit_whose_answer_was_lost_gives_the_same_successor_when_asked_again(
    everywhere: Door, prepare: Prepare
) -> None:
    # R-F09
    http = everywhere.caller()
    method, path, request = await prepare(everywhere, http)
    everywhere.trouble.loses_answers = True
    judge(await http.request(method, path, **request))
    everywhere.trouble.loses_answers = False
    everywhere.clock.advance(3600)
    first, second = [(await http.request(method, path, **request)).json()["refresh_token"] for _ in range(2)]
    assert first == second
    await everywhere.refreshed(http, first)
    assert await everywhere.kinds() == ["session.started"]


@pytest.mark.parametrize("prepare", [revocation, sign_out], ids=lambda prepare: prepare.__name__)
async def test_an_ending_whose_answer_was_lost_is_not_called_done_until_it_is_known(
    everywhere: Door, prepare: Prepare
) -> None:
    http = everywhere.caller()
    method, path, request = await prepare(everywhere, http)
    everywhere.trouble.loses_answers = True
    judge(await http.request(method, path, **request))
    everywhere.trouble.loses_answers = False
    assert (await http.request(method, path, **request)).is_success
    assert len(await everywhere.kinds()) == 2


async def test_what_needs_no_database_answers_without_one(door: Door, home: httpx2.AsyncClient) -> None:
    door.trouble.down = True
    door.clock.advance(100)
    assert (await home.get("/healthz")).status_code == 200
    assert len((await home.get("/jwks")).json()["keys"]) == 4
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        assert (await home.get(path)).status_code == 200
    answer = await home.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "does not answer")
    door.trouble.down = False
    await door.parts.log_tail.fresh()
    assert (await home.get("/readyz")).status_code == 200


async def test_a_forged_token_is_refused_even_while_the_database_is_away(door: Door, home: httpx2.AsyncClient) -> None:
    # DESIGN section 5: without touching the database. The client is known from a moment ago.
    await door.refresh(home, "wwr_x")
    door.trouble.down = True
    answer = await door.refresh(home, "wwr_x")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return sqlite_template().copy(tmp_path)


@pytest.fixture
async def real(database: SqliteDatabase) -> AsyncIterator[Door]:
    """A door on a real SQLite file that the tests spoil."""
    door = Door(opener_of(database), Plan(sign_up_open=True))
    await door.open()
    yield door
    await door.close()


async def pragma(door: Door, text: str) -> None:
    """Set a pragma on the writer's connection."""
    storage: Any = door.parts.storage
    await storage.inner._writer.run(lambda connection: connection.raw.execute(text).fetchall())


async def knock_at_all(door: Door, prepared: list[tuple[str, str, dict[str, Any]]]) -> list[httpx2.Response]:
    door.clock.advance(3)
    return [await door.caller().request(method, path, **request) for method, path, request in prepared]


WRITING = [refresh, simple_refresh, sign_in, challenge, sign_out, revocation, sign_up, code]


async def test_a_read_only_database_is_503_and_recovers_by_itself(real: Door) -> None:
    prepared = [await prepare(real, real.caller()) for prepare in WRITING]
    await pragma(real, "PRAGMA query_only = ON")
    for answer in await knock_at_all(real, prepared):
        judge(answer)
    await pragma(real, "PRAGMA query_only = OFF")
    assert [answer.is_success for answer in await knock_at_all(real, prepared)] == [True] * len(prepared)


async def test_a_locked_database_is_503_and_recovers_by_itself(real: Door, database: SqliteDatabase) -> None:
    prepared = [await prepare(real, real.caller()) for prepare in WRITING]
    await pragma(real, "PRAGMA busy_timeout = 0")
    other = driver.connect(str(database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        for answer in await knock_at_all(real, prepared):
            judge(answer)
        # Who only reads is not disturbed.
        assert (await real.caller().get("/revocations")).status_code == 200
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert [answer.is_success for answer in await knock_at_all(real, prepared)] == [True] * len(prepared)


async def test_a_full_disk_is_503_and_recovers_when_there_is_room(real: Door) -> None:
    # R-F04
    http = real.caller()
    await pragma(real, "PRAGMA max_page_count = 1")
    statuses = set()
    for _ in range(40):
        answer = await http.post("/session", json=SIGN_IN)
        statuses.add(answer.status_code)
        if answer.status_code != 201:
            judge(answer)
    assert statuses == {201, 503}
    await pragma(real, "PRAGMA max_page_count = 1000000")
    assert (await http.post("/session", json=SIGN_IN)).status_code == 201
