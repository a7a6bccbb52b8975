"""The port's ``redeem``: judged one after the other, written before it is answered, one caller's trouble his own."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs
from tests.contracts.conftest import Nodes
from tests.support.builders import NOW, a_browser_session, a_client, a_grant, a_session, a_user

from watchword.protocol.scope import Scope
from watchword.server.domain.audit import GrantEnded
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.revocation import of_grant
from watchword.server.domain.session import Session
from watchword.server.domain.user import User
from watchword.server.ports.storage import Decision, Storage


async def seed(storage: Storage, *, count: int = 1) -> tuple[User, Session, Client, list[Grant]]:
    user, client = a_user(roles=frozenset({"clerk", "driver"})), a_client()
    session = a_session(user)
    grants = [a_grant(session, client) for _ in range(count)]
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_session(session)
        await tx.add_client(client)
        for grant in grants:
            await tx.add_grant(grant)
    return user, session, client, grants


def rotate(grant: Grant, _: Standing) -> Decision[int]:
    """Raise the generation; the outcome is the one that was found."""
    return Decision(grant.generation, NOW, structs.replace(grant, generation=grant.generation + 1, redeemed_at=NOW))


async def stored(storage: Storage, grant: Grant) -> Grant:
    async with storage.read() as tx:
        found = await tx.grant(grant.id)
    assert found is not None
    return found[0]


async def test_it_returns_the_outcome_and_writes_the_row(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    assert await stored(storage, grant) == structs.replace(grant, generation=1, redeemed_at=NOW)


async def test_every_column_of_the_decided_row_is_written(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    after = structs.replace(
        grant,
        scope=Scope.parse("openid"),
        audiences=("https://b.example", "https://a.example"),
        last_used_at=NOW + 1.5,
        idle=7.5,
        absolute_end=NOW + 99.25,
        generation=2**31,
        branch=65535,
        forks=8,
        redeemed_at=NOW + 0.125,
        redeemed_by=b"\x00caller",
        forked_by=b"stranger\xff",
        shadows=3,
        shadowed_generation=2**32 - 1,
        ended_at=NOW + 2,
        ended_reason="theft",
    )
    await storage.redeem(grant.id, lambda *_: Decision("done", NOW, after))
    assert await stored(storage, grant) == after


async def test_without_a_row_to_write_nothing_changes(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, lambda *_: Decision("refused", NOW)) == "refused"
    assert await stored(storage, grant) == grant


async def test_an_unknown_grant_gives_none_and_asks_nobody(storage: Storage) -> None:
    def decide(grant: Grant, standing: Standing) -> Decision[str]:
        raise AssertionError("asked")

    assert await storage.redeem(b"\x00" * 16, decide) is None


async def test_a_hundred_at_once_each_see_their_predecessors_row(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    found = await asyncio.gather(*(storage.redeem(grant.id, rotate) for _ in range(100)))
    assert sorted(one for one in found if one is not None) == list(range(100))
    assert (await stored(storage, grant)).generation == 100


async def test_two_nodes_see_each_others_rows(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    *_, grants = await seed(one, count=3)
    calls = [node.redeem(grant.id, rotate) for _ in range(20) for node in (one, other) for grant in grants]
    found = await asyncio.gather(*calls)
    assert sorted(one for one in found if one is not None) == sorted([*range(40)] * 3)
    assert [(await stored(one, grant)).generation for grant in grants] == [40, 40, 40]


async def test_a_client_of_the_same_name_created_later_is_another_one(storage: Storage) -> None:
    *_, client, (grant,) = await seed(storage)
    # As if the grant had been written while its client was deleted.
    async with storage.write() as tx:
        await tx.delete_client(client.client_id)
        await tx.add_grant(grant)
        await tx.add_client(replace(client, created_at=NOW + 0.001))
        locked = await tx.lock_grant(grant.id)
    async with storage.read() as tx:
        found = [await tx.grant(grant.id), await tx.grant_by_gid(grant.gid), locked]
    assert [one[1].client_enabled for one in found if one is not None] == [False] * 3
    reason = await storage.redeem(grant.id, lambda grant, standing: Decision(standing.ended_reason(grant), NOW))
    assert reason == "client_disabled"


async def test_decisions_of_one_batch_are_taken_in_the_order_of_arrival(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    order: list[int] = []

    def deciding(number: int) -> Callable[[Grant, Standing], Decision[int]]:
        def decide(grant: Grant, standing: Standing) -> Decision[int]:
            order.append(number)
            return rotate(grant, standing)

        return decide

    await asyncio.gather(*(storage.redeem(grant.id, deciding(number)) for number in range(10)))
    assert order == list(range(10))


async def test_a_decision_that_raises_fails_its_own_caller_only(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)

    def broken(grant: Grant, standing: Standing) -> Decision[int]:
        raise LookupError("mine alone")

    calls = [storage.redeem(grant.id, broken if number % 3 == 1 else rotate) for number in range(9)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in found] == [int, LookupError, int] * 3
    assert (await stored(storage, grant)).generation == 6


async def test_a_row_that_cannot_be_written_fails_its_own_caller_only(nodes: Nodes) -> None:
    if nodes.in_memory:
        return  # a dictionary takes every row
    storage = await nodes.open()
    *_, grants = await seed(storage, count=5)

    def impossible(grant: Grant, _: Standing) -> Decision[int]:
        return Decision(0, NOW, structs.replace(grant, generation=None))  # that is the point

    calls = [storage.redeem(grant.id, impossible if number == 2 else rotate) for number, grant in enumerate(grants)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(one, Exception) for one in found] == [False, False, True, False, False]
    assert [(await stored(storage, grant)).generation for grant in grants] == [1, 1, 0, 1, 1]


async def test_a_cancelled_caller_cancels_nothing(storage: Storage) -> None:
    *_, grants = await seed(storage, count=2)
    calls = [asyncio.create_task(storage.redeem(grant.id, rotate)) for grant in grants]
    await asyncio.sleep(0)
    calls[0].cancel()
    assert await calls[1] == 0
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    # What comes afterwards sees what the cancelled one wrote.
    assert await storage.redeem(grants[0].id, rotate) == 1


async def test_entries_and_events_are_written_with_the_row(storage: Storage) -> None:
    *_, (grant,) = await seed(storage)
    event = GrantEnded(gid=grant.gid, sub=grant.sub, client_id=grant.client_id, reason="theft")
    entry = of_grant(grant.gid, now=NOW, longest=900)
    ended = structs.replace(grant, ended_at=NOW, ended_reason="theft")
    await storage.redeem(grant.id, lambda *_: Decision(None, NOW + 5, ended, (entry,), (event,)))
    page = await storage.log_after(0, now=NOW, limit=10)
    assert [one.gid for one in page.entries] == [grant.gid]
    async with storage.read() as tx:
        (record,) = await tx.audit()
    assert (record.at, record.kind, record.fields) == (NOW + 5, "grant.ended", event.fields())


async def test_the_standing_is_that_of_user_session_and_client(storage: Storage) -> None:
    user, session, _, (grant,) = await seed(storage)
    standing = await storage.redeem(grant.id, lambda _, standing: Decision(standing, NOW))
    assert standing == Standing(
        user_enabled=True,
        user_epoch=user.epoch,
        user_roles=frozenset({"clerk", "driver"}),
        session_epoch=session.epoch,
        session_ended_reason=None,
        client_enabled=True,
    )


async def test_the_standing_names_the_session_that_the_grants_own_was_opened_in(storage: Storage) -> None:
    user, _, client, _ = await seed(storage)
    browsers = a_browser_session(user)
    own = a_session(user, opened_in=browsers.sid)
    async with storage.write() as tx:
        for session in (browsers, own):
            await tx.add_session(session)
        await tx.add_grant(grant := a_grant(own, client))
        found = await tx.lock_grant(grant.id)
    assert found is not None
    assert found[1].session_opened_in == browsers.sid
    standing = await storage.redeem(grant.id, lambda _, standing: Decision(standing, NOW))
    assert standing == found[1]


async def test_the_standing_follows_every_change(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    user, session, client, (grant,) = await seed(one)
    async with other.write() as tx:
        await tx.put_user(replace(user, enabled=False, epoch=7, roles=frozenset({"driver"})))
        await tx.put_session(replace(session, epoch=7, ended_at=NOW, ended_reason="signed_out"))
        await tx.put_client(replace(client, enabled=False))
    standing = await one.redeem(grant.id, lambda _, standing: Decision(standing, NOW))
    assert standing is not None
    assert (standing.user_enabled, standing.user_epoch) == (False, 7)
    assert standing.user_roles == {"driver"}
    assert (standing.session_epoch, standing.session_ended_reason) == (7, "signed_out")
    assert not standing.client_enabled


async def test_what_is_missing_counts_as_ended(storage: Storage) -> None:
    grant = a_grant()
    async with storage.write() as tx:
        await tx.add_grant(grant)
    standing = await storage.redeem(grant.id, lambda _, standing: Decision(standing, NOW))
    assert standing is not None
    assert (standing.user_enabled, standing.client_enabled) == (False, False)
    assert standing.session_ended_reason == "session_ended"
    assert standing.ended_reason(grant) == "session_ended"


async def test_what_was_acknowledged_is_there_after_reopening(nodes: Nodes) -> None:
    first = await nodes.open()
    *_, (grant,) = await seed(first)
    for _ in range(3):
        await first.redeem(grant.id, rotate)
    await first.close()
    assert await (await nodes.open()).redeem(grant.id, rotate) == 3


async def test_closing_finishes_what_is_under_way(nodes: Nodes) -> None:
    storage = await nodes.open()
    *_, (grant,) = await seed(storage)
    calls = [asyncio.create_task(storage.redeem(grant.id, rotate)) for _ in range(50)]
    await asyncio.sleep(0)
    if not nodes.in_memory:
        await storage.close()
    assert sorted(one for one in await asyncio.gather(*calls) if one is not None) == list(range(50))


async def test_a_long_queue_is_worked_off_in_several_batches(storage: Storage) -> None:
    *_, grants = await seed(storage, count=7)
    calls = [storage.redeem(grants[number % 7].id, rotate) for number in range(700)]
    found = await asyncio.gather(*calls)
    assert sorted(one for one in found if one is not None) == sorted([*range(100)] * 7)
