"""Back-channel logout: clients hear, server to server, of sessions that ended.

R017; OpenID Connect Back-Channel Logout 1.0.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import httpx2
import pytest
from tests.support.builders import a_grant, a_session
from tests.support.cast import PASSWORD, basic, bearer
from tests.support.door import Door
from tests.support.logout_stage import URIS, Stage, courier_of, signed_in, staged
from tests.support.rfc import rfc, standard

from watchword.protocol import access_token, jws
from watchword.protocol.rejection import TokenRejected
from watchword.server.domain.lifetimes import DAY
from watchword.server.flows import account
from watchword.server.flows.admin import sessions, users
from watchword.server.flows.backchannel_logout import AT_ONCE, LEASE

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
async def stage(door: Door) -> Stage:
    return await staged(door)


@standard(LOGOUT, "2.4")
@standard(LOGOUT, "2.5")
async def test_a_sign_out_posts_a_logout_token_to_the_client(everywhere: Door) -> None:
    stage, home = await staged(everywhere), everywhere.caller()
    signed_in = await everywhere.sign_in(home, client_id="store")
    await everywhere.sign_in(home, client_id="desk")
    body = {"client_id": "store", "refresh_token": signed_in["refresh_token"]}
    assert (await home.request("DELETE", "/session", json=body)).status_code == 204
    await courier_of(everywhere, stage.outgoing).bring()
    [(url, form)] = stage.outgoing.posted
    assert url == URIS["store"]
    assert set(form) == {"logout_token"}
    keys = {key["kid"]: key for key in (await home.get("/jwks")).json()["keys"]}
    header, claims = jws.verify(form["logout_token"], everywhere.parts.signer.find, typ="logout+jwt")
    assert (header.alg, keys[header.kid]["alg"]) == ("RS256", "RS256")
    now = math.floor(everywhere.clock.now())
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": everywhere.plan.issuer,
        "aud": "store",
        "sub": everywhere.read(signed_in["access_token"]).subject,
        "sid": signed_in["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    }
    await courier_of(everywhere, stage.outgoing).bring()
    assert len(stage.outgoing.posted) == 1


async def revoke_one(door: Door, sid: str) -> None:
    await sessions.revoke(door.parts, sid)


async def revoke_all(door: Door, sid: str) -> None:
    await sessions.revoke_all(door.parts, "ada")


async def disable(door: Door, sid: str) -> None:
    await users.disable(door.parts, "ada")


async def delete(door: Door, sid: str) -> None:
    await users.delete(door.parts, "ada")


async def set_password(door: Door, sid: str) -> None:
    await users.set_password(door.parts, "ada", "another four words in a row")


async def log_out_everywhere(door: Door, sid: str) -> None:
    await account.log_out_everywhere(door.parts, await signed_in(door, sid), now=door.clock.now())


async def end_it(door: Door, sid: str) -> None:
    await account.end_one_session(door.parts, await signed_in(door, sid), sid, now=door.clock.now())


@standard(LOGOUT, "2.3")
@pytest.mark.parametrize(
    "end",
    [revoke_one, revoke_all, disable, delete, set_password, log_out_everywhere, end_it],
    ids=lambda end: end.__name__,
)
async def test_however_a_session_ends_its_clients_hear_once(
    stage: Stage, home: httpx2.AsyncClient, end: Callable[[Door, str], Awaitable[None]]
) -> None:
    door = stage.door
    first = await door.sign_in(home, client_id="store")
    second = await door.sign_in(home, client_id="desk")
    await door.sign_in(home, client_id="web")
    await door.sign_in(home, client_id="store", username="bob")
    await end(door, first["sid"])
    told = await stage.told()
    one_alone = end in (revoke_one, end_it)
    expected = {("store", first["sid"])} if one_alone else {("store", first["sid"]), ("desk", second["sid"])}
    assert sorted((claims["aud"], claims["sid"]) for claims in told) == sorted(expected)
    assert {claims["sub"] for claims in told} == {door.read(first["access_token"]).subject}
    assert await stage.waiting() == 0


@standard(LOGOUT, "2.3")
async def test_all_clients_of_one_session_hear_of_its_end(stage: Stage) -> None:
    door = stage.door
    now = door.clock.now()
    async with door.parts.storage.write() as tx:
        user = await tx.user_by_name("ada")
        clients = [await tx.client(name) for name in ("store", "store", "desk", "web")]
        session = a_session(user, created_at=now, expires_at=now + DAY)
        await tx.add_session(session)
        for client in clients:
            await tx.add_grant(a_grant(session, client, absolute_end=now + DAY))
        # A grant that is over for good has nothing to say; one that was ended may have left a session at its client.
        stale = a_session(user, created_at=now, expires_at=now + DAY)
        await tx.add_session(stale)
        await tx.add_grant(a_grant(stale, clients[0], absolute_end=now - 1))
        await tx.add_grant(a_grant(stale, clients[2], absolute_end=now + 1, ended_at=now - 9, ended_reason="revoked"))
    await sessions.revoke(door.parts, session.sid)
    assert sorted(claims["aud"] for claims in await stage.told()) == ["desk", "store"]
    await sessions.revoke(door.parts, stale.sid)
    assert [claims["aud"] for claims in await stage.told()] == ["desk"]


@standard(LOGOUT, "2.3")
async def test_the_session_that_changed_the_password_goes_on_and_the_others_are_told(
    stage: Stage, home: httpx2.AsyncClient
) -> None:
    door = stage.door
    here, there = [await door.sign_in(home, client_id="store") for _ in range(2)]
    wanted = account.NewPassword(current=PASSWORD, wanted="another four words in a row", network="203.0.113.0/24")
    await account.change_password(door.parts, await signed_in(door, here["sid"]), wanted, now=door.clock.now())
    assert [claims["sid"] for claims in await stage.told()] == [there["sid"]]
    # It was lifted over the first cut, and falls with the second.
    await sessions.revoke_all(door.parts, "ada")
    assert [claims["sid"] for claims in await stage.told()] == [here["sid"]]


async def test_a_session_that_is_dead_already_can_be_ended_again(stage: Stage, home: httpx2.AsyncClient) -> None:
    signed = await stage.door.sign_in(home, client_id="store")
    for _ in range(2):
        await sessions.revoke_all(stage.door.parts, "ada")
    for _ in range(2):
        await sessions.revoke(stage.door.parts, signed["sid"])
    assert {claims["sid"] for claims in await stage.told()} == {signed["sid"]}


async def test_ending_and_announcement_are_both_there_or_neither(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    signed = await door.sign_in(home, client_id="store")
    broken = 0
    while True:
        door.trouble.listen(fails_at=broken)
        answer = await home.request("DELETE", "/session", json={"client_id": "store", **_token(signed)})
        done = door.trouble.operations[-1:] == ["commit"] and answer.status_code == 204
        door.trouble.listen()
        if done:
            break
        assert answer.status_code == 503
        assert await stage.waiting() == 0
        assert (await door.refresh(home, signed["refresh_token"], client_id="store")).status_code == 200
        broken += 1
        assert broken < 30
    assert broken > 5
    assert await stage.waiting() == 1


def _token(signed: dict[str, Any]) -> dict[str, str]:
    return {"refresh_token": signed["refresh_token"]}


@standard(LOGOUT, "2.8")
@pytest.mark.parametrize("status", [None, 400, 404, 500, 503, 302, 202])
async def test_what_is_not_taken_comes_again_with_a_fresh_token(
    stage: Stage, home: httpx2.AsyncClient, status: int | None
) -> None:
    door = stage.door
    signed = await door.sign_in(home, client_id="store")
    await sessions.revoke(door.parts, signed["sid"])
    stage.outgoing.answers[URIS["store"]] = status
    for pause in (5, 10, 20):
        assert len(await stage.told()) == 1
        door.clock.advance(pause - 0.1)
        assert await stage.told() == []
        door.clock.advance(0.2)
    # §2.8: "OPs should be prepared to also process an HTTP 204 No Content response as a successful response".
    stage.outgoing.answers[URIS["store"]] = 204
    [claims] = await stage.told()
    assert claims["iat"] == math.floor(door.clock.now())
    assert len({told["jti"] for told in stage.outgoing.claims()}) == 4
    assert await stage.waiting() == 0
    assert door.heard.count("backchannel_logout.failed") == 1
    assert all(token not in repr(door.heard.said) for token in stage.outgoing.tokens())


async def test_after_a_day_it_is_given_up_with_a_warning(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    signed = await door.sign_in(home, client_id="store")
    await sessions.revoke(door.parts, signed["sid"])
    stage.outgoing.answers[URIS["store"]] = None
    began = door.clock.now()
    while "backchannel_logout.given_up" not in door.heard.slugs():
        door.clock.advance(600)
        await stage.told()
        assert door.clock.now() < began + DAY
    assert door.clock.now() > began + DAY - 3600
    door.clock.advance(3600)
    assert await stage.told() == []
    assert 40 < len(stage.outgoing.posted) < 80
    [given_up] = [fields for slug, fields in door.heard.said if slug == "backchannel_logout.given_up"]
    assert (given_up["client_id"], given_up["sid"]) == ("store", signed["sid"])
    assert given_up["tries"] == len(stage.outgoing.posted)


async def test_a_client_that_does_not_answer_holds_up_no_other(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    for _ in range(4 * AT_ONCE):
        await door.sign_in(home, client_id="store")
    await sessions.revoke_all(door.parts, "ada")
    door.clock.advance(1)
    signed = await door.sign_in(home, client_id="desk", username="bob")
    await sessions.revoke(door.parts, signed["sid"])
    stage.outgoing.answers[URIS["store"]] = None
    told = await stage.told()
    assert [claims["aud"] for claims in told] == ["store"] * AT_ONCE + ["desk"]
    stage.outgoing.answers.clear()
    door.clock.advance(31)
    assert len(await stage.told()) == 4 * AT_ONCE
    assert await stage.waiting() == 0


async def test_who_is_not_registered_any_more_is_not_called(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    for name in URIS:
        await door.sign_in(home, client_id=name)
    await sessions.revoke_all(door.parts, "ada")
    async with door.parts.storage.write() as tx:
        await tx.delete_client("desk")
        store = await tx.client("store")
        assert store is not None
        await tx.put_client(replace(store, backchannel_logout_uri="https://elsewhere.example/out"))
    assert await stage.told() == []
    assert await stage.waiting() == 0
    assert door.heard.count("backchannel_logout.unregistered") == 2


async def test_what_a_node_held_when_it_died_is_brought_by_another(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    signed = await door.sign_in(home, client_id="store")
    await sessions.revoke(door.parts, signed["sid"])
    async with door.parts.storage.write() as tx:
        now = door.clock.now()
        assert len(await tx.lease_deliveries(kind="backchannel_logout", now=now, until=now + LEASE, limit=AT_ONCE)) == 1
    await door.restart()
    courier = courier_of(door, stage.outgoing)
    await courier.bring()
    assert stage.outgoing.posted == []
    door.clock.advance(LEASE)
    await courier.bring()
    assert [claims["sid"] for claims in stage.outgoing.claims()] == [signed["sid"]]


@standard(LOGOUT, "4")
@rfc("8725", "3.12")
async def test_a_logout_token_is_good_for_nothing_else(stage: Stage, home: httpx2.AsyncClient) -> None:
    door = stage.door
    signed = await door.sign_in(home, client_id="store", scope="openid")
    await sessions.revoke(door.parts, signed["sid"])
    await stage.told()
    [token] = stage.outgoing.tokens()
    with pytest.raises(TokenRejected) as refused:
        access_token.verify(
            token,
            door.parts.signer.find,
            issuer=door.plan.issuer,
            audiences=access_token.ANY_AUDIENCE,
            now=door.clock.now(),
            leeway=0,
        )
    assert refused.value.reason == "token.typ"
    assert (await home.get("/userinfo", headers=bearer(token))).status_code == 401
    answer = await home.post("/introspect", data={"token": token}, headers=basic("orders"))
    assert answer.json() == {"active": False}
    hinted = await home.get("/end_session", params={"id_token_hint": token})
    assert hinted.status_code == 400
    # The very ID token is fine there.
    assert (await home.get("/end_session", params={"id_token_hint": signed["id_token"]})).status_code == 200


@standard(LOGOUT, "2.1")
async def test_discovery_offers_it_with_sessions(home: httpx2.AsyncClient) -> None:
    told = (await home.get("/.well-known/openid-configuration")).json()
    assert told["backchannel_logout_supported"] is True
    assert told["backchannel_logout_session_supported"] is True
