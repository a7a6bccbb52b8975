"""Nodes over a database in memory, furnished with the cast."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from tests.support.cast import START, write_cast
from tests.support.databases import SECRETS
from tests.support.door import Door, Plan
from tests.support.fake_ports import TestClock
from tests.support.memory_storage import MemoryDatabase, MemoryStorage
from tests.support.memory_tables import Tables

from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.flows import key_ring
from watchword.server.ports.clock import Clock
from watchword.server.ports.storage import Storage

OpenNodes: TypeAlias = Callable[..., Awaitable[Door]]
_furnished: list[Tables] = []


async def furnished() -> MemoryDatabase:
    """A database with cast and key ring, as good as new; the keys are made once per process."""
    if not _furnished:
        storage = MemoryStorage(TestClock())
        await key_ring.ensure(storage, LocalSigner(Sealing(SECRETS, SystemEntropy())), now=START)
        await write_cast(storage)
        _furnished.append(storage.database.tables)
    return MemoryDatabase(tables=_furnished[0].copy())


@pytest.fixture
async def open_nodes() -> AsyncIterator[OpenNodes]:
    """Nodes over one database in memory, set up as the test says (the arguments are those of Plan)."""
    opened: list[Door] = []

    async def open_them(**plan: Any) -> Door:
        database = await furnished()

        async def open_one(clock: Clock) -> Storage:
            return MemoryStorage(clock, database)

        door = Door(open_one, Plan(**plan))
        opened.append(door)
        await door.open()
        return door

    yield open_them
    for door in opened:
        await door.close()


@pytest.fixture
async def door(open_nodes: OpenNodes) -> Door:
    """One node."""
    return await open_nodes()


@pytest.fixture
async def two_nodes(open_nodes: OpenNodes) -> Door:
    """Two nodes over one database."""
    return await open_nodes(nodes=2)
