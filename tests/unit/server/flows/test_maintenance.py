"""What a node does beside answering."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import a_code, a_session
from tests.support.door import Door
from tests.support.fake_outgoing import FakeOutgoing

from watchword.server.domain.lifetimes import DAY
from watchword.server.flows import key_ring, maintenance
from watchword.server.flows.maintenance import maintained, sweep

PATIENCE = 5


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def test_a_sweep_takes_all_that_has_ended_in_small_steps(door: Door) -> None:
    now = door.clock.now()
    async with door.parts.storage.write() as tx:
        for _ in range(450):
            await tx.add_code(replace(a_code(), expires_at=now - 1))
        for _ in range(3):
            await tx.add_code(replace(a_code(), expires_at=now + 60))
        await tx.add_session(a_session(expires_at=now + DAY))
    door.trouble.listen()
    assert await sweep(door.parts) == 450
    assert door.trouble.operations == ["sweep"] * 3
    assert await sweep(door.parts) == 0
    storage: Any = door.parts.storage
    assert len(storage.inner.database.tables.codes) == 3
    assert len(storage.inner.database.tables.sessions) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks come round at once."""
    for name in ("_RING_SECONDS", "_CALENDAR_SECONDS", "_SWEEP_SECONDS", "_COURIER_SECONDS"):
        monkeypatch.setattr(maintenance, name, 0)


@pytest.mark.usefixtures("quick")
async def test_a_rotation_by_another_process_is_seen(two_nodes: Door) -> None:
    here, there = two_nodes.nodes
    await key_ring.rotate(there.parts.storage, there.parts.signer, now=two_nodes.clock.now())
    wanted = {key.kid for key in there.parts.signer.published()}
    assert {key.kid for key in here.parts.signer.published()} != wanted
    async with maintained(here.parts, FakeOutgoing()):
        await until(lambda: {key.kid for key in here.parts.signer.published()} == wanted)


@pytest.mark.usefixtures("quick")
async def test_the_calendar_moves_the_ring_on(door: Door) -> None:
    before = {key.kid for key in door.parts.signer.published()}
    async with maintained(door.parts, FakeOutgoing()):
        door.clock.advance(31 * DAY)
        await until(lambda: len({key.kid for key in door.parts.signer.published()} - before) == 2)


@pytest.mark.usefixtures("quick")
async def test_no_trouble_ends_a_task(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    async def broken(_: Any) -> None:
        nonlocal rounds
        rounds += 1
        raise ValueError("a mistake in the program")

    monkeypatch.setattr(maintenance, "sweep", broken)
    async with maintained(door.parts, FakeOutgoing()):
        door.trouble.listen()
        door.trouble.down = True
        await until(lambda: door.trouble.operations.count("read") > 3)
        door.trouble.down = False
        await until(lambda: rounds > 3)
        async with door.parts.storage.write() as tx:
            await tx.add_code(a_code())
    slugs = door.heard.slugs()
    assert "maintenance.failed" in slugs
    # The database's absence is told by the follower alone.
    failed = [fields for slug, fields in door.heard.said if slug == "maintenance.failed"]
    assert {fields["exception"] for fields in failed} == {"ValueError"}


async def test_at_the_end_no_task_is_left(door: Door) -> None:
    before = asyncio.all_tasks()
    async with maintained(door.parts, FakeOutgoing()):
        assert len(asyncio.all_tasks() - before) >= 5
    await until(lambda: not (asyncio.all_tasks() - before))
