"""What the simple door's sign-out ends, and for whom: it is for first-party clients, and any token may come there."""

from typing import Any

import pytest
from tests.support.cast import CLIENT_SECRET, PASSWORD, basic, bearer
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import rfc, standard
from tests.support.visitor import Visitor, refresh

ASVS = "OWASP ASVS 5.0"


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


async def end(door: Door, body: dict[str, Any] | None = None, **headers: str) -> int:
    """The status of a sign-out."""
    if body is None:
        answer = await door.caller(agent="shop/1.0").request("DELETE", "/session", headers=headers)
    else:
        answer = await door.caller(agent="shop/1.0").post("/session/end", json=body, headers=headers)
    assert answer.status_code != 401 or "www-authenticate" in answer.headers
    return int(answer.status_code)


@standard(ASVS, "7.4.1")
@pytest.mark.parametrize("by", ["refresh token", "access token"])
async def test_a_third_partys_token_ends_its_own_grant_and_no_session(everywhere: Door, by: str) -> None:
    visitor = Visitor(everywhere)
    theirs = await visitor.tokens("spa-third-party")
    shops = await visitor.tokens()
    body = {"refresh_token": theirs["refresh_token"]} if by == "refresh token" else None
    assert await end(everywhere, body, **({} if body else bearer(theirs["access_token"]))) == 204
    answer = await refresh(everywhere, theirs, client_id="spa-third-party")
    assert answer.json()["error"] == "invalid_grant"
    introspected = await everywhere.caller().post(
        "/introspect", data={"token": theirs["access_token"]}, headers=basic("orders")
    )
    assert introspected.json() == {"active": False}
    assert await lives(visitor)
    assert (await refresh(everywhere, shops)).status_code == 200
    assert "session.ended" not in await everywhere.kinds()
    # Again, and nothing more happens.
    assert await end(everywhere, body, **({} if body else bearer(theirs["access_token"]))) == 204
    assert (await everywhere.kinds()).count("grant.ended") == 1


@standard(ASVS, "7.4.1")
@pytest.mark.parametrize("by", ["refresh token", "access token"])
async def test_a_first_partys_token_ends_the_browsers_session_that_it_came_from(everywhere: Door, by: str) -> None:
    visitor = Visitor(everywhere)
    ours, shops = await visitor.tokens("spa"), await visitor.tokens()
    body = {"refresh_token": ours["refresh_token"]} if by == "refresh token" else None
    assert await end(everywhere, body, **({} if body else bearer(ours["access_token"]))) == 204
    assert not await lives(visitor)
    assert (await refresh(everywhere, shops)).json()["error"] == "invalid_grant"


@rfc("6749", "2.3")
@pytest.mark.parametrize("client_id", ["backend", "shop"], ids=["first-party", "third-party"])
async def test_a_confidential_clients_refresh_token_wants_its_client(everywhere: Door, client_id: str) -> None:
    if client_id == "shop":
        tokens = await Visitor(everywhere).tokens()
    else:
        body = {"username": "ada", "password": PASSWORD}
        tokens = (await everywhere.caller().post("/session", json=body, headers=basic("backend"))).json()
    stolen = {"refresh_token": tokens["refresh_token"]}
    assert await end(everywhere, stolen) == 401
    assert await end(everywhere, {**stolen, "client_id": client_id}) == 401
    assert await end(everywhere, {**stolen, "client_id": client_id, "client_secret": CLIENT_SECRET}) == 401
    assert await end(everywhere, stolen, **basic(client_id, "not the secret")) == 401
    # Another client's token is an unknown one, whoever sends it.
    assert await end(everywhere, {**stolen, "client_id": "web"}) == 204
    assert await end(everywhere, stolen, **basic("machine")) == 204
    assert (await refresh(everywhere, tokens, client_id=client_id)).status_code == 200
    assert not {"session.ended", "grant.ended"} & set(await everywhere.kinds())
    assert await end(everywhere, stolen, **basic(client_id)) == 204
    assert (await refresh(everywhere, tokens, client_id=client_id)).json()["error"] == "invalid_grant"


@rfc("7009", "2.1")
async def test_another_clients_token_is_an_unknown_one(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    assert await end(everywhere, {"client_id": "other", "refresh_token": tokens["refresh_token"]}) == 204
    assert await end(everywhere, {"client_id": "other"}, **bearer(tokens["access_token"])) == 204
    await everywhere.refreshed(http, tokens["refresh_token"])
    assert "session.ended" not in await everywhere.kinds()
    assert await end(everywhere, {"client_id": "web"}, **bearer(tokens["access_token"])) == 204
    assert (await everywhere.refresh(http, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_confidential_client_with_a_cookie_signs_out_by_its_secret(everywhere: Door) -> None:
    http, body = everywhere.caller(), {"username": "ada", "password": PASSWORD, "cookie": True}
    assert (await http.post("/session", json=body, headers=basic("backend"))).status_code == 201
    assert (await http.post("/session/end", json={"client_id": "backend"})).status_code == 401
    answer = await http.request("DELETE", "/session", headers=basic("backend"))
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert "session.ended" in await everywhere.kinds()


async def test_the_token_of_a_client_that_was_deleted_ends_nothing(everywhere: Door) -> None:
    tokens = await everywhere.sign_in(everywhere.caller())
    async with everywhere.parts.storage.write() as tx:
        await tx.delete_client("web")
    await everywhere.restart()
    assert await end(everywhere, {"refresh_token": tokens["refresh_token"]}) == 204
    assert await end(everywhere, None, **bearer(tokens["access_token"])) == 204
    assert "session.ended" not in await everywhere.kinds()


async def test_an_offline_grant_of_a_first_party_ends_with_its_own_session_alone(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    offline = await visitor.tokens("spa", scope="openid offline_access")
    online = await visitor.tokens("spa", scope="openid")
    assert await end(everywhere, {"refresh_token": offline["refresh_token"]}) == 204
    assert await lives(visitor)
    assert (await refresh(everywhere, online, client_id="spa")).status_code == 200
    assert (await Visitor(everywhere, ELSEWHERE).ask(prompt="none")).answer["error"] == "login_required"
