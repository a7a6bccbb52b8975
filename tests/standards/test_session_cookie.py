"""The cookie that keeps a refresh token from scripts, and which web origins may use it.

R046, R095; DESIGN section 9.
"""

import hashlib
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import APP_ORIGIN, PASSWORD, basic, bearer
from tests.support.chains import PAST_OVERLAP
from tests.support.door import ELSEWHERE, ISSUER, PUBLIC_ISSUER, Door
from tests.support.rfc import rfc, standard

from watchword.protocol import base64url

SIGN_IN = {"client_id": "web", "username": "ada", "password": PASSWORD, "cookie": True}


def cookie_of(answer: httpx2.Response) -> "Morsel[str]":
    """The one cookie of an answer."""
    (header,) = answer.headers.get_list("set-cookie")
    (morsel,) = SimpleCookie(header).values()
    return morsel


def name_for(client_id: str) -> str:
    return "wwr-" + base64url.encode(hashlib.sha256(client_id.encode()).digest()[:12])


async def signed_in(http: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    answer = await http.post("/session", json={**SIGN_IN, **fields})
    assert answer.status_code == 201, answer.text
    return answer


@standard("OWASP ASVS 5.0", "3.3")
async def test_the_cookie_has_every_guard_and_the_body_no_refresh_token(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER)
    answer = await signed_in(door.caller())
    assert "refresh_token" not in answer.json()
    assert answer.json()["access_token"]
    morsel = cookie_of(answer)
    assert morsel.key == f"__Secure-{name_for('web')}"
    assert morsel["httponly"] is True
    assert morsel["secure"] is True
    assert morsel["samesite"].lower() == "strict"
    assert morsel["path"] == "/session"
    assert morsel["domain"] == ""
    assert int(morsel["max-age"]) == 90 * 86_400


async def test_on_plain_http_of_loopback_the_cookie_has_neither_prefix_nor_secure(door: Door) -> None:
    morsel = cookie_of(await signed_in(door.caller()))
    assert morsel.key == name_for("web")
    assert morsel["secure"] == ""
    assert morsel["httponly"] is True


async def test_below_a_path_of_the_issuer_the_cookie_goes_there(open_door: OpenDoor) -> None:
    door = await open_door(issuer="https://example.com/auth")
    answer = await door.caller().post("https://example.com/auth/session", json=SIGN_IN)
    assert answer.status_code == 201
    assert cookie_of(answer)["path"] == "/auth/session"


async def test_the_cookie_lives_as_long_as_the_grant_may(door: Door) -> None:
    morsel = cookie_of(await signed_in(door.caller(), client_id="browser"))
    assert int(morsel["max-age"]) == 30 * 86_400


async def test_each_client_has_a_cookie_of_its_own(door: Door) -> None:
    http = door.caller()
    first, second = await signed_in(http), await signed_in(http, client_id="other")
    assert cookie_of(first).key != cookie_of(second).key
    for client_id in ("web", "other"):
        answer = await http.post("/session/refresh", json={"client_id": client_id})
        assert answer.status_code == 200


@rfc("9700", "4.14.2")
async def test_a_refresh_by_the_cookie_rotates_in_the_cookie(everywhere: Door) -> None:
    http = everywhere.caller()
    held = {cookie_of(await signed_in(http)).value}
    for _ in range(3):
        answer = await http.post("/session/refresh", json={"client_id": "web"})
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
        held.add(cookie_of(answer).value)
    assert len(held) == 4


async def test_a_token_from_the_cookie_never_becomes_readable(door: Door) -> None:
    http = door.caller()
    await signed_in(http)
    answer = await http.post("/session/refresh", json={"client_id": "web", "cookie": False})
    assert "refresh_token" not in answer.json()
    assert cookie_of(answer).value


async def test_a_token_from_the_body_may_move_into_the_cookie(door: Door) -> None:
    http = door.caller()
    token = (await door.sign_in(http))["refresh_token"]
    answer = await http.post("/session/refresh", json={"client_id": "web", "refresh_token": token, "cookie": True})
    assert "refresh_token" not in answer.json()
    assert cookie_of(answer).value != token
    assert (await http.post("/session/refresh", json={"client_id": "web"})).status_code == 200


async def test_a_client_without_refresh_tokens_gets_no_cookie(door: Door) -> None:
    answer = await signed_in(door.caller(), client_id="no-refresh")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("value", ["", "x", "wwr_" + "A" * 59, "null"])
async def test_a_cookie_that_holds_nothing_of_ours_means_sign_in_again(door: Door, value: str) -> None:
    http = door.caller(cookie=f"{name_for('web')}={value}")
    answer = await http.post("/session/refresh", json={"client_id": "web"})
    expected = (400, "invalid_request") if value == "" else (401, "invalid_grant")
    assert (answer.status_code, answer.json()["error"]) == expected


async def test_another_clients_cookie_is_not_looked_at(door: Door) -> None:
    http = door.caller()
    await signed_in(http)
    answer = await http.post("/session/refresh", json={"client_id": "other"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@standard("OWASP ASVS 5.0", "7.4.1")
@pytest.mark.parametrize("way", ["DELETE", "POST"])
async def test_sign_out_by_the_cookie_drops_it_and_ends_the_session(everywhere: Door, way: str) -> None:
    http = everywhere.caller()
    token = cookie_of(await signed_in(http)).value
    answer = await http.request(way, "/session" if way == "DELETE" else "/session/end", json={"client_id": "web"})
    assert answer.status_code == 204
    dropped = cookie_of(answer)
    assert (dropped.key, dropped.value, dropped["max-age"], dropped["path"]) == (name_for("web"), "", "0", "/session")
    assert (await everywhere.refresh(http, token)).status_code == 400
    assert (await http.post("/session/refresh", json={"client_id": "web"})).status_code == 400


async def test_sign_out_by_the_access_token_drops_the_cookie_too(door: Door) -> None:
    http = door.caller()
    answer = await signed_in(http)
    token = answer.json()["access_token"]
    answer = await http.request("DELETE", "/session", json={"client_id": "web"}, headers=bearer(token))
    assert answer.status_code == 204
    assert cookie_of(answer)["max-age"] == "0"


async def test_a_thief_of_the_cookie_is_exposed_like_any_other(everywhere: Door) -> None:
    owner = everywhere.caller()
    stolen = cookie_of(await signed_in(owner)).value
    for _ in range(2):
        assert (await owner.post("/session/refresh", json={"client_id": "web"})).status_code == 200
    everywhere.clock.advance(PAST_OVERLAP)
    thief = everywhere.caller(ELSEWHERE, cookie=f"{name_for('web')}={stolen}")
    assert (await thief.post("/session/refresh", json={"client_id": "web"})).status_code == 401
    answer = await owner.post("/session/refresh", json={"client_id": "web"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_grant")
    assert (await everywhere.kinds())[0] == "refresh.theft"


ORIGINS = [
    pytest.param("web", APP_ORIGIN, True, id="the client's"),
    pytest.param("web", ISSUER, True, id="the issuer's"),
    pytest.param("spa", "https://spa.example", True, id="of a redirect URI"),
    pytest.param("web", "https://spa.example", False, id="another client's"),
    pytest.param("other", APP_ORIGIN, False, id="of a client without origins"),
    pytest.param("web", "https://evil.example", False, id="nobody's"),
    pytest.param("web", "null", False, id="null"),
    pytest.param("web", APP_ORIGIN + ".evil.example", False, id="a longer one"),
    pytest.param("web", APP_ORIGIN.replace("https", "http"), False, id="plain"),
    pytest.param("web", APP_ORIGIN + ":8443", False, id="another port"),
    pytest.param("web", APP_ORIGIN.upper(), False, id="upper case"),
    pytest.param("web", "https://spa.example/callback", False, id="with a path"),
    pytest.param("web", f"{APP_ORIGIN} https://evil.example", False, id="two in one"),
]


@rfc("9700", "2.6")
@pytest.mark.parametrize(("client_id", "origin", "allowed"), ORIGINS)
async def test_a_web_origin_must_be_the_issuers_or_the_clients(
    door: Door, client_id: str, origin: str, allowed: bool
) -> None:
    http, page = door.caller(), {"origin": origin}
    ask = {"client_id": client_id}
    started = await http.post("/session", json={**SIGN_IN, **ask}, headers=page)
    if not allowed:
        assert (started.status_code, started.json()["error"]) == (403, "access_denied")
        assert door.cheap.verified == 0
        await signed_in(http, client_id=client_id)
    refreshed = await http.post("/session/refresh", json=ask, headers=page)
    ended = await http.request("DELETE", "/session", json=ask, headers=page)
    found = [answer.status_code for answer in (started, refreshed, ended)]
    assert found == ([201, 200, 204] if allowed else [403, 403, 403])
    if not allowed:
        # Neither refreshed nor ended: the cookie still works from home.
        assert started.json()["error"] == refreshed.json()["error"] == ended.json()["error"]
        assert (await http.post("/session/refresh", json=ask)).status_code == 200
        assert door.heard.count("refresh.rotated") == 1


async def test_one_good_origin_beside_a_bad_one_does_not_help(door: Door) -> None:
    http = door.caller()
    await signed_in(http)
    two = [("origin", APP_ORIGIN), ("origin", "https://evil.example")]
    assert (await http.post("/session/refresh", json={"client_id": "web"}, headers=two)).status_code == 403


async def test_a_confidential_clients_cookie_needs_the_secret(door: Door) -> None:
    http = door.caller()
    body = {"username": "ada", "password": PASSWORD, "cookie": True}
    assert (await http.post("/session", json=body, headers=basic("backend"))).status_code == 201
    assert (await http.post("/session/refresh", json={"client_id": "backend"})).status_code == 401
    assert (await http.post("/session/refresh", json={}, headers=basic("backend"))).status_code == 200
