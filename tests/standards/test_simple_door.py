"""The simple door: sign-in, renewal and sign-out in plain JSON (DESIGN section 9)."""

from typing import Any

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, INVENTORY, ORDERS, PASSWORD, basic, bearer
from tests.support.chains import SIMPLE_DOOR, chain
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc, standard

from watchword.protocol.scope import Scope

SIGN_IN = {"client_id": "web", "username": "ada", "password": PASSWORD}


async def active(door: Door, token: str) -> bool:
    answer = await door.caller().post("/introspect", data={"token": token}, headers=basic("orders"))
    assert answer.status_code == 200
    return bool(answer.json()["active"])


async def test_a_sign_in_answers_201_with_tokens_and_the_session(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.post("/session", json=SIGN_IN)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "set-cookie" not in answer.headers
    tokens = answer.json()
    assert set(tokens) == {
        *("access_token", "token_type", "expires_in", "scope"),
        *("refresh_token", "id_token", "sid"),
    }
    assert door.read(tokens["access_token"]).sid == tokens["sid"]


async def test_asked_for_nothing_a_user_gets_what_client_and_roles_allow(door: Door, home: httpx2.AsyncClient) -> None:
    everything = "email offline_access openid orders.read orders.write profile"
    assert (await door.sign_in(home))["scope"] == everything
    bobs = (await door.sign_in(home, username="bob"))["scope"]
    assert Scope.parse(bobs) == Scope.parse(everything) | {"orders.admin"}


@pytest.mark.parametrize(
    "fields",
    [{"username": "nobody"}, {"password": "wrong"}, {"password": PASSWORD + " "}, {"password": PASSWORD.upper()}],
    ids=["unknown name", "wrong password", "a space more", "upper case"],
)
async def test_a_wrong_name_or_password_is_401_invalid_credentials(
    home: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    answer = await home.post("/session", json={**SIGN_IN, **fields})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_credentials")
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["www-authenticate"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "backend"}, 401, "invalid_client"),
        ({"client_id": "third-party"}, 400, "unauthorized_client"),
        ({"username": None}, 400, "invalid_request"),
        ({"username": ""}, 400, "invalid_request"),
        ({"password": None}, 400, "invalid_request"),
        ({"password": ""}, 400, "invalid_request"),
        ({"scope": "no.such"}, 400, "invalid_scope"),
        ({"resource": INVENTORY}, 400, "invalid_target"),
        ({"resource": "orders"}, 400, "invalid_target"),
        ({"auth_session": "abc"}, 400, "invalid_request"),
    ],
)
async def test_what_is_missing_or_not_allowed_is_told_and_no_password_is_tried(
    door: Door, home: httpx2.AsyncClient, fields: dict[str, Any], status: int, error: str
) -> None:
    answer = await home.post("/session", json={**SIGN_IN, **fields})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert door.cheap.verified == 0
    assert await door.kinds() == []


@rfc("6749", "3.2.1")
async def test_a_confidential_first_party_client_proves_its_secret(door: Door, home: httpx2.AsyncClient) -> None:
    body = {"username": "ada", "password": PASSWORD}
    answer = await home.post("/session", json=body, headers=basic("backend"))
    assert answer.status_code == 201
    token = answer.json()["refresh_token"]
    refresh = {"refresh_token": token}
    assert (await home.post("/session/refresh", json=refresh, headers=basic("backend"))).status_code == 200
    for proof in ({"client_id": "backend"}, {"client_id": "backend", "client_secret": CLIENT_SECRET}):
        answer = await home.post("/session/refresh", json={**refresh, **proof})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_refresh_answers_200_with_new_tokens(door: Door, home: httpx2.AsyncClient) -> None:
    first = await door.sign_in(home)
    answer = await home.post("/session/refresh", json={"client_id": "web", "refresh_token": first["refresh_token"]})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert door.read(second["access_token"]).sid == first["sid"]


async def test_a_refresh_without_any_token_is_a_bad_request_and_no_word_to_sign_in_again(
    home: httpx2.AsyncClient,
) -> None:
    for body in ({}, {"refresh_token": None}, {"refresh_token": ""}):
        answer = await home.post("/session/refresh", json={"client_id": "web", **body})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_every_401_of_a_refresh_has_a_challenge_and_says_invalid_grant(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await chain(everywhere, http, length=3)
    # Superseded, mangled, and after the sign-out: ended.
    await SIMPLE_DOOR.refuses(http, tokens[0])
    await SIMPLE_DOOR.refuses(http, tokens[2][:-1] + "!")
    assert (await http.post("/session/end", json={"refresh_token": tokens[2]})).status_code == 204
    answer = await SIMPLE_DOOR.knock(http, tokens[2])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_grant")
    assert answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [({"scope": "no.such"}, "invalid_scope"), ({"resource": INVENTORY}, "invalid_target")],
)
async def test_too_much_asked_is_no_reason_to_sign_in_again(
    door: Door, home: httpx2.AsyncClient, asked: dict[str, str], error: str
) -> None:
    token = (await door.sign_in(home))["refresh_token"]
    answer = await SIMPLE_DOOR.knock(home, token, **asked)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    await SIMPLE_DOOR.refreshed(home, token)


@pytest.mark.parametrize("resource", [ORDERS, [ORDERS]], ids=["text", "list"])
async def test_the_resource_is_a_text_or_a_list(door: Door, home: httpx2.AsyncClient, resource: Any) -> None:
    tokens = await door.sign_in(home, client_id="both-apis", resource=resource)
    assert door.read(tokens["access_token"]).audience == (ORDERS,)


@standard("OWASP ASVS 5.0", "7.4.1")
@pytest.mark.parametrize("way", ["DELETE", "POST"])
@pytest.mark.parametrize("by", ["refresh token", "older refresh token", "access token"])
async def test_sign_out_ends_session_refresh_and_access_tokens_at_once(everywhere: Door, way: str, by: str) -> None:
    http = everywhere.caller()
    first = await everywhere.sign_in(http)
    second = await everywhere.refreshed(http, first["refresh_token"])
    request: dict[str, Any] = {"headers": bearer(second["access_token"])}
    if by != "access token":
        request = {"json": {"refresh_token": (first if by.startswith("older") else second)["refresh_token"]}}
    path = "/session" if way == "DELETE" else "/session/end"
    answer = await http.request(way, path, **request)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    await SIMPLE_DOOR.refuses(http, second["refresh_token"])
    for tokens in (first, second):
        assert not await active(everywhere, tokens["access_token"])
    assert (await everywhere.kinds())[0] == "session.ended"


async def test_sign_out_leaves_the_users_other_sessions_alone(everywhere: Door) -> None:
    http = everywhere.caller()
    one, other = await everywhere.sign_in(http), await everywhere.sign_in(http)
    assert (await http.post("/session/end", json={"refresh_token": one["refresh_token"]})).status_code == 204
    assert await active(everywhere, other["access_token"])
    await everywhere.refreshed(http, other["refresh_token"])


async def test_sign_out_with_a_dead_or_unknown_token_is_fine(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    for _ in range(2):
        answer = await http.request("DELETE", "/session", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 204
    for unknown in ("x", "wwr_x", tokens["refresh_token"][:-1] + "_", tokens["id_token"]):
        assert (await http.post("/session/end", json={"refresh_token": unknown})).status_code == 204
        assert (await http.request("DELETE", "/session", headers=bearer(unknown))).status_code == 204
    assert (await http.request("DELETE", "/session", headers=bearer("not one of ours"))).status_code == 204
    everywhere.clock.advance(1000)
    assert (await http.request("DELETE", "/session", headers=bearer(tokens["access_token"]))).status_code == 204


async def test_sign_out_without_a_token_or_with_two_is_told(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.request("DELETE", "/session")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
    answer = await home.request("DELETE", "/session", headers=twice)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_clients_own_token_has_no_session_to_end(door: Door, home: httpx2.AsyncClient) -> None:
    form = {"grant_type": "client_credentials"}
    token = (await home.post("/token", data=form, headers=basic("machine"))).json()["access_token"]
    assert (await home.request("DELETE", "/session", headers=bearer(token))).status_code == 204
    assert await active(door, token)
    assert await door.kinds() == []


async def test_a_stranger_cannot_sign_a_user_out_by_knowing_names(door: Door, home: httpx2.AsyncClient) -> None:
    tokens = await door.sign_in(home)
    stranger = door.caller(ELSEWHERE)
    for value in (tokens["sid"], door.read(tokens["access_token"]).gid, "ada"):
        await stranger.post("/session/end", json={"client_id": "web", "refresh_token": value, "sid": value})
    await door.refreshed(home, tokens["refresh_token"])
