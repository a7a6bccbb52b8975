"""Storage on SQLite: one thread writes, one reads, and readers wait for nobody (WAL).

Every write is BEGIN IMMEDIATE, durable at COMMIT (synchronous=FULL). Other processes on the same file, the commands,
wait for each other up to the busy timeout.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import bindparam, update

from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.time import Instant
from watchword.server.ports.clock import Clock
from watchword.server.ports.storage import Decision, LogPage, StorageUnavailable
from watchword.server.ports.transaction import Reading, Writing
from watchword.server.storage import reads, revocation_log, sweeping, writes
from watchword.server.storage import tables as t
from watchword.server.storage.database_url import SqliteDatabase
from watchword.server.storage.grant_rows import grant_of, of_grant, standing_of
from watchword.server.storage.log_watch import LogWatch, SharedRead
from watchword.server.storage.redemption import ADVANCED, ROTATED, Coalescer, Loaded, Waiting, judge
from watchword.server.storage.rows import of_event
from watchword.server.storage.sqlite_driver import probe, unavailable
from watchword.server.storage.sqlite_place import SqlitePlace
from watchword.server.storage.sqlite_thread import SqliteConnection, SqliteThread
from watchword.server.storage.statement import Call, Statement, Steps, fixed
from watchword.server.storage.transaction import StepsReading, StepsWriting

T = TypeVar("T")
GrantColumns: TypeAlias = Callable[[Grant], tuple[Any, ...]]

# A batch holds the write lock, and whoever waits for an answer waits for all of it.
BATCH: Final = 64
# Longer than a statement may wait for another process.
TURN_SECONDS: Final = 10

_ADVANCE: Final[dict[tuple[str, ...], Statement]] = {
    columns: fixed(
        update(t.grants).where(t.grants.c.id == bindparam("key")).values({name: bindparam(name) for name in columns})
    )
    for columns in (ROTATED, ADVANCED)
}


async def open_sqlite(database: SqliteDatabase, *, clock: Clock) -> "SqliteStorage":
    """The storage on that file.

    Raises:
        StorageUnavailable: the file is not there, or cannot be read and written.
    """
    storage = SqliteStorage(database, clock=clock)
    try:
        await storage.open()
    except StorageUnavailable:
        await storage.close()
        raise
    return storage


class SqliteStorage:
    """The port on SQLite. Belongs to the event loop that opened it."""

    def __init__(self, database: SqliteDatabase, *, clock: Clock) -> None:
        self._clock = clock
        self._database = database
        self._place = SqlitePlace(database.path)
        self._writer = SqliteThread(database, "watchword-sqlite-writer", place=self._place, read_only=False)
        self._reader = SqliteThread(database, "watchword-sqlite-reader", place=self._place, read_only=True)
        # Whose turn it is on each thread: a transaction is several jobs.
        self._writing = _Turn()
        self._reading = _Turn()
        self._coalescer = Coalescer(self._carry, workers=1, size=BATCH)
        self._head = SharedRead(self._read_head)
        self._probe = SharedRead(partial(asyncio.to_thread, self._look))
        self._watch = LogWatch(self._peek)
        self._closed = False

    async def open(self) -> None:
        """Connect both threads."""
        await self._writer.open()
        await self._reader.open()

    async def redeem(self, grant_id: bytes, decide: Callable[[Grant, Standing], Decision[T]]) -> T | None:
        """See the port."""
        outcome: T | None = await self._coalescer.submit(grant_id, decide)
        return outcome

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writing]:
        """See the port."""
        self._check_open()
        async with self._writing:
            self._check_open()
            transaction = StepsWriting(self._run_writing)
            try:
                await self._writer.run(SqliteConnection.begin_writing)
                yield transaction
                head = await self._writer.run(_commit, transaction.entries)
            except BaseException:
                # Posted, not awaited: this may be a task that is being cancelled. It comes before the next turn.
                self._writer.post(SqliteConnection.rollback)
                raise
            finally:
                transaction.finish()
        if head is not None:
            self._watch.grown(head)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        """See the port."""
        self._check_open()
        async with self._reading:
            self._check_open()
            transaction = StepsReading(self._run_reading)
            try:
                yield transaction
            finally:
                transaction.finish()
                self._reader.post(SqliteConnection.rollback)

    async def log_head(self) -> tuple[str, int]:
        """See the port."""
        return await self._head()

    async def log_after(self, sequence: int, *, now: Instant, limit: int) -> LogPage:
        """See the port."""
        page = await self._read_log(revocation_log.page(sequence, now=now, limit=limit))
        self._watch.grown(page.head)
        return page

    async def clock(self) -> Instant:
        """See the port. The file is read, so that a node whose file is gone or cut short does not call itself ready."""
        self._check_open()
        await self._probe()
        return self._clock.now()

    async def sweep(self, *, now: Instant, limit: int) -> int:
        """See the port."""
        async with self._writing:
            self._check_open()
            return await self._writer.run(_in_transaction, sweeping.sweep(now, limit))

    async def wait_for_log(self, sequence: int, *, seconds: float) -> None:
        """See the port."""
        if not self._closed:
            await self._watch.wait(sequence, seconds=seconds)

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        await self._watch.close()
        await self._coalescer.close()
        with suppress(StorageUnavailable):
            # What is open may end; what does not end in its time is rolled back with its connection.
            async with self._writing, self._reading:
                pass
        await self._writer.close()
        await self._reader.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")

    async def _run_writing(self, steps: Steps[T], /) -> T:
        return await self._writer.run(SqliteConnection.run, steps)

    async def _run_reading(self, steps: Steps[T], /) -> T:
        return await self._reader.run(_in_snapshot, steps)

    async def _read_log(self, steps: Steps[T]) -> T:
        async with self.read():
            return await self._reader.run(_in_vouched_snapshot, steps)

    def _look(self) -> None:
        probe(self._database)
        self._place.check_whole()

    async def _read_head(self) -> tuple[str, int]:
        name, sequence, _ = await self._read_log(revocation_log.head())
        return name, sequence

    async def _peek(self) -> int:
        return (await self._head())[1]

    async def _carry(self, batch: list[Waiting]) -> None:
        async with self._writing:
            head = await self._writer.run(_redeem, batch)
        if head is not None:
            self._watch.grown(head)


class _Turn:
    """A lock that is waited for only so long: somebody who forgets himself inside a transaction stops nobody else."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        if not self._lock.locked():
            await self._lock.acquire()
            return
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            raise StorageUnavailable("SQLite: another transaction of this process does not end") from None

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _commit(connection: SqliteConnection, entries: list[Any]) -> int | None:
    head = connection.run(revocation_log.append(entries))
    connection.raw.execute("COMMIT")
    return head


def _in_snapshot(connection: SqliteConnection, steps: Steps[T]) -> T:
    # The first read of a transaction begins it: one hop less for the many that read once.
    if not connection.raw.in_transaction:
        connection.begin_reading()
    return connection.run(steps)


def _in_vouched_snapshot(connection: SqliteConnection, steps: Steps[T]) -> T:
    # Others are told by it what is not revoked: what commands have written since must be seen.
    connection.place.check_whole()
    return _in_snapshot(connection, steps)


def _in_transaction(connection: SqliteConnection, steps: Steps[T]) -> T:
    connection.begin_writing()
    try:
        result = connection.run(steps)
        connection.raw.execute("COMMIT")
    finally:
        connection.rollback()
    return result


def _redeem(connection: SqliteConnection, batch: list[Waiting]) -> int | None:
    try:
        return _redeem_together(connection, batch)
    except Exception as error:
        # Trouble with the file is everybody's; anything else is one's own.
        if len(batch) == 1 or isinstance(unavailable(error), StorageUnavailable):
            raise
    head: int | None = None
    for waiting in batch:
        try:
            head = _redeem_together(connection, [waiting]) or head
        except Exception as error:  # noqa: BLE001 # it is raised where the redemption was asked for
            waiting.error = unavailable(error)
    return head


def _redeem_together(connection: SqliteConnection, batch: list[Waiting]) -> int | None:
    raw = connection.raw
    select_grants, ids = _selection([waiting.grant_id for waiting in batch])
    connection.begin_writing()
    try:
        rows = raw.execute(connection.sql(select_grants)[0], ids).fetchall()
        loaded: dict[bytes, Loaded] = {row[0]: (grant_of(row), standing_of(row)) for row in rows}
        judged = judge(batch, loaded)
        if judged.advanced:
            advance, names = connection.sql(_ADVANCE[judged.columns])
            raw.executemany(advance, map(_columns(names), judged.advanced))
        for grant in judged.changed:
            connection.execute(Call(writes.PUT_GRANT, of_grant(grant) | {"key": grant.id}))
        for event, at in judged.events:
            connection.execute(Call(writes.ADD_EVENT, of_event(event, at)))
        return _commit(connection, judged.entries)
    finally:
        connection.rollback()


def _selection(ids: list[bytes]) -> tuple[Statement, list[bytes]]:
    """One statement for all rows of a batch: each statement lets go of the interpreter, and has to get it back.

    The list is filled up to a power of two, so that there are few statements to compile.
    """
    size = 1 << (len(ids) - 1).bit_length()
    return reads.grants(size), ids + ids[-1:] * (size - len(ids))


@cache
def _columns(names: tuple[str, ...]) -> GrantColumns:
    # A grant's attributes in the order of a statement's parameters.
    return attrgetter(*("id" if name == "key" else name for name in names))
