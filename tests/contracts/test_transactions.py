"""``write`` and ``read``: all or nothing, seen at once by every node, and consistent while one looks."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from tests.contracts.conftest import Nodes
from tests.support.builders import NOW, a_client, a_grant, a_key, a_session, a_user

from watchword.server.domain.audit import Administered
from watchword.server.domain.revocation import of_grant
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.storage import Storage, StorageUnavailable


async def test_a_block_that_ends_is_committed_and_seen_by_every_node(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    user = a_user()
    async with one.write() as tx:
        await tx.add_user(user)
    async with other.read() as tx:
        assert await tx.user(user.sub) == user


async def test_a_block_that_raises_is_rolled_back_whole(storage: Storage) -> None:
    user, grant = a_user(), a_grant()

    async def block() -> None:
        async with storage.write() as tx:
            await tx.add_user(user)
            await tx.add_grant(grant)
            await tx.revoke(of_grant(grant.gid, now=NOW, longest=900))
            await tx.record(Administered(what="user.created", subject=user.sub), now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()
    async with storage.read() as tx:
        assert (await tx.user(user.sub), await tx.grant(grant.id), await tx.audit()) == (None, None, [])
    assert (await storage.log_head())[1] == 0


async def test_a_cancelled_block_is_rolled_back_and_stops_nobody(storage: Storage) -> None:
    user, entered = a_user(), asyncio.Event()

    async def block() -> None:
        async with storage.write() as tx:
            await tx.add_user(user)
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5), storage.write() as tx:
        assert await tx.user(user.sub) is None


async def test_reads_inside_a_block_see_its_writes(storage: Storage) -> None:
    user = a_user()
    async with storage.write() as tx:
        await tx.add_user(user)
        assert await tx.user_by_name(user.username_key) == user


async def test_a_read_is_of_one_moment(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    user = a_user()
    async with one.write() as tx:
        await tx.add_user(user)
    async with one.read() as reading:
        before = await reading.user(user.sub)
        async with other.write() as writing:
            await writing.put_user(replace(user, epoch=9))
        assert await reading.user(user.sub) == before == user


async def test_reads_do_not_wait_for_an_open_write(storage: Storage) -> None:
    async with storage.write() as tx:
        await tx.add_user(a_user())
        async with asyncio.timeout(2), storage.read() as reading:
            assert await reading.users() == []


async def test_locked_rows_are_changed_by_one_at_a_time(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]
    user = a_user()
    async with stores[0].write() as tx:
        await tx.add_user(user)

    async def lift(storage: Storage) -> None:
        async with storage.write() as tx:
            found = await tx.lock_user(user.sub)
            assert found is not None
            await tx.put_user(replace(found, epoch=found.epoch + 1))

    await asyncio.gather(*(lift(stores[number % 2]) for number in range(20)))
    async with stores[1].read() as reading:
        found = await reading.user(user.sub)
    assert found is not None
    assert found.epoch == 20


async def test_two_nodes_never_rotate_keys_at_once_not_even_the_first(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]

    async def ensure(storage: Storage) -> None:
        async with storage.write() as tx:
            if not await tx.lock_keys():
                await tx.put_key(a_key())

    await asyncio.gather(*(ensure(stores[number % 2]) for number in range(8)))
    async with stores[0].read() as tx:
        assert len(await tx.keys()) == 1


async def test_the_same_name_at_once_is_given_to_one(nodes: Nodes) -> None:
    stores = [await nodes.open(), await nodes.open()]

    async def sign_up(storage: Storage) -> bool:
        try:
            async with storage.write() as tx:
                await tx.add_user(a_user("Anna"))
        except AlreadyThere:
            return False
        return True

    given = await asyncio.gather(*(sign_up(stores[number % 2]) for number in range(8)))
    assert sum(given) == 1


async def test_lock_returns_none_for_what_is_missing(storage: Storage) -> None:
    async with storage.write() as tx:
        assert await tx.lock_user("nobody") is None
        assert await tx.lock_client("nobody") is None
        assert await tx.lock_session("nothing") is None
        assert await tx.lock_grant(b"nothing") is None
        assert await tx.lock_code(b"nothing") is None


async def test_locking_loads_what_reading_does(storage: Storage) -> None:
    user, client = a_user(roles=frozenset({"x"})), a_client()
    session = a_session(user)
    grant = a_grant(session, client)
    async with storage.write() as tx:
        await tx.add_user(user)
        await tx.add_client(client)
        await tx.add_session(session)
        await tx.add_grant(grant)
    async with storage.write() as tx:
        assert await tx.lock_user(user.sub) == user
        assert await tx.lock_client(client.client_id) == client
        assert await tx.lock_session(session.sid) == session
        assert await tx.lock_grant(grant.id) == await tx.grant(grant.id)


async def test_a_change_of_what_is_gone_changes_nothing(storage: Storage) -> None:
    user, session, grant, client = a_user(roles=frozenset({"x"})), a_session(), a_grant(), a_client()
    async with storage.write() as tx:
        await tx.put_user(user)
        await tx.put_session(session)
        await tx.put_grant(grant)
        await tx.put_client(client)
    async with storage.read() as tx:
        assert await tx.user(user.sub) is None
        assert await tx.session(session.sid) is None
        assert await tx.grant(grant.id) is None
        assert await tx.client(client.client_id) is None


async def test_a_transaction_that_is_over_does_nothing_more(nodes: Nodes) -> None:
    if nodes.in_memory:
        return  # its writes go to a copy that nobody sees
    storage = await nodes.open()
    async with storage.write() as tx:
        pass
    with pytest.raises(RuntimeError, match="over"):
        await tx.add_user(a_user())


async def test_more_blocks_than_connections_all_come_through(storage: Storage) -> None:
    async def add(number: int) -> None:
        async with storage.write() as tx:
            await tx.put_meta(f"name-{number}", "value")

    await asyncio.gather(*(add(number) for number in range(40)))
    async with storage.read() as tx:
        assert [await tx.meta(f"name-{number}") for number in range(40)] == ["value"] * 40


async def test_a_closed_storage_is_unavailable_and_closes_twice(storage: Storage) -> None:
    await storage.close()
    await storage.close()
    with pytest.raises(StorageUnavailable):
        await storage.redeem(b"x" * 16, lambda *_: pytest.fail("asked"))
    for entering in (storage.write, storage.read):
        with pytest.raises(StorageUnavailable):
            async with AsyncExitStack() as stack:
                await (await stack.enter_async_context(entering())).user("x")
