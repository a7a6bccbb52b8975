"""The floor's one durable UPDATE per refresh: what arrives while a commit is under way shares the next."""

import asyncio
import hashlib
import threading
from queue import SimpleQueue
from typing import Any, Final, Protocol

from watchword.server.storage.sqlite_driver import driver

ROWS: Final = 256
BATCH: Final = 64

_Change = tuple[int, float, bytes]


class Updates(Protocol):
    """One table, one row per grant."""

    async def advance(self, key: bytes, generation: int, at: float) -> None:
        """Return when the row's new generation is durable."""


async def open_updates(database_url: str) -> Updates:
    """The table in that database, made anew."""
    if database_url.startswith("sqlite:///"):
        return SqliteUpdates(database_url.removeprefix("sqlite:///"))
    return await PostgresUpdates.open(database_url)


def row_id(at: int) -> bytes:
    """The primary key of the row of that number."""
    return hashlib.sha256(b"%d" % at).digest()[:16]


class SqliteUpdates:
    """A writer thread on SQLite: WAL, synchronous=FULL."""

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[_Change, asyncio.Future[None]]] = SimpleQueue()
        self._path = path
        threading.Thread(target=self._work, daemon=True).start()

    async def advance(self, key: bytes, generation: int, at: float) -> None:
        """See ``Updates``."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(((generation, at, key), done))
        await done

    def _work(self) -> None:
        connection = driver.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE floor (id BLOB PRIMARY KEY, generation INTEGER, redeemed_at REAL) STRICT, WITHOUT ROWID"
        )
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO floor VALUES (?, 0, 0)", [(row_id(at),) for at in range(ROWS)])
        connection.execute("COMMIT")
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE floor SET generation = ?, redeemed_at = ? WHERE id = ?", [change for change, _ in batch]
            )
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_answer, batch)


class PostgresUpdates:
    """One connection to PostgreSQL, one UPDATE over arrays per batch."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waiting: list[tuple[_Change, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, database_url: str) -> "PostgresUpdates":
        """Connect, and make the table."""
        import asyncpg  # noqa: PLC0415

        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "CREATE TABLE floor (id bytea PRIMARY KEY, generation int, redeemed_at double precision) "
            "WITH (fillfactor = 50)"
        )
        await connection.executemany("INSERT INTO floor VALUES ($1, 0, 0)", [(row_id(at),) for at in range(ROWS)])
        return cls(connection)

    async def advance(self, key: bytes, generation: int, at: float) -> None:
        """See ``Updates``."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(((generation, at, key), done))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        await done

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            generations, times, keys = zip(*(change for change, _ in batch), strict=True)
            await self._connection.fetch(
                "UPDATE floor SET generation = new.generation, redeemed_at = new.redeemed_at "
                "FROM unnest($1::bytea[], $2::int[], $3::double precision[]) AS new (id, generation, redeemed_at) "
                "WHERE floor.id = new.id",
                keys,
                generations,
                times,
            )
            _answer(batch)


def _answer(batch: list[tuple[_Change, asyncio.Future[None]]]) -> None:
    for _, done in batch:
        if not done.done():
            done.set_result(None)
