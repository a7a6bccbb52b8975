"""Which web origins may read which answers.

R046; RFC 9700 §2.6; DESIGN section 9: "the same list is the CORS list; none given, no cross-origin".
"""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.support.cast import APP_ORIGIN, PASSWORD, basic
from tests.support.door import ISSUER, Door
from tests.support.rfc import rfc, standard

SPA = "https://spa.example"
EVIL = ["https://evil.example", "null", "*", APP_ORIGIN + ".evil.example", APP_ORIGIN.upper(), ""]

# Path, method, and what makes it answer something.
REGISTERED = [
    ("POST", "/token", {"data": {"grant_type": "refresh_token", "client_id": "web", "refresh_token": "x"}}),
    ("POST", "/session", {"json": {"client_id": "web", "username": "ada", "password": PASSWORD}}),
    ("POST", "/session/refresh", {"json": {"client_id": "web", "refresh_token": "x"}}),
    ("POST", "/session/end", {"json": {"refresh_token": "x"}}),
    ("DELETE", "/session", {"json": {"refresh_token": "x"}}),
    ("POST", "/users", {"json": {"username": "eve", "password": PASSWORD}}),
    ("POST", "/authorize-challenge", {"data": {"client_id": "web"}}),
    ("POST", "/revoke", {"data": {"client_id": "web", "token": "x"}}),
    ("GET", "/userinfo", {}),
    ("POST", "/userinfo", {}),
]
EVERYBODY = ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
NOBODY = [
    ("POST", "/introspect", {"data": {"token": "x"}, "headers": basic("orders")}),
    ("GET", "/revocations", {}),
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("GET", "/no-such-path", {}),
]


def shared(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def ask(
    http: httpx2.AsyncClient, method: str, path: str, request: dict[str, Any], origin: str
) -> httpx2.Response:
    headers = {**request.get("headers", {}), "origin": origin}
    return await http.request(method, path, **{**request, "headers": headers})


@rfc("9700", "2.6")
@pytest.mark.parametrize(("method", "path", "request_"), REGISTERED, ids=lambda value: str(value)[:40])
async def test_registered_origins_may_read(
    home: httpx2.AsyncClient, method: str, path: str, request_: dict[str, Any]
) -> None:
    for origin in (APP_ORIGIN, SPA, ISSUER):
        answer = await ask(home, method, path, request_, origin)
        found = shared(answer)
        assert found["access-control-allow-origin"] == origin
        assert "Origin" in answer.headers["vary"]
        assert {"retry-after", "www-authenticate"} <= set(found["access-control-expose-headers"].split(", "))
        with_cookies = path.startswith("/session")
        assert found.get("access-control-allow-credentials") == ("true" if with_cookies else None)


@rfc("9700", "2.6")
@pytest.mark.parametrize(("method", "path", "request_"), REGISTERED, ids=lambda value: str(value)[:40])
async def test_no_other_origin_may_read(
    home: httpx2.AsyncClient, method: str, path: str, request_: dict[str, Any]
) -> None:
    for origin in EVIL:
        assert shared(await ask(home, method, path, request_, origin)) == {}, origin


@pytest.mark.parametrize("path", EVERYBODY)
async def test_what_is_public_may_be_read_from_anywhere_without_cookies(home: httpx2.AsyncClient, path: str) -> None:
    for origin in (APP_ORIGIN, *EVIL[:2]):
        answer = await home.get(path, headers={"origin": origin})
        assert answer.status_code == 200
        assert shared(answer) == {"access-control-allow-origin": "*"}


@rfc("9700", "2.6")
@pytest.mark.parametrize(("method", "path", "request_"), NOBODY, ids=lambda value: str(value)[:40])
async def test_what_is_for_servers_is_read_by_no_page(
    home: httpx2.AsyncClient, method: str, path: str, request_: dict[str, Any]
) -> None:
    for origin in (APP_ORIGIN, ISSUER, *EVIL):
        assert shared(await ask(home, method, path, request_, origin)) == {}, origin
        preflight = await home.options(path, headers={"origin": origin, "access-control-request-method": method})
        assert shared(preflight) == {}
        assert preflight.status_code in (404, 405)


@standard("Fetch", "3.2")
@pytest.mark.parametrize("path", sorted({path for _, path, _ in REGISTERED}))
async def test_a_preflight_tells_a_registered_origin_and_nobody_else(home: httpx2.AsyncClient, path: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    answer = await home.options(path, headers={"origin": APP_ORIGIN, **asked})
    found = shared(answer)
    assert answer.status_code == 204
    assert found["access-control-allow-origin"] == APP_ORIGIN
    assert {"POST", "DELETE", "GET"} >= set(found["access-control-allow-methods"].split(", ")) >= {"POST"}
    assert {"authorization", "content-type"} <= set(found["access-control-allow-headers"].split(", "))
    for origin in EVIL:
        refused = await home.options(path, headers={"origin": origin, **asked})
        assert "access-control-allow-origin" not in refused.headers
        assert "access-control-allow-credentials" not in refused.headers


async def test_errors_too_can_be_read_by_the_page_that_may(door: Door, home: httpx2.AsyncClient) -> None:
    for path, status in (("/token", 400), ("/session", 415)):
        answer = await home.post(path, content=b"x", headers={"origin": APP_ORIGIN})
        assert answer.status_code == status
        assert shared(answer)["access-control-allow-origin"] == APP_ORIGIN
    door.trouble.down = True
    door.clock.advance(5)
    answer = await home.post("/token", data={"client_id": "web", "grant_type": "x"}, headers={"origin": APP_ORIGIN})
    # Nobody knows the origins now; the page sees a failure, and the browser keeps the rest from it.
    assert answer.status_code == 503
    assert "access-control-allow-origin" not in answer.headers


async def test_an_origin_that_was_taken_away_reads_no_more(everywhere: Door) -> None:
    http = everywhere.caller()
    form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": "x"}
    answer = await http.post("/token", data=form, headers={"origin": APP_ORIGIN})
    assert shared(answer)["access-control-allow-origin"] == APP_ORIGIN
    async with everywhere.parts.storage.write() as tx:
        client = await tx.lock_client("web")
        assert client is not None
        await tx.put_client(replace(client, origins=()))
    everywhere.clock.advance(1)
    assert shared(await http.post("/token", data=form, headers={"origin": APP_ORIGIN})) == {}
