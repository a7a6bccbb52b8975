"""A standby is not the primary: nothing that decides is read there, nothing is vouched for, and nothing is written."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from tests.contracts.test_postgres_faults import refuse_everything
from tests.contracts.test_redeem import rotate, seed
from tests.support.builders import NOW
from tests.support.postgres import PostgresServer
from tests.support.postgres_standby import Standby, standby_of

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.database_url import PostgresDatabase
from watchword.server.storage.postgres import _READ, PostgresStorage, open_postgres
from watchword.server.storage.postgres_pool import PostgresConnection
from watchword.server.storage.schema import inspect, upgrade

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def module_database(postgres_server: PostgresServer, postgres_template: PostgresDatabase) -> PostgresDatabase:
    return postgres_server.create_database(template=postgres_template)


@pytest.fixture(scope="module")
def standby(postgres_server: PostgresServer, module_database: PostgresDatabase) -> Iterator[Standby]:
    """A standby that has ``module_database``, too."""
    with standby_of(postgres_server) as found:
        yield found


@pytest.fixture
async def storage(module_database: PostgresDatabase, anyio_backend: Any) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(module_database)
    yield opened
    await opened.close()


async def found_on_the_standby(storage: PostgresStorage, standby: Standby, primary: PostgresDatabase) -> list[Any]:
    """Let the connections that the storage has kept lead to the standby, as behind a proxy after a fail-over."""
    for kept in storage._pool._idle:
        await kept.raw.close()
    raws = [await asyncpg.connect(standby.database(primary).dsn) for _ in range(3)]
    storage._pool._idle[:] = [PostgresConnection(raw) for raw in raws]
    return raws


async def test_a_standby_answers_and_is_still_unavailable(standby: Standby, module_database: PostgresDatabase) -> None:
    there = standby.database(module_database)
    raw = await asyncpg.connect(there.dsn)
    assert await raw.fetchval("SELECT pg_is_in_recovery() AND count(*) = 1 FROM log_head") is True
    await raw.close()
    for opening in (open_postgres(there), inspect(there), upgrade(there)):
        with pytest.raises(StorageUnavailable, match="only a standby answers"):
            await opening


async def test_the_environment_cannot_talk_it_into_a_standby(
    monkeypatch: pytest.MonkeyPatch, standby: Standby, module_database: PostgresDatabase
) -> None:
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
    with pytest.raises(StorageUnavailable, match="only a standby answers"):
        await open_postgres(standby.database(module_database))


async def test_of_several_servers_the_primary_is_found(standby: Standby, module_database: PostgresDatabase) -> None:
    storage = await open_postgres(standby.either(module_database))
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    await storage.close()


async def test_connections_that_lead_to_a_standby_are_dropped_and_the_primary_is_looked_for(
    storage: PostgresStorage, standby: Standby, module_database: PostgresDatabase
) -> None:
    *_, (grant,) = await seed(storage)
    old = await found_on_the_standby(storage, standby, module_database)
    assert await storage.redeem(grant.id, rotate) == 0
    assert [raw.is_closed() for raw in old] == [True] * 3


@pytest.mark.parametrize("asked", ["log_head", "log_after", "clock", "read"])
async def test_what_is_vouched_for_is_read_from_the_primary_though_a_connection_leads_elsewhere(
    storage: PostgresStorage, standby: Standby, module_database: PostgresDatabase, asked: str
) -> None:
    old = await found_on_the_standby(storage, standby, module_database)
    match asked:
        case "log_head":
            await storage.log_head()
        case "log_after":
            await storage.log_after(0, now=NOW, limit=1)
        case "clock":
            await storage.clock()
        case _:
            async with storage.read() as reading:
                await reading.meta("anything")
    assert [raw.is_closed() for raw in old] == [True] * 3


async def test_a_transaction_that_reads_cannot_write(storage: PostgresStorage) -> None:
    await storage.log_head()
    raw = storage._pool._idle[0].raw
    await raw.execute(_READ)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await raw.execute("DELETE FROM log_head")
    await raw.execute("ROLLBACK")


async def test_with_the_standby_alone_everything_is_unavailable_until_it_is_promoted(
    postgres_server: PostgresServer, postgres_database: PostgresDatabase
) -> None:
    storage = await open_postgres(postgres_database)
    *_, (grant,) = await seed(storage)
    await storage.close()
    with standby_of(postgres_server) as standby:
        storage = await open_postgres(standby.either(postgres_database))
        assert await storage.redeem(grant.id, rotate) == 0
        await asyncio.to_thread(postgres_server.stop)
        try:
            await refuse_everything(storage, grant.id)
            with pytest.raises(StorageUnavailable, match="only a standby answers"):
                await storage.clock()
            await found_on_the_standby(storage, standby, postgres_database)
            await refuse_everything(storage, grant.id)
            await asyncio.to_thread(standby.promote)
            # The last redemption may not have come over.
            assert await storage.redeem(grant.id, rotate) in (0, 1)
            assert (await storage.log_head())[1] == 0
        finally:
            await asyncio.to_thread(postgres_server.start)
            await storage.close()
