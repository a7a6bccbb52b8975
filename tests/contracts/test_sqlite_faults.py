"""SQLite in trouble: an error within a bound, nothing half written, and back to work when the trouble is over."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tests.contracts.conftest import StoppedClock
from tests.contracts.test_redeem import rotate, seed, stored
from tests.support.builders import NOW, a_grant, a_session, a_user

from watchword.server.domain.grant import Grant, Standing
from watchword.server.ports.storage import Decision, StorageUnavailable
from watchword.server.storage import sqlite, sqlite_driver, writes
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.schema import inspect
from watchword.server.storage.sqlite import SqliteStorage, open_sqlite
from watchword.server.storage.sqlite_driver import driver
from watchword.server.storage.sqlite_thread import SqliteConnection

_HOLD_THE_LOCK = """
import sys
from watchword.server.storage.sqlite_driver import driver
connection = driver.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""

_REDEEM_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from tests.contracts.conftest import StoppedClock
from tests.contracts.test_redeem import rotate
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.sqlite import open_sqlite

async def main():
    storage = await open_sqlite(SqliteDatabase(Path(sys.argv[1])), clock=StoppedClock())
    while True:
        print(await storage.redeem(bytes.fromhex(sys.argv[2]), rotate), flush=True)

asyncio.run(main())
"""


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def read_rest(process: "subprocess.Popen[str]") -> str:
    """All that it said after the lines that were read; ``communicate`` knows nothing of what lies in the buffer."""
    assert process.stdout is not None
    return process.stdout.read()


@pytest.fixture
async def storage(sqlite_database: SqliteDatabase, anyio_backend: Any) -> AsyncIterator[SqliteStorage]:
    opened = await open_sqlite(sqlite_database, clock=StoppedClock())
    yield opened
    await opened.close()


async def on_writer(storage: SqliteStorage, pragma: str) -> None:
    def execute(connection: SqliteConnection) -> None:
        connection.raw.execute(pragma).fetchall()

    await storage._writer.run(execute)


async def test_a_lock_held_by_another_process_is_unavailable_within_a_bound(
    monkeypatch: pytest.MonkeyPatch, sqlite_database: SqliteDatabase
) -> None:
    monkeypatch.setattr(sqlite_driver, "BUSY_SECONDS", 0.5)
    storage = await open_sqlite(sqlite_database, clock=StoppedClock())
    *_, (grant,) = await seed(storage)
    holder = start(_HOLD_THE_LOCK, str(sqlite_database.path))
    try:
        assert await asyncio.to_thread(read_line, holder) == "held"
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="locked"):
            await storage.redeem(grant.id, rotate)
        with pytest.raises(StorageUnavailable, match="locked"):
            async with storage.write():
                pytest.fail("entered")
        assert time.monotonic() - began < 4
        assert await stored(storage, grant) == grant
    finally:
        await asyncio.to_thread(holder.communicate, timeout=10)
    assert await storage.redeem(grant.id, rotate) == 0
    await storage.close()


async def test_a_transaction_that_does_not_end_stops_the_others_only_for_a_bound(
    monkeypatch: pytest.MonkeyPatch, storage: SqliteStorage
) -> None:
    monkeypatch.setattr(sqlite, "TURN_SECONDS", 0.2)
    *_, (grant,) = await seed(storage)
    async with storage.write():
        with pytest.raises(StorageUnavailable, match="does not end"):
            await storage.redeem(grant.id, rotate)
        assert await stored(storage, grant) == grant
    assert await storage.redeem(grant.id, rotate) == 0


async def test_a_short_lock_is_waited_for(storage: SqliteStorage, sqlite_database: SqliteDatabase) -> None:
    *_, (grant,) = await seed(storage)
    holder = start(_HOLD_THE_LOCK, str(sqlite_database.path))
    assert await asyncio.to_thread(read_line, holder) == "held"
    waiting = asyncio.create_task(storage.redeem(grant.id, rotate))
    await asyncio.sleep(0)
    await asyncio.to_thread(holder.communicate, timeout=10)
    assert await waiting == 0


async def test_a_read_only_database_refuses_writes_and_goes_on_reading(storage: SqliteStorage) -> None:
    *_, (grant,) = await seed(storage)
    await on_writer(storage, "PRAGMA query_only = ON")
    with pytest.raises(StorageUnavailable, match="read-only"):
        await storage.redeem(grant.id, rotate)
    assert await stored(storage, grant) == grant
    await on_writer(storage, "PRAGMA query_only = OFF")
    assert await storage.redeem(grant.id, rotate) == 0


async def test_a_full_disk_writes_nothing_and_is_over_when_there_is_room(storage: SqliteStorage) -> None:
    *_, (grant,) = await seed(storage)
    await on_writer(storage, "PRAGMA max_page_count = 1")

    async def fill() -> None:
        async with storage.write() as tx:
            for _ in range(200):
                await tx.add_session(a_session(device="x" * 500))

    def swell(grant: Grant, _: Standing) -> Decision[None]:
        return Decision(None, NOW, structs.replace(grant, ended_at=NOW, ended_reason="x" * 20_000))

    with pytest.raises(StorageUnavailable, match="full"):
        await fill()
    found = await asyncio.gather(*(storage.redeem(grant.id, swell) for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in found} == {StorageUnavailable}
    assert await stored(storage, grant) == grant
    await on_writer(storage, "PRAGMA max_page_count = 1000000")
    await fill()
    assert await storage.redeem(grant.id, rotate) == 0


async def test_a_file_that_is_not_there_is_unavailable_and_is_not_made(sqlite_database: SqliteDatabase) -> None:
    missing = SqliteDatabase(sqlite_database.path.with_name("missing.db"))
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await open_sqlite(missing, clock=StoppedClock())
    assert not missing.path.exists()


async def test_a_file_of_something_else_is_unavailable(sqlite_database: SqliteDatabase) -> None:
    sqlite_database.path.write_bytes(b"this is no database, whatever its name may say" * 100)
    with pytest.raises(StorageUnavailable, match="not a database"):
        await open_sqlite(sqlite_database, clock=StoppedClock())
    with pytest.raises(StorageUnavailable, match="not a database"):
        await inspect(sqlite_database)


async def test_a_damaged_file_is_unavailable_not_empty(sqlite_database: SqliteDatabase) -> None:
    # No free pages inside: what the grants need beyond the first page of their tables comes behind what is there now.
    connection = sqlite_driver.connect(sqlite_database)
    connection.execute("VACUUM")
    connection.close()
    whole = sqlite_database.path.stat().st_size
    first = await open_sqlite(sqlite_database, clock=StoppedClock())
    *_, (grant,) = await seed(first)
    async with first.write() as tx:
        for _ in range(300):
            await tx.add_grant(a_grant())
    await first.close()
    content = bytearray(sqlite_database.path.read_bytes())
    # The pages of the schema stay whole, so that the file opens like a good one.
    assert len(content) > whole
    content[whole:] = b"\xff" * (len(content) - whole)
    sqlite_database.path.write_bytes(content)
    storage = await open_sqlite(sqlite_database, clock=StoppedClock())
    with pytest.raises(StorageUnavailable, match="damaged"):
        await storage.redeem(grant.id, rotate)
    with pytest.raises(StorageUnavailable, match="damaged"):
        async with storage.read() as tx:
            await tx.grant(grant.id)
    await storage.close()


@pytest.mark.parametrize("kept", [0, 4096, 8192])
async def test_a_file_that_was_cut_short_under_an_open_storage_is_unavailable(
    sqlite_database: SqliteDatabase, storage: SqliteStorage, kept: int
) -> None:
    await seed(storage)
    assert await storage.clock() == NOW
    os.truncate(sqlite_database.path, kept)
    with pytest.raises(StorageUnavailable):
        await storage.clock()


async def test_a_file_that_was_deleted_under_an_open_storage_is_unavailable(
    sqlite_database: SqliteDatabase, storage: SqliteStorage
) -> None:
    assert await storage.clock() == NOW
    sqlite_database.path.unlink()
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await storage.clock()
    assert not sqlite_database.path.exists()


async def test_a_file_without_our_tables_is_unavailable(
    sqlite_database: SqliteDatabase, storage: SqliteStorage
) -> None:
    other = driver.connect(str(sqlite_database.path))
    other.execute("ALTER TABLE log_head RENAME TO something_else")
    other.close()
    with pytest.raises(StorageUnavailable, match="does not hold the tables"):
        await storage.clock()


@pytest.mark.parametrize("answers", [1, 7, 40])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(
    sqlite_database: SqliteDatabase, answers: int
) -> None:
    first = await open_sqlite(sqlite_database, clock=StoppedClock())
    *_, (grant,) = await seed(first)
    await first.close()
    victim = start(_REDEEM_FOR_EVER, str(sqlite_database.path), grant.id.hex())
    acknowledged = -1
    for _ in range(answers):
        acknowledged = int(await asyncio.to_thread(read_line, victim))
    victim.send_signal(signal.SIGKILL)
    rest = await asyncio.to_thread(read_rest, victim)
    await asyncio.to_thread(victim.communicate, timeout=10)
    acknowledged = max([acknowledged, *(int(line) for line in rest.split("\n")[:-1])])
    storage = await open_sqlite(sqlite_database, clock=StoppedClock())
    generation = (await stored(storage, grant)).generation
    # One more may have been committed whose answer was never heard.
    assert acknowledged + 1 <= generation <= acknowledged + 2
    await storage.close()


async def test_a_command_beside_the_server_is_seen_at_once_and_sees_everything(
    storage: SqliteStorage, sqlite_database: SqliteDatabase
) -> None:
    user = a_user()
    async with storage.write() as tx:
        await tx.add_user(user)
    command = await open_sqlite(sqlite_database, clock=StoppedClock())
    async with command.write() as tx:
        assert await tx.user(user.sub) == user
        await tx.put_user(changed := replace(user, enabled=False))
    await command.close()
    async with storage.read() as tx:
        assert await tx.user(user.sub) == changed


async def test_every_connection_is_durable_and_in_wal_mode(storage: SqliteStorage) -> None:
    def pragmas(connection: SqliteConnection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    # 2 is FULL.
    assert await storage._writer.run(pragmas) == ["wal", 2, 1]
    assert await storage._reader.run(pragmas) == ["wal", 2, 1]


async def test_the_reading_connection_cannot_write(storage: SqliteStorage) -> None:
    def write(connection: SqliteConnection) -> None:
        connection.raw.execute("DELETE FROM users")

    with pytest.raises(StorageUnavailable, match="read-only"):
        await storage._reader.run(write)


async def test_a_mistake_in_a_statement_is_no_unavailability(storage: SqliteStorage) -> None:
    def mistake(connection: SqliteConnection) -> None:
        connection.raw.execute("SELECT nothing FROM nowhere")

    with pytest.raises(driver.OperationalError):
        await storage._writer.run(mistake)


async def test_the_grants_of_a_client_are_found_by_an_index_however_many_others_there_are(
    storage: SqliteStorage,
) -> None:
    def plan(connection: SqliteConnection) -> str:
        sql, names = connection.sql(writes._DROP_GRANTS_OF_CLIENT)
        steps = connection.raw.execute(f"EXPLAIN QUERY PLAN {sql}", [0] * len(names)).fetchall()
        return "\n".join(str(step[-1]) for step in steps)

    told = await storage._writer.run(plan)
    assert "ix_grants_client_id" in told
    assert "SCAN" not in told
    assert "TEMP B-TREE" not in told
