"""Token introspection: who learns what about which token.

R089, R090; fault 61 of the table of peers.
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, INVENTORY, ORDERS, basic
from tests.support.chains import chain
from tests.support.door import Door
from tests.support.rfc import rfc

from watchword.server.flows.admin import clients, keys, sessions, users

INACTIVE = {"active": False}


async def seen_by(http: httpx2.AsyncClient, client_id: str, token: str, **fields: str) -> dict[str, Any]:
    """What a client is told about a token."""
    answer = await http.post("/introspect", data={"token": token, **fields}, headers=basic(client_id))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    told: dict[str, Any] = answer.json()
    return told


@rfc("7662", "2.2")
async def test_the_apis_own_server_learns_what_the_token_says(door: Door, home: httpx2.AsyncClient) -> None:
    tokens = await door.sign_in(home, scope="openid orders.read")
    claims = door.read(tokens["access_token"]).claims
    told = await seen_by(home, "orders", tokens["access_token"])
    assert told["active"] is True
    assert told["token_type"] == "Bearer"
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid"):
        assert told[name] == claims[name], name


@rfc("7662", "2.1")
@rfc("7662", "4")
async def test_who_is_not_meant_learns_nothing(everywhere: Door) -> None:
    # R089: another API's server, another client, a machine: exactly {"active": false}.
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    for client_id in ("inventory", "backend", "machine"):
        assert await seen_by(http, client_id, tokens["access_token"]) == INACTIVE
        assert await seen_by(http, client_id, tokens["refresh_token"]) == INACTIVE


@rfc("7662", "2.1")
async def test_a_client_learns_about_its_own_tokens(everywhere: Door) -> None:
    http = everywhere.caller()
    mine = await everywhere.sign_in(everywhere.caller(**basic("backend")), client_id="backend")
    assert (await seen_by(http, "backend", mine["access_token"]))["active"] is True
    told = await seen_by(http, "backend", mine["refresh_token"])
    assert told["active"] is True
    assert told["client_id"] == "backend"
    # RFC 7662 §4: nothing that would let it pass for an access token.
    assert {"aud", "token_type", "jti"}.isdisjoint(told)


@rfc("7662", "4")
@pytest.mark.parametrize("hint", ["refresh_token", "access_token", ""])
async def test_to_a_resource_server_no_refresh_token_is_active(door: Door, home: httpx2.AsyncClient, hint: str) -> None:
    # R090
    mine = await door.sign_in(door.caller(**basic("backend")), client_id="backend")
    for tokens in (mine, await door.sign_in(home)):
        assert await seen_by(home, "orders", tokens["refresh_token"], token_type_hint=hint) == INACTIVE


@rfc("7662", "2.1")
@pytest.mark.parametrize(
    ("form", "headers"),
    [
        pytest.param({}, {}, id="nobody"),
        pytest.param({"client_id": "web"}, {}, id="public client"),
        pytest.param({"client_id": "orders"}, {}, id="without the secret"),
        pytest.param({"client_id": "orders", "client_secret": CLIENT_SECRET}, {}, id="another method"),
        pytest.param({}, basic("orders", "wrong"), id="wrong secret"),
        pytest.param({}, {"authorization": "Bearer x"}, id="bearer"),
    ],
)
async def test_only_a_client_with_a_secret_may_ask(
    door: Door, home: httpx2.AsyncClient, form: dict[str, str], headers: dict[str, str]
) -> None:
    token = (await door.sign_in(home))["access_token"]
    answer = await home.post("/introspect", data={"token": token, **form}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "active" not in answer.json()
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"


@rfc("7662", "2.2")
async def test_what_is_no_living_token_of_ours_is_just_inactive(door: Door, home: httpx2.AsyncClient) -> None:
    tokens = await door.sign_in(home)
    access = tokens["access_token"]
    head, body, signature = access.split(".")
    for token in (
        *("x", "a.b.c", "wwr_x", "ä", "x" * 30_000, f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA"),
        *(tokens["id_token"], access + "A", access.upper(), f"{access}.{access}"),
    ):
        assert await seen_by(home, "orders", token) == INACTIVE
    answer = await home.post("/introspect", data={}, headers=basic("orders"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@rfc("7662", "2.2")
async def test_an_expired_token_is_inactive(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http))["access_token"]
    everywhere.clock.advance(899)
    assert (await seen_by(http, "orders", token))["active"] is True
    everywhere.clock.advance(10)
    assert await seen_by(http, "orders", token) == INACTIVE


@rfc("7662", "4")
@pytest.mark.parametrize(
    "end", ["revoked", "signed out", "disabled", "logged out everywhere", "new password", "client disabled", "key"]
)
async def test_what_was_revoked_a_moment_ago_on_another_node_is_inactive(everywhere: Door, end: str) -> None:
    # Every node catches up with the log before it answers.
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    token = tokens["access_token"]
    for _ in everywhere.nodes:
        assert (await seen_by(http, "orders", token))["active"] is True
    parts = everywhere.parts
    match end:
        case "revoked":
            await http.post("/revoke", data={"client_id": "web", "token": tokens["refresh_token"]})
        case "signed out":
            await http.post("/session/end", json={"refresh_token": tokens["refresh_token"]})
        case "disabled":
            await users.disable(parts, "ada")
        case "logged out everywhere":
            await sessions.revoke_all(parts, "ada")
        case "new password":
            await users.set_password(parts, "ada", "some other words in a row")
        case "client disabled":
            await clients.disable(parts, "web")
        case "key":
            await keys.revoke(parts, everywhere.read(token).kid)
    for _ in everywhere.nodes:
        assert await seen_by(http, "orders", token) == INACTIVE


async def test_logging_out_everywhere_spares_the_session_that_begins_afterwards(everywhere: Door) -> None:
    # A cut by whole seconds would kill it; an epoch needs no clock.
    http = everywhere.caller()
    before = await everywhere.sign_in(http)
    await sessions.revoke_all(everywhere.parts, "ada")
    after = await everywhere.sign_in(http)
    assert await seen_by(http, "orders", before["access_token"]) == INACTIVE
    assert (await seen_by(http, "orders", after["access_token"]))["active"] is True


async def test_refresh_tokens_are_active_as_long_as_they_would_be_answered(everywhere: Door) -> None:
    http = everywhere.caller(**basic("backend"))
    tokens = await everywhere.sign_in(http, client_id="backend")
    everywhere.clock.advance(13 * 86_400)
    assert (await seen_by(http, "backend", tokens["refresh_token"]))["active"] is True
    everywhere.clock.advance(2 * 86_400)
    assert await seen_by(http, "backend", tokens["refresh_token"]) == INACTIVE


async def test_asking_does_not_use_a_refresh_token(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await chain(everywhere, http, length=2)
    for token in tokens:
        await seen_by(http, "orders", token)
    await everywhere.refreshed(everywhere.caller(), tokens[-1])
    assert everywhere.heard.count("refresh.rotated") == 2


async def test_each_api_sees_the_token_that_is_for_it(everywhere: Door) -> None:
    http = everywhere.caller()
    for audience, server, other in ((ORDERS, "orders", "inventory"), (INVENTORY, "inventory", "orders")):
        token = (await everywhere.sign_in(http, client_id="both-apis", resource=audience))["access_token"]
        assert (await seen_by(http, server, token))["aud"] == audience
        assert await seen_by(http, other, token) == INACTIVE
