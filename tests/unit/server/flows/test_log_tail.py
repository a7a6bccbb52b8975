"""A node's own view of the revocation log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.door import Door, Node

from watchword.protocol.access_token import AccessToken
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import HEARTBEAT_SECONDS
from watchword.server.domain import revocation
from watchword.server.flows.log_tail import LogTail
from watchword.server.ports.storage import StorageUnavailable

PATIENCE = 5


async def revoke(node: Node, *sids: str) -> None:
    async with node.parts.storage.write() as tx:
        for sid in sids:
            await tx.revoke(revocation.of_session(sid, now=node.parts.clock.now(), longest=900))


async def token_of(door: Door) -> AccessToken:
    return door.read((await door.sign_in(door.caller()))["access_token"])


@asynccontextmanager
async def following(tail: LogTail) -> AsyncIterator[None]:
    task = asyncio.create_task(tail.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def test_caught_up_misses_nothing_that_another_node_committed_before(two_nodes: Door) -> None:
    here, there = two_nodes.nodes
    token = await token_of(two_nodes)
    (await here.parts.log_tail.caught_up()).judge(token)
    await revoke(there, token.sid or "")
    known = await here.parts.log_tail.caught_up()
    with pytest.raises(TokenRejected):
        known.judge(token)


async def test_caught_up_reads_entries_only_when_there_are_new_ones(door: Door) -> None:
    tail = door.parts.log_tail
    await tail.caught_up()
    door.trouble.listen()
    for _ in range(5):
        await tail.caught_up()
    assert door.trouble.operations == ["log_head"] * 5


async def test_without_the_database_nobody_is_called_alive(door: Door) -> None:
    await door.parts.log_tail.caught_up()
    door.trouble.down = True
    with pytest.raises(StorageUnavailable):
        await door.parts.log_tail.caught_up()


async def test_fresh_reads_once_per_heartbeat(door: Door) -> None:
    tail = door.parts.log_tail
    await tail.fresh()
    read_at = tail.read_at
    door.clock.advance(HEARTBEAT_SECONDS - 0.5)
    await tail.fresh()
    assert tail.read_at == read_at
    door.clock.advance(0.5)
    await tail.fresh()
    assert tail.read_at == door.clock.now()
    # A clock that was set back does not make an old read fresh for ever.
    door.clock.advance(-100)
    await tail.fresh()
    assert tail.read_at == door.clock.now()


async def test_many_who_need_a_fresh_read_share_one(door: Door) -> None:
    door.trouble.listen()
    await asyncio.gather(*(door.parts.log_tail.fresh() for _ in range(50)))
    assert door.trouble.operations.count("log_after") == 1


async def test_the_follower_hears_of_another_nodes_ending_and_wakes_who_waits(two_nodes: Door) -> None:
    here, there = two_nodes.nodes
    tail = here.parts.log_tail
    async with following(tail):
        await until(lambda: tail.log)
        waiting = asyncio.create_task(tail.changed(seconds=PATIENCE))
        await revoke(there, "a-session")
        async with asyncio.timeout(PATIENCE):
            await waiting
        assert tail.head == 1


async def test_trouble_is_waited_out_and_told_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.server.flows.log_tail.HEARTBEAT_SECONDS", 0.01)
    tail = door.parts.log_tail
    door.trouble.listen()
    door.trouble.down = True
    async with following(tail):
        await until(lambda: len(door.trouble.operations) > 3)
        assert door.heard.count("feed.database_away") == 1
        door.trouble.down = False
        await until(lambda: tail.log)
        door.trouble.down = True
        await until(lambda: door.heard.count("feed.database_away") == 2)


async def test_a_log_of_another_name_is_read_from_its_beginning_and_nothing_is_forgotten(two_nodes: Door) -> None:
    # R092: as after a restore, in which the entry is missing.
    here = two_nodes.nodes[0]
    token = await token_of(two_nodes)
    await revoke(here, token.sid or "")
    await here.parts.log_tail.caught_up()
    storage: Any = here.parts.storage
    tables = storage.inner.database.tables
    tables.log_name, tables.sequence, tables.log, tables.links = "another-log", 0, [], {}
    await revoke(here, "a-new-one")
    known = await here.parts.log_tail.caught_up()
    assert two_nodes.heard.count("feed.log_renamed") == 1
    assert here.parts.log_tail.head == 1
    with pytest.raises(TokenRejected):
        known.judge(token)


async def test_keys_are_loaded_anew_before_anybody_hears_of_a_revoked_one(door: Door) -> None:
    heard: list[str] = []
    parts = door.parts

    async def keys_revoked() -> None:
        heard.append("loaded, then " + ("told" if tail.head else "not told yet"))

    tail = LogTail(parts.storage, parts.clock, parts.telemetry, keys_revoked=keys_revoked)
    async with parts.storage.write() as tx:
        await tx.revoke(revocation.of_key("a-kid"))
    known = await tail.caught_up()
    assert heard == ["loaded, then not told yet"]
    assert known.key_revoked("a-kid")


async def test_stopping_wakes_all_who_wait_and_nobody_waits_afterwards(door: Door) -> None:
    tail = door.parts.log_tail
    waiting = [asyncio.create_task(tail.changed(seconds=60)) for _ in range(3)]
    await asyncio.sleep(0)
    tail.stop()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
        await tail.changed(seconds=60)


async def test_more_entries_than_a_page_holds_are_all_read(door: Door) -> None:
    await revoke(door.nodes[0], *(f"session-{n}" for n in range(2500)))
    known = await door.parts.log_tail.caught_up()
    assert len(known) == 2500
    assert door.parts.log_tail.head == 2500


async def test_a_log_of_another_name_that_is_longer_is_read_from_its_beginning_too(two_nodes: Door) -> None:
    here = two_nodes.nodes[0]
    token = await token_of(two_nodes)
    await revoke(here, "of-the-old-log")
    await here.parts.log_tail.caught_up()
    storage: Any = here.parts.storage
    tables = storage.inner.database.tables
    tables.log_name, tables.sequence, tables.log, tables.links = "another-log", 0, [], {}
    # The entry that concerns the token has the number up to which the old log was known.
    await revoke(here, token.sid or "", "a-second", "a-third")
    known = await here.parts.log_tail.caught_up()
    assert two_nodes.heard.count("feed.log_renamed") == 1
    assert (here.parts.log_tail.log, here.parts.log_tail.head) == ("another-log", 3)
    assert len(known) == 4
    with pytest.raises(TokenRejected):
        known.judge(token)


async def test_after_a_restore_the_keys_are_loaded_anew(door: Door) -> None:
    loaded = 0
    parts = door.parts

    async def keys_revoked() -> None:
        nonlocal loaded
        loaded += 1

    tail = LogTail(parts.storage, parts.clock, parts.telemetry, keys_revoked=keys_revoked)
    await revoke(door.nodes[0], "a")
    await tail.caught_up()
    assert loaded == 0
    storage: Any = parts.storage
    storage.inner.database.tables.log_name = "another-log"
    await tail.caught_up()
    assert loaded == 1


async def test_no_trouble_ends_the_follower(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.server.flows.log_tail.HEARTBEAT_SECONDS", 0.01)
    storage: Any = door.parts.storage
    tail, tries = door.parts.log_tail, 0
    log_after = storage.inner.log_after

    async def broken(*_: Any, **__: Any) -> None:
        nonlocal tries
        tries += 1
        raise KeyError("a row that nobody foresaw")

    monkeypatch.setattr(storage.inner, "log_after", broken)
    async with following(tail):
        await until(lambda: tries > 3)
        monkeypatch.setattr(storage.inner, "log_after", log_after)
        await revoke(door.nodes[0], "a-session")
        await until(lambda: tail.head == 1)
    (told,) = [fields for slug, fields in door.heard.said if slug == "maintenance.failed"]
    assert told["exception"] == "KeyError"
    assert "row" not in str(told)
