"""What a grant gives is judged when it gives: client, roles and resources as they are now, at every door alike."""

from dataclasses import replace

import httpx2
import pytest
from tests.support.cast import INVENTORY, ORDERS, basic
from tests.support.codes import code_for, code_form
from tests.support.door import Door
from tests.support.rfc import rfc

from watchword.protocol.scope import Scope
from watchword.server.domain import revocation
from watchword.server.flows.revoke import COLLAPSE_AT


async def register(door: Door, client_id: str, **changes: object) -> None:
    """Change a client's row, and let the second pass after which every node goes by it."""
    async with door.parts.storage.write() as tx:
        client = await tx.lock_client(client_id)
        assert client is not None
        await tx.put_client(replace(client, **changes))  # type: ignore[arg-type]


async def test_a_code_gives_no_scope_that_the_roles_have_lost_since(everywhere: Door) -> None:
    http = everywhere.caller()
    code = await code_for(http, username="bob", scope="orders.read orders.admin")
    async with everywhere.parts.storage.write() as tx:
        found = await tx.user_by_name("bob")
        assert found is not None
        await tx.put_user(replace(found, roles=frozenset()))
    everywhere.clock.advance(2)
    answer = await http.post("/token", data=code_form(code))
    assert (answer.status_code, answer.json()["scope"]) == (200, "orders.read")


async def test_a_code_gives_no_scope_that_the_client_has_lost_since(everywhere: Door) -> None:
    http = everywhere.caller()
    code = await code_for(http, scope="orders.read orders.write")
    await register(everywhere, "web", scope=Scope.parse("orders.read"))
    everywhere.clock.advance(2)
    assert (await http.post("/token", data=code_form(code))).json()["scope"] == "orders.read"


async def test_a_code_for_an_api_that_the_client_has_lost_since_gives_nothing_and_is_not_spent(
    everywhere: Door,
) -> None:
    http = everywhere.caller()
    code = await code_for(http, scope="orders.read")
    await register(everywhere, "web", apis=(INVENTORY,))
    everywhere.clock.advance(2)
    assert (await http.post("/token", data=code_form(code))).json()["error"] == "invalid_target"
    await register(everywhere, "web", apis=(ORDERS,))
    everywhere.clock.advance(2)
    assert (await http.post("/token", data=code_form(code))).status_code == 200


@rfc("8707", "2.2")
async def test_a_grant_for_two_apis_is_refreshed_for_the_first_unless_the_other_is_named(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, client_id="both-apis", resource=[INVENTORY, ORDERS])
    assert everywhere.read(tokens["access_token"]).audience == (INVENTORY,)
    again = await everywhere.refreshed(http, tokens["refresh_token"], client_id="both-apis")
    assert everywhere.read(again["access_token"]).audience == (INVENTORY,)
    other = await everywhere.refreshed(http, again["refresh_token"], client_id="both-apis", resource=ORDERS)
    assert everywhere.read(other["access_token"]).audience == (ORDERS,)


async def test_openid_needs_no_registration(everywhere: Door) -> None:
    await register(everywhere, "web", scope=Scope.parse("orders.read"))
    everywhere.clock.advance(2)
    tokens = await everywhere.sign_in(everywhere.caller(), scope="openid orders.read")
    assert tokens["scope"] == "openid orders.read"
    assert "id_token" in tokens


async def test_a_client_disabled_within_the_second_is_told_so_and_its_users_keep_their_grants(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http))["refresh_token"]
    await register(everywhere, "web", enabled=False)
    # The directory still believes in the client; the row does not.
    answer = await everywhere.refresh(http, token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    await register(everywhere, "web", enabled=True)
    everywhere.clock.advance(2)
    await everywhere.refreshed(http, token)


async def test_nobody_signs_in_through_a_client_that_was_deleted_within_the_second(everywhere: Door) -> None:
    http = everywhere.caller()
    await everywhere.sign_in(http)
    async with everywhere.parts.storage.write() as tx:
        await tx.delete_client("web")
    answer = await http.post(
        "/session", json={"client_id": "web", "username": "ada", "password": "correct horse battery staple"}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_who_comes_from_the_simple_door_needs_the_grant_type_too(door: Door, home: httpx2.AsyncClient) -> None:
    # R043.
    await register(door, "web", grant_types=frozenset({"refresh_token"}))
    door.clock.advance(2)
    body = {"client_id": "web", "username": "ada", "password": "correct horse battery staple"}
    answer = await home.post("/session", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def fill_log(door: Door, client_id: str) -> None:
    """As many live entries of single tokens as fit before they are named together."""
    end = door.clock.now() + 900
    async with door.parts.storage.write() as tx:
        for number in range(COLLAPSE_AT):
            await tx.revoke(revocation.of_token(f"token-{number}", client_id=client_id, expires_at=end))


@pytest.mark.parametrize("rounds", [1, 3])
async def test_one_user_who_revokes_thousands_of_tokens_ends_his_own_grant_and_nobody_elses(
    door: Door, home: httpx2.AsyncClient, rounds: int
) -> None:
    await fill_log(door, "web")
    ada = (await door.sign_in(home, username="ada"))["access_token"]
    for _ in range(rounds):
        bob = await door.sign_in(home, username="bob")
        revoked = await home.post("/revoke", data={"client_id": "web", "token": bob["access_token"]})
        assert revoked.status_code == 200
        assert (await door.refresh(home, bob["refresh_token"])).json()["error"] == "invalid_grant"
    answer = await home.post("/introspect", data={"token": ada}, headers=basic("orders"))
    assert answer.json()["active"] is True
