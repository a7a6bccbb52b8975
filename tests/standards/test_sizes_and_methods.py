"""Large and slow bodies, wrong methods and paths, crowds: bounded time, bounded memory, an honest word.

R007, R041, R042; faults 38 and 39 of the table of peers; the issue's "Bad input".
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from tests.support.cast import basic
from tests.support.databases import sqlite_template
from tests.support.door import Door, Plan, opener_of
from tests.support.exchange import answered, exchange
from tests.support.rfc import rfc
from tests.support.visitor import View, Visitor, refresh, request_of

from watchword.server.web import reading
from watchword.server.web.routes import ROUTES

LIMIT = 64 * 1024
FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")
WITH_BODY = [
    *((path, FORM) for path in ("/token", "/revoke", "/introspect", "/authorize-challenge")),
    *((path, JSON) for path in ("/session", "/session/refresh", "/session/end", "/users")),
]
with_body = pytest.mark.parametrize(("path", "media_type"), WITH_BODY, ids=[path for path, _ in WITH_BODY])


@rfc("9110", "15.5.14")
@with_body
async def test_a_body_above_64_kb_is_413_however_it_comes(door: Door, path: str, media_type: tuple[str, str]) -> None:
    large = b"a" * (LIMIT + 1)
    told = [media_type, ("content-length", str(len(large)))]
    for headers, pieces in (
        (told, [large]),
        ([media_type], [large]),
        ([media_type], [b"a" * 1000] * 66),
        ([media_type, ("content-length", "10")], [large]),
        ([media_type, ("content-length", "9" * 30)], [b"a"]),
    ):
        one = await answered(door, "POST", path, headers=headers, pieces=pieces)
        assert one.status == 413
        assert b'"error":"invalid_request"' in one.body
        assert one.headers["cache-control"] == "no-store"


async def test_what_is_said_to_be_large_is_not_read_first(door: Door) -> None:
    headers = [JSON, ("content-length", str(10**9))]
    one = await answered(door, "POST", "/session", headers=headers, pieces=[], stalls=True)
    assert one.status == 413


async def test_a_large_body_is_given_up_in_the_middle(door: Door) -> None:
    pieces = [b"a" * 10_000] * 1000
    async with exchange(door, "POST", "/token", headers=[FORM], pieces=pieces) as one:
        await one.until(1, of=b"invalid_request")
        assert one.status == 413
        assert len(one.pieces) > 990


async def test_a_body_of_just_64_kb_is_read(door: Door) -> None:
    padding = b'{"x":"' + b"a" * (LIMIT - 8) + b'"}'
    assert len(padding) == LIMIT
    one = await answered(door, "POST", "/session", headers=[JSON], pieces=[padding])
    assert one.status == 401
    assert b"invalid_client" in one.body


@with_body
@pytest.mark.parametrize("pieces", [[], [b"a"]], ids=["nothing", "a byte"])
async def test_a_body_that_does_not_come_is_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch, path: str, media_type: tuple[str, str], pieces: list[bytes]
) -> None:
    monkeypatch.setattr(reading, "_BODY_SECONDS", 0.02)
    one = await answered(door, "POST", path, headers=[media_type], pieces=pieces, stalls=True)
    assert one.status == 400
    assert b"in time" in one.body


@with_body
async def test_a_client_that_hangs_up_is_answered_nothing_and_changes_nothing(
    door: Door, path: str, media_type: tuple[str, str]
) -> None:
    async with exchange(door, "POST", path, headers=[media_type], pieces=[b"client_id=web"], stalls=True) as one:
        one.gone.set()
    assert one.status == 0
    assert await door.kinds() == []
    assert "server.error" not in door.heard.slugs()


async def test_a_slow_client_holds_up_nobody(door: Door) -> None:
    # I8
    async with AsyncExitStack() as crowd:
        for _ in range(200):
            waiting = exchange(door, "POST", "/session", headers=[JSON], pieces=[], stalls=True)
            await (await crowd.enter_async_context(waiting)).asked.wait()
        async with asyncio.timeout(5):
            tokens = await door.sign_in(door.caller())
            await door.refreshed(door.caller(), tokens["refresh_token"])


@rfc("9110", "15.5.6")
@pytest.mark.parametrize("path", ROUTES)
async def test_another_method_is_405_and_the_right_ones_are_named(home: httpx2.AsyncClient, path: str) -> None:
    # R035
    allowed = set(ROUTES[path].endpoints)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "post"} - allowed:
        answer = await home.request(method, path) if method.isupper() else await _raw(home, method, path)
        assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")
        assert set(answer.headers["allow"].split(", ")) == allowed
        assert answer.headers["cache-control"] == "no-store"


@rfc("9110", "9.2.1")
async def test_head_does_nothing_where_get_does_something(everywhere: Door) -> None:
    # Scanners of links send it, and a page that acts upon GET must not act for them.
    visitor = Visitor(everywhere)
    tokens = await visitor.tokens()
    pushed = await visitor.http.post("/par", data=request_of(), headers=basic("shop"))
    by_name = {"client_id": "shop", "request_uri": pushed.json()["request_uri"]}
    for path, params in (
        ("/authorize", by_name),
        ("/authorize", request_of()),
        ("/end_session", {"id_token_hint": tokens["id_token"]}),
        ("/login", {}),
        ("/account", {}),
    ):
        answer = await visitor.http.head(path, params=params)
        assert (answer.status_code, "set-cookie" in answer.headers) == (405, False)
        assert "HEAD" not in answer.headers["allow"]
    assert (await refresh(everywhere, tokens)).status_code == 200
    assert "code" in (await visitor.open("/authorize", **by_name)).answer


async def _raw(http: httpx2.AsyncClient, method: str, path: str) -> httpx2.Response:
    request = http.build_request("GET", path)
    request.method = method
    return await http.send(request)


@rfc("9110", "9.3.2")
@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if "HEAD" in route.endpoints])
async def test_head_is_answered_as_get(door: Door, path: str) -> None:
    # Also where GET would be a stream that never ends.
    http = door.caller(accept="text/event-stream") if path == "/revocations" else door.caller()
    async with asyncio.timeout(5):
        head = await http.head(path)
        if path == "/revocations":
            assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
            return
        get = await http.get(path)
    assert head.status_code == get.status_code != 405
    assert head.headers.get("content-type") == get.headers.get("content-type")


@pytest.mark.parametrize(
    "path", ["/", "/token/", "//token", "/Token", "/x/../token", "/.well-known", "/\xe4", "/token\x00"]
)
async def test_an_unknown_path_is_a_404_in_json(door: Door, path: str) -> None:
    for method in ("GET", "POST"):
        one = await answered(door, method, path)
        assert (one.status, json.loads(one.body)["error"]) == (404, "not_found")
        assert one.headers["cache-control"] == "no-store"


# What a browser sends when somebody presses Enter in its address bar.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ACCOUNT_FORMS = [path for path in ROUTES if path.startswith("/account/")]


@pytest.fixture(params=["https://auth.example", "https://auth.example/staff"], ids=["at-the-top", "below-a-path"])
async def somewhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    """A node whose issuer has a path, and one whose has none."""
    door = Door(opener_of(sqlite_template().copy(tmp_path)), Plan(issuer=request.param, trusted=[]))
    await door.open()
    yield door
    await door.close()


async def test_enter_in_the_address_bar_leads_from_where_a_form_went_to_the_page_that_holds_it(somewhere: Door) -> None:
    http = somewhere.caller(accept=BROWSER)
    for path in (path for path, route in ROUTES.items() if route.for_people and "GET" not in route.endpoints):
        answer = await http.get(path)
        page = "/account" if path in ACCOUNT_FORMS else "/login"
        assert (answer.status_code, answer.headers["location"]) == (303, f"{somewhere.plan.issuer}{page}"), path
        # Programs are told what they did wrong.
        assert (await somewhere.caller().get(path)).json()["error"] == "invalid_request", path
    assert (await http.get("/login/passkey")).headers["location"] == f"{somewhere.plan.issuer}/login"


async def test_the_issuers_own_address_leads_a_person_to_the_account_page(somewhere: Door) -> None:
    address = f"{somewhere.plan.issuer}/"
    answer = await somewhere.caller(accept=BROWSER).get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{somewhere.plan.issuer}/account")
    assert (await somewhere.caller().get(address)).status_code == 404


@rfc("9110", "12.5.1")
@rfc("9110", "15.5.5")
@pytest.mark.parametrize("path", ["/acount", "/account/", "/login/x", "/token/", "/static", "/\xe4"])
async def test_a_person_who_mistypes_an_address_reads_a_page(somewhere: Door, path: str) -> None:
    view = View(await somewhere.caller(accept=BROWSER, **{"accept-language": "de"}).get(path))
    assert (view.status, view.problem) == (404, "not_found")
    assert view.response.headers["content-language"] == "de"
    assert view.response.headers["x-request-id"] in view.text
    assert view.response.headers["cache-control"] == "no-store"


@rfc("9110", "15.5.6")
@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if route.for_people])
async def test_a_browser_that_comes_by_another_method_reads_a_page(somewhere: Door, path: str) -> None:
    http = somewhere.caller(accept=BROWSER)
    allowed = set(ROUTES[path].endpoints)
    for method in {"POST", "PUT", "DELETE"} - allowed:
        view = View(await http.request(method, path))
        assert (view.status, view.problem) == (405, "bad_request")
        assert set(view.response.headers["allow"].split(", ")) == allowed


@rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    "accept",
    ["*/*", "", "application/json", "application/json, text/plain, */*", "text/html;q=0.5, application/json",
     "text/html, application/json", "text/html;q=0, */*", "text/html;q=nonsense", "image/avif,*/*;q=0.8"],
)  # fmt: skip
async def test_who_would_as_soon_have_json_gets_it(door: Door, accept: str) -> None:
    for path, status, error in (("/nothing", 404, "not_found"), ("/account/password", 405, "invalid_request")):
        answer = await door.caller(accept=accept).get(path)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if not route.for_people])
async def test_what_is_for_programs_refuses_a_browser_as_any_other(door: Door, path: str) -> None:
    answer = await door.caller(accept=BROWSER).put(path)
    assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")


async def test_every_error_has_an_id_that_the_log_has_too(door: Door, home: httpx2.AsyncClient) -> None:
    ids = {(await home.get("/nothing")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_what_is_unexpected_shows_an_id_and_nothing_else(
    door: Door, home: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("an inner matter with a secret in it")

    monkeypatch.setattr(door.cheap, "verify", broken)
    answer = await home.post("/session", json={"client_id": "web", "username": "ada", "password": "x"})
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert set(answer.json()) == {"error", "error_description", "error_id"}
    assert "inner matter" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    ((_, fields),) = [said for said in door.heard.said if said[0] == "server.error"]
    assert fields["error_id"] == answer.json()["error_id"]
    assert fields["exception"] == "RuntimeError"
    assert "secret in it" not in str(fields)


async def test_two_clients_headers_do_not_mix(home: httpx2.AsyncClient) -> None:
    twice = [("authorization", basic("orders")["authorization"])] * 2
    answer = await home.post("/introspect", data={"token": "x"}, headers=twice)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
