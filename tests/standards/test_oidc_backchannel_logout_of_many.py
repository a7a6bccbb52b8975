"""Back-channel logout of more sessions than are named in one ending: late messages, and who goes on.

R017; OpenID Connect Back-Channel Logout 1.0.
"""

import math

import httpx2
import pytest
from tests.support.builders import a_browser_session, a_grant, a_session
from tests.support.cast import PASSWORD
from tests.support.door import Door
from tests.support.logout_stage import URIS, Stage, courier_of, signed_in, staged
from tests.support.rfc import rfc, standard

from watchword.server.domain.backchannel_logout import MOST_NAMED
from watchword.server.domain.lifetimes import DAY
from watchword.server.flows import account
from watchword.server.flows.admin import sessions

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"


@pytest.fixture
async def stage(door: Door) -> Stage:
    return await staged(door)


@standard(LOGOUT, "2.4")
async def test_of_very_many_sessions_each_client_hears_once_and_without_a_session(stage: Stage) -> None:
    door = stage.door
    now = door.clock.now()
    async with door.parts.storage.write() as tx:
        user = await tx.user_by_name("ada")
        store, desk = [await tx.client(name) for name in URIS]
        for number in range(MOST_NAMED + 1):
            session = a_session(user, created_at=now, expires_at=now + DAY)
            await tx.add_session(session)
            await tx.add_grant(a_grant(session, store if number else desk, absolute_end=now + DAY))
    await sessions.revoke_all(door.parts, "ada")
    told = await stage.told()
    assert sorted(claims["aud"] for claims in told) == ["desk", "store"]
    assert all("sid" not in claims and claims["sub"] == (user and user.sub) for claims in told)


async def many_sessions(door: Door, client_id: str) -> list[str]:
    """More sessions of ada with one client than are named in one ending."""
    now, made = door.clock.now(), []
    async with door.parts.storage.write() as tx:
        user, client = await tx.user_by_name("ada"), await tx.client(client_id)
        for _ in range(MOST_NAMED + 5):
            session = a_session(user, created_at=now, expires_at=now + DAY)
            await tx.add_session(session)
            await tx.add_grant(a_grant(session, client, absolute_end=now + DAY))
            made.append(session.sid)
    return sorted(made)


@rfc("8417", "2.2")
async def test_a_late_token_for_all_sessions_says_when_they_ended(stage: Stage) -> None:
    door = stage.door
    await many_sessions(door, "store")
    ended = door.clock.now()
    await sessions.revoke_all(door.parts, "ada")
    stage.outgoing.answers[URIS["store"]] = None
    assert [claims["toe"] for claims in await stage.told()] == [math.floor(ended)]
    stage.outgoing.answers.clear()
    door.clock.advance(3600)
    [claims] = await stage.told()
    assert (claims["toe"], claims["iat"]) == (math.floor(ended), math.floor(ended + 3600))
    assert claims["exp"] == claims["iat"] + 120


@standard(LOGOUT, "2.7")
async def test_who_signed_in_meanwhile_is_not_signed_out_by_a_late_message(everywhere: Door) -> None:
    stage, home = await staged(everywhere), everywhere.caller()
    over = await many_sessions(everywhere, "store")
    await sessions.revoke_all(everywhere.parts, "ada")
    stage.outgoing.answers[URIS["store"]] = None
    assert [claims.get("sid") for claims in await stage.told()] == [None]
    stage.outgoing.answers.clear()
    everywhere.clock.advance(3600)
    again = await everywhere.sign_in(home, client_id="store")
    await everywhere.sign_in(home, client_id="desk")
    courier = courier_of(everywhere, stage.outgoing)
    await courier.bring()
    await courier.bring()
    told = stage.outgoing.claims()[1:]
    assert sorted(claims["sid"] for claims in told) == over
    assert again["sid"] not in over
    assert {claims["aud"] for claims in told} == {"store"}
    assert not any("toe" in claims for claims in told), "what is named needs no date"
    assert await stage.waiting() == 0


@standard(LOGOUT, "2.7")
async def test_a_late_message_names_a_session_once_with_those_that_were_opened_in_it(everywhere: Door) -> None:
    stage, now = await staged(everywhere), everywhere.clock.now()
    over = await many_sessions(everywhere, "store")
    async with everywhere.parts.storage.write() as tx:
        user, store = await tx.user_by_name("ada"), await tx.client("store")
        browsers = a_browser_session(user, created_at=now, last_seen_at=now, expires_at=now + DAY)
        own = [a_session(user, created_at=now, expires_at=now + DAY, opened_in=browsers.sid) for _ in range(2)]
        for session in (browsers, *own):
            await tx.add_session(session)
            await tx.add_grant(a_grant(session, store, absolute_end=now + DAY))
    await sessions.revoke_all(everywhere.parts, "ada")
    await everywhere.sign_in(everywhere.caller(), client_id="store")
    courier = courier_of(everywhere, stage.outgoing)
    for _ in range(3):
        await courier.bring()
    assert sorted(claims["sid"] for claims in stage.outgoing.claims()) == sorted([*over, browsers.sid])
    assert await stage.waiting() == 0


async def test_what_is_named_late_is_given_up_when_the_ending_would_have_been(stage: Stage) -> None:
    door = stage.door
    await many_sessions(door, "store")
    await sessions.revoke_all(door.parts, "ada")
    stage.outgoing.answers[URIS["store"]] = None
    await stage.told()
    door.clock.advance(DAY - 7200)
    async with door.caller() as home:
        await door.sign_in(home, client_id="store")
    await stage.told()
    assert await stage.waiting() == MOST_NAMED + 5
    door.clock.advance(7200)
    stage.outgoing.answers.clear()
    assert await stage.told() == []


async def test_of_very_many_sessions_the_one_that_changed_the_password_goes_on_too(
    stage: Stage, home: httpx2.AsyncClient
) -> None:
    door = stage.door
    over = await many_sessions(door, "store")
    here = await door.sign_in(home, client_id="store")
    wanted = account.NewPassword(current=PASSWORD, wanted="another four words in a row", network="203.0.113.0/24")
    await account.change_password(door.parts, await signed_in(door, here["sid"]), wanted, now=door.clock.now())
    told = [*await stage.told(), *await stage.told()]
    assert sorted(claims["sid"] for claims in told) == over
