"""The refresh grant: bound to its client, never more than was granted, checked anew each time. At both doors.

R052-R055, R058, R060, R061, R063; faults 6-15 of the table of peers. What reuse means is in test_rfc9700_refresh_reuse.
"""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.support.cast import INVENTORY, ORDERS, PASSWORD, basic
from tests.support.chains import PAST_OVERLAP, SIMPLE_DOOR, STANDARD_DOOR, RefreshDoor, chain
from tests.support.door import ELSEWHERE, FAR_AWAY, Door
from tests.support.rfc import rfc, standard

from watchword.protocol import id_token, jws
from watchword.protocol.scope import Scope
from watchword.server.domain.client import Client
from watchword.server.domain.lifetimes import DAY
from watchword.server.flows.admin import clients, sessions, users

both_doors = pytest.mark.parametrize("at", [STANDARD_DOOR, SIMPLE_DOOR], ids=["standard", "simple"])


async def change_client(door: Door, client_id: str, **changes: Any) -> None:
    """Change a registered client, and let the nodes hear of it."""
    async with door.parts.storage.write() as tx:
        client = await tx.lock_client(client_id)
        assert isinstance(client, Client)
        await tx.put_client(replace(client, **changes))
    door.clock.advance(2)


@rfc("6749", "6")
@rfc("9700", "4.14.2")
@both_doors
@pytest.mark.parametrize("age", [1, 2, 3], ids=["the live one", "the redeemed one", "a superseded one"])
async def test_another_clients_token_is_refused_and_changes_nothing(
    everywhere: Door, at: RefreshDoor, age: int
) -> None:
    owner, stranger = everywhere.caller(), everywhere.caller(ELSEWHERE)
    tokens = await chain(everywhere, owner, length=3)
    everywhere.clock.advance(PAST_OVERLAP)
    await at.refuses(stranger, tokens[-age], client_id="other")
    answer = await stranger.post(
        "/token", data={"grant_type": "refresh_token", "refresh_token": tokens[-age]}, headers=basic("backend")
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await everywhere.kinds() == ["session.started"]
    await at.refreshed(owner, tokens[-1])


@rfc("6749", "6")
@rfc("6749", "10.4")
async def test_a_confidential_clients_token_is_worth_nothing_without_the_secret(everywhere: Door) -> None:
    # Fault 6: the refresh grant without client authentication.
    http = everywhere.caller(**basic("backend"))
    token = (await everywhere.sign_in(http, client_id="backend"))["refresh_token"]
    thief = everywhere.caller(ELSEWHERE)
    for client_id in ("backend", "web"):
        assert (await everywhere.refresh(thief, token, client_id=client_id)).status_code in (400, 401)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert (await thief.post("/token", data=form, headers=basic("backend", "wrong"))).status_code == 401
    assert (await http.post("/token", data=form)).status_code == 200


@rfc("9700", "2.2.2")
async def test_a_confidential_client_keeps_its_token_from_wherever_it_comes(everywhere: Door) -> None:
    http = everywhere.caller(**basic("backend"))
    token = (await everywhere.sign_in(http, client_id="backend"))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for address in (ELSEWHERE, FAR_AWAY, ELSEWHERE):
        everywhere.clock.advance(10 * DAY)
        answer = await everywhere.caller(address, **basic("backend")).post("/token", data=form)
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] == token
    assert await everywhere.kinds() == ["session.started"]


@rfc("6749", "6")
@both_doors
async def test_scope_may_shrink_and_the_grant_keeps_the_whole(everywhere: Door, at: RefreshDoor) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, scope="orders.read orders.write")
    narrow = await at.refreshed(http, tokens["refresh_token"], scope="orders.read")
    assert narrow["scope"] == "orders.read"
    assert everywhere.read(narrow["access_token"]).scope == Scope.parse("orders.read")
    whole = await at.refreshed(http, narrow["refresh_token"])
    assert whole["scope"] == "orders.read orders.write"


@rfc("6749", "6")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"scope": "orders.read orders.write"}, id="wider"),
        pytest.param({"scope": "orders.write"}, id="other"),
        pytest.param({"scope": "openid"}, id="openid"),
        pytest.param({"scope": "no.such"}, id="unknown"),
        pytest.param({"scope": 'half"quoted'}, id="malformed"),
        pytest.param({"resource": INVENTORY}, id="other resource"),
        pytest.param({"resource": "not a uri"}, id="malformed resource"),
    ],
)
async def test_more_than_was_granted_is_refused_and_spends_nothing(everywhere: Door, asked: dict[str, str]) -> None:
    http = everywhere.caller()
    first = (await everywhere.sign_in(http, scope="orders.read"))["refresh_token"]
    answer = await everywhere.refresh(http, first, **asked)
    error = "invalid_target" if "resource" in asked else "invalid_scope"
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    # Had it been spent, this would be its second use.
    assert (await everywhere.refreshed(everywhere.caller(ELSEWHERE), first))["scope"] == "orders.read"
    assert everywhere.heard.slugs().count("refresh.rotated") == 1


@rfc("9700", "4.14.2")
@pytest.mark.parametrize(
    "asked",
    [{"scope": "no.such"}, {"scope": 'half"quoted'}, {"resource": INVENTORY}, {"resource": "#"}],
    ids=["unknown scope", "malformed scope", "foreign resource", "malformed resource"],
)
async def test_a_thief_who_would_fail_a_later_check_still_trips_the_alarm(
    everywhere: Door, asked: dict[str, str]
) -> None:
    owner = everywhere.caller()
    tokens = await chain(everywhere, owner, length=3)
    await STANDARD_DOOR.refuses(everywhere.caller(ELSEWHERE), tokens[0], **asked)
    await STANDARD_DOOR.refuses(owner, tokens[-1])
    assert (await everywhere.kinds())[0] == "refresh.theft"


async def test_a_thief_after_the_idle_end_still_trips_the_alarm(everywhere: Door) -> None:
    tokens = await chain(everywhere, everywhere.caller(), length=3)
    everywhere.clock.advance(15 * DAY)
    await STANDARD_DOOR.refuses(everywhere.caller(ELSEWHERE), tokens[0])
    assert (await everywhere.kinds())[0] == "refresh.theft"


async def test_a_fork_is_noted_although_the_request_is_refused(everywhere: Door) -> None:
    tokens = await chain(everywhere, everywhere.caller(), length=2)
    everywhere.clock.advance(PAST_OVERLAP)
    answer = await everywhere.refresh(everywhere.caller(ELSEWHERE), tokens[0], scope="no.such")
    assert answer.json()["error"] == "invalid_scope"
    assert (await everywhere.kinds())[0] == "refresh.fork"


async def end_by_sign_out(door: Door, tokens: dict[str, Any]) -> None:
    assert (await door.caller().post("/session/end", json={"refresh_token": tokens["refresh_token"]})).is_success


async def end_by_revocation(door: Door, tokens: dict[str, Any]) -> None:
    form = {"client_id": "web", "token": tokens["refresh_token"]}
    assert (await door.caller().post("/revoke", data=form)).is_success


async def end_by_disabling(door: Door, _: dict[str, Any]) -> None:
    await users.disable(door.parts, "ada")


async def end_by_disabling_for_a_while(door: Door, _: dict[str, Any]) -> None:
    await users.disable(door.parts, "ada")
    await users.enable(door.parts, "ada")


async def end_by_another_password(door: Door, _: dict[str, Any]) -> None:
    await users.set_password(door.parts, "ada", "some other words in a row")


async def end_everywhere(door: Door, _: dict[str, Any]) -> None:
    await sessions.revoke_all(door.parts, "ada")


async def end_by_an_operator(door: Door, tokens: dict[str, Any]) -> None:
    await sessions.revoke(door.parts, door.read(tokens["access_token"]).sid or "")


async def end_by_deleting(door: Door, _: dict[str, Any]) -> None:
    await users.delete(door.parts, "ada")


@rfc("9700", "4.14.2")
@pytest.mark.parametrize(
    "end",
    [
        end_by_sign_out,
        end_by_revocation,
        end_by_disabling,
        end_by_disabling_for_a_while,
        end_by_another_password,
        end_everywhere,
        end_by_an_operator,
        end_by_deleting,
    ],
)
async def test_what_was_ended_on_purpose_stays_ended_and_is_never_called_theft(everywhere: Door, end: Any) -> None:
    # R054, R063, I3; faults 9-12.
    owner = everywhere.caller()
    first = await everywhere.sign_in(owner)
    second = await everywhere.refreshed(owner, first["refresh_token"])
    third = await everywhere.refreshed(owner, second["refresh_token"])
    await end(everywhere, third)
    everywhere.clock.advance(PAST_OVERLAP)
    for http in (owner, everywhere.caller(ELSEWHERE)):
        for tokens in (third, second, first):
            await STANDARD_DOOR.refuses(http, tokens["refresh_token"])
            await SIMPLE_DOOR.refuses(http, tokens["refresh_token"])
    assert "refresh.theft" not in await everywhere.kinds()
    assert "refresh.fork" not in await everywhere.kinds()


async def test_after_another_password_only_the_new_one_signs_in(everywhere: Door) -> None:
    http = everywhere.caller()
    await users.set_password(everywhere.parts, "ada", "some other words in a row")
    body = {"client_id": "web", "username": "ada", "password": PASSWORD}
    assert (await http.post("/session", json=body)).status_code == 401
    body["password"] = "some other words in a row"
    tokens = (await http.post("/session", json=body)).json()
    await everywhere.refreshed(http, tokens["refresh_token"])


async def test_a_disabled_client_refreshes_no_more_and_after_its_cut_goes_on(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http))["refresh_token"]
    await clients.disable(everywhere.parts, "web")
    everywhere.clock.advance(2)
    answer = await everywhere.refresh(http, token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    await clients.enable(everywhere.parts, "web")
    everywhere.clock.advance(2)
    # What were minted now would be born dead: it lies before the cut.
    early = await everywhere.refresh(http, token)
    assert (early.status_code, early.json()["error"]) == (503, "temporarily_unavailable")
    everywhere.clock.advance(int(early.headers["retry-after"]))
    tokens = await everywhere.refreshed(http, token)
    form = {"token": tokens["access_token"]}
    assert (await http.post("/introspect", data=form, headers=basic("orders"))).json()["active"] is True


async def test_a_role_that_was_taken_away_takes_its_scope_along(everywhere: Door) -> None:
    # Fault 13.
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http, username="bob", scope="orders.read orders.admin")
    assert tokens["scope"] == "orders.admin orders.read"
    async with everywhere.parts.storage.write() as tx:
        bob = await tx.lock_user(everywhere.read(tokens["access_token"]).subject)
        assert bob is not None
        await tx.put_user(replace(bob, roles=frozenset()))
    after = await everywhere.refreshed(http, tokens["refresh_token"])
    assert after["scope"] == "orders.read"
    assert everywhere.read(after["access_token"]).scope == Scope.parse("orders.read")
    answer = await everywhere.refresh(http, after["refresh_token"], scope="orders.admin")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_scope_that_the_client_lost_is_given_no_more(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http, scope="orders.read orders.write"))["refresh_token"]
    await change_client(everywhere, "web", scope=Scope.parse("orders.read"))
    assert (await everywhere.refreshed(http, token))["scope"] == "orders.read"


async def test_an_api_that_the_client_lost_is_a_target_no_more(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http, scope="orders.read"))["refresh_token"]
    await change_client(everywhere, "web", apis=(INVENTORY,))
    answer = await everywhere.refresh(http, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    await change_client(everywhere, "web", apis=(ORDERS,))
    await everywhere.refreshed(http, token)


async def test_a_client_that_lost_the_refresh_grant_refreshes_no_more(everywhere: Door) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http))["refresh_token"]
    await change_client(everywhere, "web", grant_types=frozenset({"authorization_code"}))
    for at in (STANDARD_DOOR, SIMPLE_DOOR):
        answer = await at.knock(http, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@rfc("9700", "4.14.2")
@pytest.mark.parametrize(("client_id", "idle"), [("web", 14 * DAY), ("browser", 1 * DAY)])
async def test_a_grant_that_rests_too_long_is_over(everywhere: Door, client_id: str, idle: float) -> None:
    http = everywhere.caller()
    token = (await everywhere.sign_in(http, client_id=client_id))["refresh_token"]
    for _ in range(2):
        everywhere.clock.advance(idle - 60)
        token = (await everywhere.refreshed(http, token, client_id=client_id))["refresh_token"]
    everywhere.clock.advance(idle)
    await STANDARD_DOOR.refuses(http, token, client_id=client_id)
    assert "refresh.ended" in everywhere.heard.slugs()


@rfc("9700", "4.14.2")
@pytest.mark.parametrize(("client_id", "idle", "absolute"), [("web", 14, 90), ("browser", 1, 30)])
async def test_no_rotation_moves_the_absolute_end(everywhere: Door, client_id: str, idle: int, absolute: int) -> None:
    # R055.
    http = everywhere.caller()
    end = everywhere.clock.now() + absolute * DAY
    tokens = await everywhere.sign_in(http, client_id=client_id)
    step = idle * DAY - 60
    while everywhere.clock.now() + step < end:
        everywhere.clock.advance(step)
        tokens = await everywhere.refreshed(http, tokens["refresh_token"], client_id=client_id)
        assert everywhere.read(tokens["access_token"]).expires_at <= end
    everywhere.clock.time = end - 10
    tokens = await everywhere.refreshed(http, tokens["refresh_token"], client_id=client_id)
    assert tokens["expires_in"] == 10
    everywhere.clock.time = end
    await STANDARD_DOOR.refuses(http, tokens["refresh_token"], client_id=client_id)


@standard("OpenID Connect Core 1.0", "12.2")
async def test_the_id_token_of_a_refresh_tells_of_the_same_sign_in(door: Door, home: httpx2.AsyncClient) -> None:
    # R061.
    first = await door.sign_in(home, scope="openid orders.read")
    door.clock.advance(300)
    second = await door.refreshed(home, first["refresh_token"])
    find = door.parts.signer.find
    (_, before), (_, after) = (jws.verify(t["id_token"], find, typ=id_token.TYP.lower()) for t in (first, second))
    for claim in ("iss", "sub", "aud", "auth_time", "sid", "acr", "amr"):
        assert after[claim] == before[claim], claim
    assert after["iat"] == before["iat"] + 300
    assert "nonce" not in after


async def test_refreshing_does_not_kill_the_access_token_that_is_in_use(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = await everywhere.sign_in(http)
    await everywhere.refreshed(http, tokens["refresh_token"])
    answer = await http.post("/introspect", data={"token": tokens["access_token"]}, headers=basic("orders"))
    assert answer.json()["active"] is True


async def test_no_refresh_token_for_a_client_that_may_not_have_one(door: Door, home: httpx2.AsyncClient) -> None:
    # R060.
    tokens = await door.sign_in(home, client_id="no-refresh", scope="openid offline_access orders.read")
    assert "refresh_token" not in tokens
