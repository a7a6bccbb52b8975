"""PostgreSQL in trouble: an error within a bound, and back to work without a restart of the storage."""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from tests.contracts.test_redeem import rotate, seed, stored
from tests.support.builders import a_user
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage import postgres_pool
from watchword.server.storage.database_url import PostgresDatabase
from watchword.server.storage.postgres import PostgresStorage, open_postgres
from watchword.server.storage.postgres_errors import TryAgain
from watchword.server.storage.redemption import Waiting
from watchword.server.storage.schema import upgrade

pytestmark = pytest.mark.postgres


@pytest.fixture
async def storage(postgres_database: PostgresDatabase, anyio_backend: Any) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(postgres_database)
    yield opened
    await opened.close()


async def refuse_everything(storage: PostgresStorage, grant_id: bytes) -> None:
    with pytest.raises(StorageUnavailable):
        await storage.redeem(grant_id, rotate)
    with pytest.raises(StorageUnavailable):
        async with storage.write() as tx:
            await tx.user("x")
    with pytest.raises(StorageUnavailable):
        async with storage.read() as tx:
            await tx.user("x")
    for asking in (storage.log_head(), storage.clock(), storage.sweep(now=0, limit=1)):
        with pytest.raises(StorageUnavailable):
            await asking


async def test_a_stopped_server_is_unavailable_and_comes_back_by_itself(
    storage: PostgresStorage, postgres_server: PostgresServer
) -> None:
    *_, (grant,) = await seed(storage)
    assert await storage.redeem(grant.id, rotate) == 0
    await asyncio.to_thread(postgres_server.stop)
    try:
        async with asyncio.timeout(10):
            await refuse_everything(storage, grant.id)
            await storage.wait_for_log(0, seconds=0.05)
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert await storage.redeem(grant.id, rotate) == 1


async def test_a_server_that_restarted_meanwhile_is_not_even_noticed(
    storage: PostgresStorage, postgres_server: PostgresServer
) -> None:
    *_, (grant,) = await seed(storage)
    await asyncio.gather(*(storage.log_head() for _ in range(3)), storage.redeem(grant.id, rotate))
    await asyncio.to_thread(postgres_server.stop)
    await asyncio.to_thread(postgres_server.start)
    assert await storage.redeem(grant.id, rotate) == 1
    assert (await storage.log_head())[1] == 0


async def test_a_server_that_is_away_at_the_start_is_unavailable(
    postgres_database: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    await asyncio.to_thread(postgres_server.stop)
    try:
        with pytest.raises(StorageUnavailable):
            await open_postgres(postgres_database)
    finally:
        await asyncio.to_thread(postgres_server.start)


async def test_a_database_that_is_not_there_is_unavailable(postgres_database: PostgresDatabase) -> None:
    with pytest.raises(StorageUnavailable, match="there is no such database"):
        await open_postgres(PostgresDatabase(postgres_database.dsn.replace("/test_", "/no_")))


async def test_what_the_environment_adds_wrongly_is_unavailable_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, postgres_database: PostgresDatabase
) -> None:
    monkeypatch.setenv("PGPORT", "hunter2")
    with pytest.raises(StorageUnavailable, match="the URL, the PG") as refused:
        await open_postgres(postgres_database)
    assert "hunter2" not in str(refused.value)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        yield silent.getsockname()[1]


async def test_a_silent_server_does_not_use_up_the_time_of_the_next_one(
    monkeypatch: pytest.MonkeyPatch, silent_port: int, postgres_database: PostgresDatabase
) -> None:
    folder = postgres_database.dsn.rpartition("host=")[2]
    both = PostgresDatabase(
        f"{postgres_database.dsn.rpartition('?')[0]}?host=127.0.0.1,{folder}&port={silent_port},5432"
    )
    storage = await open_postgres(both)
    assert (await storage.log_head())[1] == 0
    await storage.close()


async def test_a_user_who_may_not_make_tables_is_told_so(
    postgres_server: PostgresServer, postgres_database: PostgresDatabase
) -> None:
    database = postgres_server.create_database()
    name = f"guest_{secrets.token_hex(6)}"
    postgres_server.command(f"CREATE ROLE {name} LOGIN")
    with pytest.raises(StorageUnavailable, match="GRANT him the database and its schema"):
        await upgrade(PostgresDatabase(database.dsn.replace("postgres@", f"{name}@")))


async def test_a_row_that_stays_locked_is_unavailable_within_a_bound(
    monkeypatch: pytest.MonkeyPatch, postgres_database: PostgresDatabase
) -> None:
    monkeypatch.setattr(postgres_pool, "STATEMENT_SECONDS", 0.5)
    storage = await open_postgres(postgres_database)
    *_, grants = await seed(storage, count=2)
    other: Any = await asyncpg.connect(postgres_database.dsn)
    async with other.transaction():
        await other.fetch("SELECT 1 FROM grants WHERE id = $1 FOR UPDATE", grants[0].id)
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            await storage.redeem(grants[0].id, rotate)
        assert time.monotonic() - began < 3
        assert await storage.redeem(grants[1].id, rotate) == 0
    await other.close()
    assert await storage.redeem(grants[0].id, rotate) == 0
    await storage.close()


async def test_a_connection_cut_in_the_middle_writes_nothing(
    storage: PostgresStorage, postgres_server: PostgresServer, postgres_database: PostgresDatabase
) -> None:
    user = a_user()
    killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watchword'"

    async def block() -> None:
        async with storage.write() as tx:
            await tx.add_user(user)
            await asyncio.to_thread(postgres_server.command, killed)
            await tx.put_meta("never", "written")

    with pytest.raises(StorageUnavailable):
        await block()
    async with storage.read() as tx:
        assert (await tx.user(user.sub), await tx.meta("never")) == (None, None)


async def test_circular_waiting_ends_for_one_as_unavailable_and_for_the_other_well(storage: PostgresStorage) -> None:
    users = [a_user(), a_user()]
    async with storage.write() as tx:
        for user in users:
            await tx.add_user(user)
    both = asyncio.Barrier(2)

    async def lock(first: int) -> None:
        async with storage.write() as tx:
            await tx.lock_user(users[first].sub)
            await both.wait()
            await tx.lock_user(users[1 - first].sub)

    ends = await asyncio.gather(lock(0), lock(1), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "TryAgain"]


@pytest.mark.parametrize("victims", [1, 4])
async def test_a_redemption_given_up_for_another_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, storage: PostgresStorage, victims: int
) -> None:
    *_, (grant,) = await seed(storage)
    left, together = victims, storage._redeem_together

    async def given_up(batch: list[Waiting]) -> int | None:
        nonlocal left
        if left:
            left -= 1
            raise TryAgain
        return await together(batch)

    monkeypatch.setattr(storage, "_redeem_together", given_up)
    assert await storage.redeem(grant.id, rotate) == 0
    assert (await stored(storage, grant)).generation == 1


async def test_a_redemption_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch, storage: PostgresStorage) -> None:
    *_, (grant,) = await seed(storage)
    tried = 0

    async def given_up(batch: list[Waiting]) -> int | None:
        nonlocal tried
        tried += 1
        raise TryAgain

    monkeypatch.setattr(storage, "_redeem_together", given_up)
    with pytest.raises(StorageUnavailable):
        await storage.redeem(grant.id, rotate)
    assert tried == 5


async def test_more_writers_than_connections_wait_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, postgres_database: PostgresDatabase
) -> None:
    monkeypatch.setattr(postgres_pool, "STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr(postgres_pool, "CONNECTIONS", 2)
    storage = await open_postgres(postgres_database)
    async with storage.write(), storage.write():
        with pytest.raises(StorageUnavailable, match="in use"):
            await storage.log_head()
    assert (await storage.log_head())[1] == 0
    await storage.close()


async def test_errors_name_neither_values_nor_passwords(storage: PostgresStorage) -> None:
    wrong = PostgresDatabase("postgresql://someone:hunter2-hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(StorageUnavailable) as refused:
        await open_postgres(wrong)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(wrong)
