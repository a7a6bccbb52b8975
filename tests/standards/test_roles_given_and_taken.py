"""What a user may do follows his roles: down with the next refresh of each grant, up with the next sign-in."""

from tests.support.cast import ORDERS, basic
from tests.support.door import Door
from tests.support.rfc import rfc

from watchword.server.flows.admin import users

BOTH = "orders.read orders.admin"


@rfc("6749", "6")
@rfc("9700", "2.3")
async def test_a_role_that_is_taken_narrows_the_next_refresh(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, username="bob", scope=BOTH)
    assert tokens["scope"] == "orders.admin orders.read"
    await users.set_roles(everywhere.parts, "bob", [])

    again = await everywhere.refreshed(http, tokens["refresh_token"])
    assert again["scope"] == "orders.read"
    assert everywhere.read(again["access_token"]).claims["scope"] == "orders.read"
    assert everywhere.read(again["access_token"]).audience == (ORDERS,)


@rfc("6749", "6")
async def test_a_scope_whose_role_is_gone_is_refused_by_name_and_spends_no_token(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http, username="bob", scope=BOTH))["refresh_token"]
    await users.set_roles(everywhere.parts, "bob", [])

    refused = await everywhere.refresh(http, token, scope="orders.admin")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert (await everywhere.refreshed(http, token))["scope"] == "orders.read"


async def test_a_grant_that_lives_by_the_role_alone_gives_nothing_until_the_role_is_back(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http, username="bob", scope="orders.admin"))["refresh_token"]
    await users.set_roles(everywhere.parts, "bob", [])

    refused = await everywhere.refresh(http, token)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    await users.set_roles(everywhere.parts, "bob", ["admin"])
    assert (await everywhere.refreshed(http, token))["scope"] == "orders.admin"


async def test_a_role_that_is_given_widens_the_next_sign_in_and_no_grant_of_before(everywhere: Door) -> None:
    http = everywhere.caller()
    before = await everywhere.sign_in(http, username="ada", scope=BOTH)
    assert before["scope"] == "orders.read"
    await users.set_roles(everywhere.parts, "ada", ["admin"])

    assert (await everywhere.refreshed(http, before["refresh_token"]))["scope"] == "orders.read"
    assert (await everywhere.sign_in(http, username="ada", scope=BOTH))["scope"] == "orders.admin orders.read"


async def test_an_access_token_keeps_what_it_says_until_it_expires_and_nothing_is_revoked(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, username="bob", scope=BOTH)
    await users.set_roles(everywhere.parts, "bob", [])

    form = {"token": tokens["access_token"]}
    seen = (await http.post("/introspect", data=form, headers=basic("orders"))).json()
    assert (seen["active"], seen["scope"]) == (True, "orders.admin orders.read")
    everywhere.clock.advance(tokens["expires_in"] + 60)
    assert (await http.post("/introspect", data=form, headers=basic("orders"))).json() == {"active": False}
    assert (await everywhere.parts.storage.log_head())[1] == 0
