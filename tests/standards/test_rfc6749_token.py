"""The token endpoint: who may call, how clients prove themselves, and what the answers look like.

R035-R038, R041-R045; faults 6, 11, 12, 67 of the table of peers.
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, ORDERS, basic
from tests.support.door import Door
from tests.support.rfc import rfc

from watchword.protocol.scope import Scope
from watchword.server.flows.admin import clients

OWN = {"grant_type": "client_credentials"}
POSTED = {"client_id": "poster", "client_secret": CLIENT_SECRET}


async def refused(http: httpx2.AsyncClient, form: Any, error: str, **request: Any) -> httpx2.Response:
    """The refusal of a token request, after the look at what holds for every one."""
    answer = await http.post("/token", data=form, **request)
    expected = {"invalid_client": 401}.get(error, 400)
    assert (answer.status_code, answer.json()["error"]) == (expected, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error_description"]
    return answer


@rfc("6749", "4.4.3")
@rfc("6749", "5.1")
async def test_a_client_gets_a_token_for_itself_and_no_refresh_token(door: Door, home: httpx2.AsyncClient) -> None:
    answer = await home.post("/token", data=OWN, headers=basic("machine"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 900, "orders.read orders.write")
    token = door.read(tokens["access_token"])
    assert (token.subject, token.client_id, token.audience) == ("machine", "machine", (ORDERS,))
    # R044: nothing in it makes it look like a user's.
    assert {"sid", "gid", "epoch", "auth_time", "acr", "amr"}.isdisjoint(token.claims)


@rfc("6749", "4.4.2")
@rfc("6749", "3.3")
@rfc("6749", "5.1")
async def test_a_part_of_the_scope_may_be_asked_and_the_answer_says_what_was_given(
    door: Door, home: httpx2.AsyncClient
) -> None:
    # R045: what is unknown or not the client's is left out, and the answer tells.
    for asked in ("orders.read", "orders.read orders.admin", "orders.read no.such.scope"):
        tokens = (await home.post("/token", data={**OWN, "scope": asked}, headers=basic("machine"))).json()
        assert tokens["scope"] == "orders.read"
        assert door.read(tokens["access_token"]).scope == Scope.parse("orders.read")


@rfc("6749", "5.2")
@pytest.mark.parametrize("asked", ["orders.admin", "no.such", "openid", 'half"quoted', "back\\slash", " orders.read"])
async def test_scope_of_which_nothing_may_be_given_is_invalid_scope(home: httpx2.AsyncClient, asked: str) -> None:
    await refused(home, {**OWN, "scope": asked}, "invalid_scope", headers=basic("machine"))


@rfc("6749", "2.3.1")
async def test_a_secret_may_come_in_the_header_or_in_the_body_as_registered(home: httpx2.AsyncClient) -> None:
    assert (await home.post("/token", data=OWN, headers=basic("machine"))).status_code == 200
    assert (await home.post("/token", data={**OWN, **POSTED})).status_code == 200


@rfc("6749", "2.3")
@rfc("6749", "3.2.1")
@pytest.mark.parametrize(
    ("form", "headers"),
    [
        pytest.param({"client_id": "machine", "client_secret": CLIENT_SECRET}, {}, id="basic client by body"),
        pytest.param({}, basic("poster"), id="post client by header"),
        pytest.param({"client_id": "machine"}, {}, id="without the secret"),
        pytest.param({"client_id": "poster", "client_secret": ""}, {}, id="empty secret"),
        pytest.param({"client_id": "poster", "client_secret": "wrong"}, {}, id="wrong secret"),
        pytest.param({"client_id": "poster", "client_secret": CLIENT_SECRET + "x"}, {}, id="longer secret"),
        pytest.param({}, basic("machine", ""), id="empty secret in the header"),
        pytest.param({}, basic("machine", CLIENT_SECRET[:-1]), id="shorter secret in the header"),
        pytest.param({}, basic("nobody"), id="unknown client"),
        pytest.param({}, basic(""), id="no name in the header"),
        pytest.param({"client_id": "nobody"}, {}, id="unknown public client"),
        pytest.param({}, {}, id="no client at all"),
        pytest.param({}, {"authorization": "Basic !!!"}, id="malformed header"),
        pytest.param({}, {"authorization": "Basic bWFjaGluZQ=="}, id="header without a colon"),
        pytest.param({}, {"authorization": "Basic " + "w7" * 2000}, id="header that is not UTF-8"),
        pytest.param({}, {"authorization": "Bearer abc"}, id="another scheme"),
        pytest.param({"client_id": "web", "client_secret": CLIENT_SECRET}, {}, id="public client with a secret"),
        pytest.param({"client_id": "machine", "client_assertion": "e30.e30.e30"}, {}, id="assertion"),
    ],
)
async def test_by_any_other_way_a_client_is_not_itself(
    home: httpx2.AsyncClient, form: dict[str, str], headers: dict[str, str]
) -> None:
    # R037, R038: the registered method only; R041: 401 names the scheme.
    answer = await refused(home, {**OWN, **form}, "invalid_client", headers=headers)
    assert answer.headers["www-authenticate"].startswith("Basic ")


@rfc("6749", "2.3")
@pytest.mark.parametrize(
    "form",
    [POSTED, {"client_id": "machine", "client_secret": CLIENT_SECRET}, {"client_id": "web"}],
    ids=["two methods", "both of one client", "two client ids"],
)
async def test_two_ways_of_authentication_in_one_request_are_refused(
    home: httpx2.AsyncClient, form: dict[str, str]
) -> None:
    # R036
    await refused(home, {**OWN, **form}, "invalid_request", headers=basic("machine"))


@rfc("6749", "2.3.1")
async def test_the_clients_name_may_stand_beside_the_header(home: httpx2.AsyncClient) -> None:
    form = {**OWN, "client_id": "machine"}
    assert (await home.post("/token", data=form, headers=basic("machine"))).status_code == 200


@rfc("6749", "2.3.1")
async def test_name_and_secret_in_the_header_are_form_encoded_first(home: httpx2.AsyncClient) -> None:
    encoded = basic("%6dachine", CLIENT_SECRET.replace("-", "%2D"))
    assert (await home.post("/token", data=OWN, headers=encoded)).status_code == 200


@rfc("6749", "5.2")
async def test_a_disabled_client_gets_nothing_by_any_grant(everywhere: Door) -> None:
    # Faults 11, 12, 67: one path must not forget the check.
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    for client_id in ("web", "machine"):
        await clients.disable(everywhere.parts, client_id)
    everywhere.clock.advance(2)
    await refused(http, OWN, "invalid_client", headers=basic("machine"))
    for grant in ("refresh_token", "authorization_code"):
        form = {"client_id": "web", "grant_type": grant, "refresh_token": tokens["refresh_token"], "code": "x"}
        await refused(http, form, "invalid_client")
    body = {"client_id": "web", "username": "ada", "password": "x"}
    assert (await http.post("/session", json=body)).json()["error"] == "invalid_client"
    assert (await http.post("/authorize-challenge", data=body)).json()["error"] == "invalid_client"
    assert (await http.post("/revoke", data={"client_id": "web", "token": "x"})).json()["error"] == "invalid_client"


async def test_another_secret_takes_effect_within_a_second(everywhere: Door) -> None:
    http = everywhere.caller()
    assert (await http.post("/token", data=OWN, headers=basic("machine"))).status_code == 200
    registered = await clients.rotate_secret(everywhere.parts, "machine")
    everywhere.clock.advance(1)
    await refused(http, OWN, "invalid_client", headers=basic("machine"))
    assert registered.secret is not None
    assert len(registered.secret) >= 43
    new = basic("machine", registered.secret)
    assert (await http.post("/token", data=OWN, headers=new)).status_code == 200


@rfc("6749", "5.2")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "ada", "password": "x"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, "unsupported_grant_type"),
        ({"grant_type": "REFRESH_TOKEN"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_request"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("grant_type", "none"),
)
async def test_a_grant_that_is_missing_unknown_or_not_the_clients(
    home: httpx2.AsyncClient, form: dict[str, str], error: str
) -> None:
    await refused(home, {"client_id": "web", **form}, error)


@rfc("6749", "5.2")
@pytest.mark.parametrize("grant", ["refresh_token", "authorization_code"])
async def test_a_machine_may_not_use_a_users_grants(home: httpx2.AsyncClient, grant: str) -> None:
    form = {"grant_type": grant, "code": "x", "refresh_token": "x"}
    await refused(home, form, "unauthorized_client", headers=basic("machine"))


@rfc("6749", "3.2")
async def test_parameters_in_the_query_are_not_used(home: httpx2.AsyncClient) -> None:
    # R035
    answer = await home.post("/token?grant_type=client_credentials", headers=basic("machine"), data={"x": "y"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await home.post(f"/token?client_id=poster&client_secret={CLIENT_SECRET}", data=OWN)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@rfc("9068", "2.2")
@rfc("9068", "2.2.1")
async def test_a_users_token_says_what_it_must(door: Door, home: httpx2.AsyncClient) -> None:
    # R079, R080
    tokens = await door.sign_in(home, scope="openid orders.read")
    claims = door.read(tokens["access_token"]).claims
    now = int(door.clock.now())
    assert set(claims) == {
        *("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"),
        *("sid", "gid", "epoch", "auth_time", "acr", "amr"),
    }
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (door.plan.issuer, ORDERS, "web")
    assert (claims["iat"], claims["exp"], claims["auth_time"], claims["amr"]) == (now, now + 900, now, ["pwd"])
    door.clock.advance(100)
    later = door.read((await door.refreshed(home, tokens["refresh_token"]))["access_token"]).claims
    assert (later["auth_time"], later["iat"], later["sid"]) == (now, now + 100, claims["sid"])


@rfc("9068", "2.2")
async def test_every_token_has_a_name_of_its_own(door: Door, home: httpx2.AsyncClient) -> None:
    names = set()
    for _ in range(300):
        answer = await home.post("/token", data=OWN, headers=basic("machine"))
        names.add(door.read(answer.json()["access_token"]).jti)
    assert len(names) == 300
