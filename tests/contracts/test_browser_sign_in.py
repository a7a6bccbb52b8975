"""What browser sign-in keeps: sessions by cookie, consents, pushed requests, deliveries."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import pytest
from msgspec import structs
from tests.contracts.conftest import Nodes
from tests.support.builders import (
    NOW,
    a_browser_session,
    a_client,
    a_code,
    a_consent,
    a_delivery,
    a_grant,
    a_pushed_request,
    a_session,
    a_user,
)
from tests.support.rfc import rfc

from watchword.protocol.scope import Scope
from watchword.server.domain.backchannel_logout import Listener
from watchword.server.domain.lifetimes import DAY
from watchword.server.ports.storage import Storage
from watchword.server.ports.transaction import Writing

CALL: Final = "backchannel_logout"
MAIL: Final = "mail"


async def test_a_browsers_session_comes_by_its_cookie_with_its_user(storage: Storage) -> None:
    user, other = a_user(roles=frozenset({"x", "y"})), a_user()
    session, theirs = a_browser_session(user), a_browser_session(other)
    assert session.cookie_hash is not None
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        for each in (session, theirs, a_session(user), a_session(user)):
            await tx.add_session(each)
    async with storage.read() as reading:
        assert await reading.session_by_cookie(session.cookie_hash) == (session, user)
        assert await reading.session_by_cookie(b"another") is None
        assert await reading.session(session.sid) == session
    async with storage.write() as tx:
        await tx.put_session(
            ended := replace(session, last_seen_at=NOW + 5, ended_at=NOW + 9, ended_reason="signed_out")
        )
        assert await tx.session_by_cookie(session.cookie_hash) == (ended, user)
        await tx.put_session(replace(ended, cookie_hash=b"fresh"))
        assert await tx.session_by_cookie(session.cookie_hash) is None
        assert await tx.session_by_cookie(b"fresh") is not None


async def test_a_cookie_names_one_session(storage: Storage) -> None:
    user = a_user()
    session = a_browser_session(user)
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_session(session)
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with storage.write() as tx:
            await tx.add_session(a_browser_session(user, cookie_hash=session.cookie_hash))
    async with storage.read() as reading:
        assert await reading.sessions_of(user.sub) == [session]


async def test_a_browsers_session_that_ran_out_ends_no_grant_and_one_that_was_ended_does(storage: Storage) -> None:
    user, client = a_user(), a_client()
    rested = a_browser_session(user, last_seen_at=NOW - 2 * DAY)
    over = a_browser_session(user, expires_at=NOW - 1)
    ended = a_browser_session(user, ended_at=NOW - 1, ended_reason="signed_out")
    assert not rested.lives(user=user, now=NOW)
    assert not over.lives(user=user, now=NOW)
    reasons: list[str | None] = []
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_client(client)
        for session in (rested, over, ended):
            await tx.add_session(session)
            await tx.add_grant(grant := a_grant(session, client))
            found = await tx.grant(grant.id)
            assert found is not None
            reasons.append(found[1].ended_reason(found[0]))
    assert reasons == [None, None, "signed_out"]


async def test_the_row_of_a_session_stays_as_long_as_a_grant_may_stand_on_it(storage: Storage) -> None:
    user = a_user()
    joined, alone = a_browser_session(user), a_browser_session(user)
    signed_out = a_browser_session(user)
    grants = [a_grant(joined), a_grant(signed_out)]
    async with storage.write() as tx:
        for session in (joined, alone, signed_out):
            await tx.add_session(session)
        for grant in grants:
            await tx.add_grant(grant)
        # Later changes of the session do not bring its row's end forward; only its own end does.
        await tx.put_session(replace(joined, last_seen_at=NOW + 60))
        await tx.put_session(replace(signed_out, ended_at=NOW, ended_reason="signed_out"))
    assert await storage.sweep(now=NOW + 60 * DAY, limit=10) == 2
    async with storage.read() as reading:
        assert await reading.session(joined.sid) is not None
        assert await reading.session(alone.sid) is None
        assert await reading.session(signed_out.sid) is None
        assert await reading.grant(grants[0].id) is not None
    assert await storage.sweep(now=NOW + 121 * DAY, limit=10) == 3


async def test_codes_come_back_without_a_challenge(storage: Storage) -> None:
    code = a_code(code_challenge=None, sid="s")
    async with storage.write() as tx:
        await tx.add_code(code)
    async with storage.write() as tx:
        assert await tx.lock_code(code.code_hash) == code


async def test_clients_come_back_with_what_browsers_need(storage: Storage) -> None:
    client = a_client(
        post_logout_redirect_uris=("https://a/bye?x=[1]", "https://b/bye"),
        backchannel_logout_uri="https://a/out",
        name='Ünïcode "Shop"',
    )
    async with storage.write() as tx:
        await tx.add_client(client)
        await tx.put_client(changed := replace(client, backchannel_logout_uri=None, name=None))
        assert await tx.client(client.client_id) == changed
        await tx.put_client(client)
    async with storage.read() as reading:
        assert await reading.client(client.client_id) == client


async def test_consents_come_back_by_client_and_are_replaced_and_forgotten(storage: Storage) -> None:
    user, other = a_user(), a_user()
    apps = [a_client("b-app"), a_client("A-app")]
    first, second, theirs = a_consent(user, apps[0]), a_consent(user, apps[1]), a_consent(other, apps[0])
    wider = replace(first, scope=Scope.parse("openid a b"), audiences=("https://2", "https://1"), granted_at=NOW + 1)
    async with storage.write() as tx:
        for one in (user, other):
            await tx.add_user(one)
        for app in apps:
            await tx.add_client(app)
        for consent in (first, second, theirs):
            await tx.put_consent(consent)
        await tx.put_consent(wider)
    async with storage.read() as reading:
        assert await reading.consents_of(user.sub) == [second, wider]
        assert await reading.consent(user.sub, "b-app") == wider
        assert await reading.consent(user.sub, "none") is None
        assert await reading.consent("a\0b", "\ud800") is None
        assert await reading.consents_of("a\0b") == []
    async with storage.write() as tx:
        await tx.delete_consent(user.sub, "b-app")
        await tx.delete_consent(user.sub, "none")
        await tx.delete_consent("a\0b", "none")
        assert await tx.consents_of(user.sub) == [second]
        assert await tx.consents_of(other.sub) == [theirs]


async def test_deleting_a_user_or_client_deletes_its_consents(storage: Storage) -> None:
    users, apps = [a_user(), a_user()], [a_client(), a_client()]
    async with storage.write() as tx:
        for user in users:
            await tx.add_user(user)
        for app in apps:
            await tx.add_client(app)
        for user in users:
            for app in apps:
                await tx.put_consent(a_consent(user, app))
        await tx.add_pushed_request(pushed := a_pushed_request(apps[0]))
        await tx.delete_user(users[0].sub)
        await tx.delete_client(apps[0].client_id)
    async with storage.write() as tx:
        assert await tx.consents_of(users[0].sub) == []
        assert await tx.consents_of(users[1].sub) == [a_consent(users[1], apps[1])]
        assert await tx.take_pushed_request(pushed.handle_hash) is None


async def test_no_consent_is_put_for_who_is_gone(storage: Storage) -> None:
    user, app = a_user(), a_client()
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_client(app)
    async with storage.write() as tx:
        await tx.put_consent(a_consent(None, app))
        await tx.put_consent(a_consent(user, None))
        assert await tx.consents_of(user.sub) == []


async def test_a_consent_given_while_its_client_is_deleted_is_not_left_to_the_next_of_that_name(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]
    user, apps = a_user(), [a_client() for _ in range(6)]
    async with stores[0].write() as tx:
        await tx.add_user(user)
        for app in apps:
            await tx.add_client(app)

    async def allow(client_id: str) -> None:
        async with stores[0].write() as tx:
            await tx.lock_user(user.sub)
            await tx.put_consent(a_consent(user, client_id=client_id))

    async def delete(client_id: str) -> None:
        async with stores[1].write() as tx:
            await tx.lock_client(client_id)
            await tx.delete_client(client_id)

    ids = [app.client_id for app in apps]
    await asyncio.gather(*(act(client_id) for client_id in ids for act in (allow, delete)))
    async with stores[0].read() as reading:
        assert await reading.consents_of(user.sub) == []


@rfc("9126", "4")
async def test_a_pushed_request_comes_back_as_it_was_and_only_once(storage: Storage) -> None:
    odd = (("resource", "https://1"), ("resource", "https://2"), ("state", "a\0b \ud800 ü"), ("", ""))
    pushed, other = a_pushed_request(parameters=odd), a_pushed_request(parameters=())
    async with storage.write() as tx:
        await tx.add_pushed_request(pushed)
        await tx.add_pushed_request(other)
    async with storage.write() as tx:
        assert await tx.take_pushed_request(b"unknown") is None
        assert await tx.take_pushed_request(pushed.handle_hash) == pushed
        assert await tx.take_pushed_request(pushed.handle_hash) is None
    async with storage.write() as tx:
        assert await tx.take_pushed_request(pushed.handle_hash) is None
        assert await tx.take_pushed_request(other.handle_hash) == other


@rfc("9126", "4")
async def test_of_many_who_take_a_pushed_request_at_once_one_gets_it(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]
    pushed = a_pushed_request()
    async with stores[0].write() as tx:
        await tx.add_pushed_request(pushed)

    async def take(storage: Storage) -> bool:
        async with storage.write() as tx:
            return await tx.take_pushed_request(pushed.handle_hash) is not None

    assert sum(await asyncio.gather(*(take(stores[number % 2]) for number in range(8)))) == 1


async def test_a_pushed_request_that_was_taken_in_vain_is_there_again(storage: Storage) -> None:
    pushed = a_pushed_request()
    async with storage.write() as tx:
        await tx.add_pushed_request(pushed)

    async def fail() -> None:
        async with storage.write() as tx:
            await tx.take_pushed_request(pushed.handle_hash)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with storage.write() as tx:
        assert await tx.take_pushed_request(pushed.handle_hash) == pushed


async def test_deliveries_are_leased_when_due_longest_first(storage: Storage) -> None:
    late = a_delivery(due_at=NOW - 60, tries=3, content={"sub": "ü \0 \ud800", "sid": ""})
    due, future = a_delivery(due_at=NOW), a_delivery(due_at=NOW + 1)
    given_up = a_delivery(due_at=NOW - 90, expires_at=NOW)
    async with storage.write() as tx:
        for delivery in (due, late, future, given_up):
            await tx.add_delivery(delivery)
        leased = await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 30, limit=10)
    assert leased == [replace(late, due_at=NOW + 30), replace(due, due_at=NOW + 30)]
    async with storage.write() as tx:
        assert await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 30, limit=10) == []
        assert await tx.lease_deliveries(kind=CALL, now=NOW + 1, until=NOW + 99, limit=10) == [
            replace(future, due_at=NOW + 99)
        ]
        await tx.delete_delivery(due.id)
        await tx.delete_delivery("none")
        await tx.put_delivery(again := replace(late, due_at=NOW + 5, tries=4))
        await tx.put_delivery(due)
        found = await tx.lease_deliveries(kind=CALL, now=NOW + 50, until=NOW + 60, limit=1)
        assert found == [replace(again, due_at=NOW + 60)]
        assert await tx.lease_deliveries(kind=CALL, now=NOW + 50, until=NOW + 60, limit=10) == []


async def test_a_lease_takes_deliveries_of_the_asked_kind_alone(storage: Storage) -> None:
    call, mail = a_delivery(due_at=NOW - 5), a_delivery(kind=MAIL, due_at=NOW - 1)
    async with storage.write() as tx:
        for delivery in (call, mail):
            await tx.add_delivery(delivery)
        assert await tx.lease_deliveries(kind=MAIL, now=NOW, until=NOW + 9, limit=10) == [replace(mail, due_at=NOW + 9)]
        assert not await tx.is_delivery_due(kind=MAIL, now=NOW)
        assert await tx.is_delivery_due(kind=CALL, now=NOW)
        assert await tx.lease_deliveries(kind="forgotten_password", now=NOW, until=NOW + 9, limit=10) == []


async def test_a_lease_passes_over_targets_that_rest(storage: Storage) -> None:
    far, near = "https://far.example/out", "https://near.example/out"
    there, here = a_delivery(target=far, due_at=NOW - 5), a_delivery(target=near, due_at=NOW - 1)
    async with storage.write() as tx:
        for delivery in (there, here):
            await tx.add_delivery(delivery)
        leased = await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 9, limit=1, besides=[far, "https://none"])
        assert leased == [replace(here, due_at=NOW + 9)]
        assert not await tx.is_delivery_due(kind=CALL, now=NOW, besides=[far])
        assert await tx.is_delivery_due(kind=CALL, now=NOW, besides=[near])
        assert await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 9, limit=9, besides=[far]) == []
        assert await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 9, limit=9) == [replace(there, due_at=NOW + 9)]


async def test_each_due_delivery_is_leased_by_one_node_only(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]
    deliveries = [a_delivery(due_at=NOW - number) for number in range(20)]
    async with stores[0].write() as tx:
        for delivery in deliveries:
            await tx.add_delivery(delivery)

    async def work(storage: Storage) -> list[str]:
        async with storage.write() as tx:
            leased = await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 60, limit=7)
        assert len(leased) <= 7
        return [delivery.id for delivery in leased]

    taken = [name for _ in range(2) for names in await asyncio.gather(*map(work, stores)) for name in names]
    taken += await work(stores[0])
    assert sorted(taken) == sorted(delivery.id for delivery in deliveries)


async def test_pushed_requests_and_deliveries_go_when_their_end_is_past_and_consents_stay(storage: Storage) -> None:
    user, app = a_user(), a_client()
    dead, live = a_pushed_request(expires_at=NOW - 1), a_pushed_request(expires_at=NOW + 1)
    waiting = a_delivery(expires_at=NOW + 1)
    consent = a_consent(user, app)
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_client(app)
        await tx.put_consent(consent)
        for pushed in (dead, live):
            await tx.add_pushed_request(pushed)
        for delivery in (waiting, a_delivery(expires_at=NOW - 1)):
            await tx.add_delivery(delivery)
    assert await storage.sweep(now=NOW, limit=100) == 2
    async with storage.write() as tx:
        assert await tx.take_pushed_request(dead.handle_hash) is None
        assert await tx.take_pushed_request(live.handle_hash) == live
        assert len(await tx.lease_deliveries(kind=CALL, now=NOW, until=NOW + 1, limit=10)) == 1
        assert await tx.consent(user.sub, app.client_id) == consent
    assert await storage.sweep(now=NOW + 10_000 * DAY, limit=100) == 1
    async with storage.read() as reading:
        assert await reading.consent(user.sub, app.client_id) == consent


async def test_the_living_grants_of_a_user_for_a_client_come_by_id(storage: Storage) -> None:
    user, app, other = a_user(), a_client(), a_client()
    session = a_session(user)
    mine = [a_grant(session, app, id=bytes([number] * 16)) for number in (3, 1, 2)]
    others = [a_grant(session, other), a_grant(a_session(), app), a_grant(session, app, ended_at=NOW)]
    async with storage.write() as tx:
        for grant in (*mine, *others):
            await tx.add_grant(grant)
    async with storage.write() as tx:
        assert await tx.grants_of_user(user.sub, app.client_id) == sorted(mine, key=lambda grant: grant.id)
        assert await tx.grants_of_user("nobody", app.client_id) == []
        assert await tx.grants_of_user("a\0b", app.client_id) == []


async def test_a_grant_that_is_ended_meanwhile_is_not_listed_as_living(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]
    user, app = a_user(), a_client()
    grants = [a_grant(a_session(user), app) for _ in range(4)]
    async with stores[0].write() as tx:
        for grant in grants:
            await tx.add_grant(grant)

    async def end(tx: Writing) -> int:
        found = await tx.grants_of_user(user.sub, app.client_id)
        for grant in found:
            await tx.put_grant(structs.replace(grant, ended_at=NOW, ended_reason="consent_withdrawn"))
        return len(found)

    assert sorted(await asyncio.gather(*(_inside(storage, end) for storage in stores))) == [0, 4]


async def _inside(storage: Storage, act: Callable[[Writing], Awaitable[int]]) -> int:
    async with storage.write() as tx:
        return await act(tx)


async def test_the_listening_clients_of_sessions_are_found_by_their_grants(storage: Storage) -> None:
    user, other = a_user(), a_user()
    wanted = {"desk": "https://desk.example/out", "shop": "https://shop.example/out"}
    desk, shop = (a_client(client_id=name, backchannel_logout_uri=uri) for name, uri in wanted.items())
    silent = a_client()
    one, two = sorted((a_session(user, epoch=3), a_session(user, epoch=3)), key=lambda session: session.sid)
    ended, older, theirs = a_session(user, epoch=3, ended_at=NOW), a_session(user, epoch=2), a_session(other, epoch=3)
    grants = [
        *(a_grant(one, client) for client in (shop, shop, desk, silent)),
        a_grant(two, desk, ended_at=NOW - 5, ended_reason="revoked"),
        a_grant(two, shop, absolute_end=NOW),
        *(a_grant(session, shop) for session in (ended, older, theirs)),
    ]
    async with storage.write() as tx:
        for known in (user, other):
            await tx.add_user(known)
        for client in (desk, shop, silent):
            await tx.add_client(client)
        for session in (one, two, ended, older, theirs):
            await tx.add_session(session)
        for grant in grants:
            await tx.add_grant(grant)

    def listening(client: str, sid: str | None) -> Listener:
        return Listener(client_id=client, target=wanted[client], sub=user.sub, sid=sid)

    async with storage.read() as reading:
        in_one = [listening("desk", one.sid), listening("shop", one.sid)]
        assert await reading.listeners_of_session(one.sid, now=NOW) == in_one
        assert await reading.listeners_of_session(two.sid, now=NOW) == [listening("desk", two.sid)]
        assert await reading.listeners_of_session(ended.sid, now=NOW) == [listening("shop", ended.sid)]
        assert await reading.listeners_of_session("\0", now=NOW) == []
        found = await reading.listeners_of_user(user.sub, epoch=3, besides=None, now=NOW, limit=9)
        assert found == [*in_one, listening("desk", two.sid)]
        assert await reading.listeners_of_user(user.sub, epoch=3, besides=None, now=NOW, limit=2) == in_one
        found = await reading.listeners_of_user(user.sub, epoch=3, besides=one.sid, now=NOW, limit=9)
        assert found == [listening("desk", two.sid)]
        assert await reading.listeners_of_user("\0", epoch=3, besides=None, now=NOW, limit=2) == []
        once = await reading.listening_clients_of_user(user.sub, epoch=3, now=NOW)
        assert once == [listening("desk", None), listening("shop", None)]
        assert await reading.listening_clients_of_user(user.sub, epoch=4, now=NOW) == []
        assert await reading.listening_clients_of_user("\0", epoch=3, now=NOW) == []


async def test_who_listens_to_a_session_that_was_opened_in_another_is_told_of_the_other(storage: Storage) -> None:
    user = a_user()
    wanted = {"desk": "https://desk.example/out", "shop": "https://shop.example/out"}
    desk, shop = (a_client(client_id=name, backchannel_logout_uri=uri) for name, uri in wanted.items())
    browsers, other = a_browser_session(user, epoch=3), a_browser_session(user, epoch=3)
    own, again, apart = (a_session(user, epoch=3, opened_in=where.sid) for where in (browsers, browsers, other))
    over = a_session(user, epoch=3, opened_in=other.sid, ended_at=NOW - 9, ended_reason="by_the_user")
    grants = [
        *(a_grant(session, shop) for session in (own, again, apart)),
        *(a_grant(session, desk) for session in (browsers, over)),
        a_grant(apart, desk, absolute_end=NOW),
    ]
    async with storage.write() as tx:
        await tx.add_user(user)
        for client in (desk, shop):
            await tx.add_client(client)
        for session in (browsers, other, own, again, apart, over):
            await tx.add_session(session)
        for grant in grants:
            await tx.add_grant(grant)

    def listening(client: str, sid: str | None) -> Listener:
        return Listener(client_id=client, target=wanted[client], sub=user.sub, sid=sid)

    async with storage.read() as reading:
        both = [listening("desk", browsers.sid), listening("shop", browsers.sid)]
        assert await reading.listeners_of_session(browsers.sid, now=NOW) == both
        assert await reading.listeners_of_session(own.sid, now=NOW) == [listening("shop", browsers.sid)]
        assert await reading.listeners_of_session(other.sid, now=NOW) == [listening("shop", other.sid)]
        assert await reading.listeners_of_session(over.sid, now=NOW) == [listening("desk", other.sid)]
        found = await reading.listeners_of_user(user.sub, epoch=3, besides=None, now=NOW, limit=9)
        assert sorted(found, key=repr) == sorted([*both, listening("shop", other.sid)], key=repr)
        found = await reading.listeners_of_user(user.sub, epoch=3, besides=browsers.sid, now=NOW, limit=9)
        assert sorted(found, key=repr) == sorted([both[1], listening("shop", other.sid)], key=repr)
    async with storage.write() as tx:
        await tx.put_session(replace(own, ended_at=NOW, ended_reason="by_the_user"))
        await tx.put_session(replace(again, ended_at=NOW, ended_reason="by_the_user"))
        assert await tx.listeners_of_session(browsers.sid, now=NOW) == [listening("desk", browsers.sid)]
        assert await tx.session(own.sid) == replace(own, ended_at=NOW, ended_reason="by_the_user")
