"""Resource indicators: which API a token is for, and that scopes of two APIs never mix.

R043, R047; DESIGN section 9 "Scopes and audiences".
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import INVENTORY, ORDERS, PASSWORD, basic
from tests.support.codes import challenge_form, code_for, code_form
from tests.support.door import ISSUER, Door
from tests.support.rfc import rfc

from watchword.protocol.scope import Scope


async def audience_and_scope(door: Door, tokens: dict[str, Any]) -> tuple[str, Scope]:
    token = door.read(tokens["access_token"])
    assert str(token.scope) == tokens["scope"]
    (audience,) = token.audience
    return audience, token.scope


@rfc("8707", "2")
@rfc("8707", "2.2")
@pytest.mark.parametrize(
    ("asked", "audience", "scope"),
    [
        pytest.param({"scope": "orders.read"}, ORDERS, "orders.read", id="the scope tells"),
        pytest.param({"scope": "inventory.read"}, INVENTORY, "inventory.read", id="the other scope tells"),
        pytest.param({"scope": "openid inventory.read"}, INVENTORY, "inventory.read openid", id="with openid"),
        pytest.param({"scope": "openid email"}, ISSUER, "email openid", id="OpenID scopes alone"),
        pytest.param({"resource": ORDERS, "scope": "orders.read"}, ORDERS, "orders.read", id="both"),
        pytest.param({"resource": INVENTORY, "scope": "openid"}, INVENTORY, "openid", id="a resource and openid"),
        pytest.param({"resource": ISSUER, "scope": "openid email"}, ISSUER, "email openid", id="the issuer"),
        pytest.param(
            {"resource": INVENTORY, "scope": "orders.read inventory.read"}, INVENTORY, "inventory.read", id="no mixing"
        ),
    ],
)
async def test_the_audience_follows_resource_or_scope(
    everywhere: Door, asked: dict[str, str], audience: str, scope: str
) -> None:
    tokens = await everywhere.sign_in(everywhere.caller(), client_id="both-apis", **asked)
    assert await audience_and_scope(everywhere, tokens) == (audience, Scope.parse(scope))


@rfc("8707", "2")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="all scopes of two APIs"),
        pytest.param({"scope": "orders.read inventory.read"}, id="scopes of two APIs"),
        pytest.param({"scope": "orders.read", "resource": "https://nobody.example"}, id="unknown"),
        pytest.param({"scope": "orders.read", "resource": ORDERS + "/"}, id="a slash more"),
        pytest.param({"scope": "orders.read", "resource": ORDERS.upper()}, id="upper case"),
        pytest.param({"scope": "orders.read", "resource": ORDERS + "#x"}, id="a fragment"),
        pytest.param({"scope": "orders.read", "resource": "orders"}, id="not absolute"),
        pytest.param({"scope": "orders.read", "resource": "https://"}, id="no host"),
        pytest.param({"scope": "orders.read", "resource": ISSUER}, id="the issuer without openid"),
        pytest.param({"scope": "orders.read", "resource": "https://x.example/" + "x" * 600}, id="long"),
    ],
)
async def test_what_tells_no_one_api_of_the_client_is_invalid_target(
    door: Door, home: httpx2.AsyncClient, asked: dict[str, str]
) -> None:
    body = {"client_id": "both-apis", "username": "ada", "password": PASSWORD, **asked}
    answer = await home.post("/session", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    form = challenge_form(client_id="both-apis", **{"scope": None, **asked})
    answer = await home.post("/authorize-challenge", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert door.cheap.verified == 0


@rfc("8707", "2.2")
async def test_a_scope_of_another_api_is_not_given(home: httpx2.AsyncClient) -> None:
    body = {"client_id": "both-apis", "username": "ada", "password": PASSWORD}
    answer = await home.post("/session", json={**body, "resource": ORDERS, "scope": "inventory.read"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@rfc("8707", "2.2")
async def test_from_a_grant_for_two_apis_each_token_is_for_one(everywhere: Door) -> None:
    http = everywhere.caller()
    asked: dict[str, Any] = {"scope": "openid orders.read inventory.read", "resource": [ORDERS, INVENTORY]}
    tokens = await everywhere.sign_in(http, client_id="both-apis", **asked)
    assert (await audience_and_scope(everywhere, tokens))[1] == Scope.parse("openid orders.read")
    held = tokens["refresh_token"]
    for resource, scope in (
        (INVENTORY, "inventory.read openid"),
        (ORDERS, "openid orders.read"),
        (ISSUER, "openid"),
    ):
        fresh = await everywhere.refreshed(http, held, client_id="both-apis", resource=resource)
        assert await audience_and_scope(everywhere, fresh) == (resource, Scope.parse(scope))
        held = fresh["refresh_token"]
    answer = await everywhere.refresh(http, held, client_id="both-apis", resource="https://nobody.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    answer = await everywhere.refresh(http, held, client_id="both-apis", resource=[ORDERS, INVENTORY])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


@rfc("8707", "2.2")
async def test_at_the_redemption_of_a_code_the_resource_may_be_named_again(everywhere: Door) -> None:
    http = everywhere.caller()
    asked = {"scope": "openid orders.read inventory.read", "resource": [ORDERS, INVENTORY], "client_id": "both-apis"}
    for resource in (ORDERS, INVENTORY):
        form = code_form(await code_for(http, **asked), client_id="both-apis")
        for wrong in ("https://nobody.example", "orders", [ORDERS, INVENTORY]):
            answer = await http.post("/token", data={**form, "resource": wrong})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
        # None of these has spent the code.
        tokens = (await http.post("/token", data={**form, "resource": resource})).json()
        assert (await audience_and_scope(everywhere, tokens))[0] == resource


@rfc("8707", "2")
@pytest.mark.parametrize(
    ("resource", "error"),
    [
        (ORDERS, None),
        (INVENTORY, "invalid_target"),
        ("https://nobody.example", "invalid_target"),
        ("#", "invalid_target"),
        ([ORDERS, INVENTORY], "invalid_target"),
        (ISSUER, "invalid_target"),
    ],
    ids=["its own", "another's", "unknown", "malformed", "two", "the issuer"],
)
async def test_a_clients_own_token_is_for_an_api_of_the_client(
    home: httpx2.AsyncClient, resource: Any, error: str | None
) -> None:
    form = {"grant_type": "client_credentials", "resource": resource}
    answer = await home.post("/token", data=form, headers=basic("machine"))
    assert answer.json().get("error") == error
    assert answer.status_code == (200 if error is None else 400)
